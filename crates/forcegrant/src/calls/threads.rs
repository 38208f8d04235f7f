//! `blocking::Client::request`: the same calls for threads.

use std::fmt;
use std::future::Future;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, StatusCode};
use serde::Serialize;
use tokio::runtime::{Handle, Runtime};
use tokio::task::yield_now;

use crate::blocking;
use crate::calls;
use crate::calls::attempt::CallError;
use crate::engine::worker_unavailable;
use crate::http::{self, HttpSettings};
use crate::worker;
use forcegrant_proto::error::Error;

impl blocking::Client {
    /// An API call: a path on the token's instance, or a whole URL. Nothing is sent before
    /// [`Call::send`].
    ///
    /// It goes through an HTTP client of this client's own, as [`crate::Client::request`]. Connections
    /// are kept, but no thread: what there is to do for a call, the thread that waits for it does. In
    /// a task of tokio's it holds up the task's thread; use [`crate::Client::request`] there.
    ///
    /// ```no_run
    /// # fn example(sf: forcegrant::blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use forcegrant::reqwest::Method;
    /// let answer = sf.request(Method::GET, "/services/data/v67.0/limits").send()?;
    /// println!("{} {}", answer.status(), answer.text()?);
    /// # Ok(()) }
    /// ```
    pub fn request(&self, method: Method, path_or_url: impl Into<String>) -> Call {
        Call(self.as_async().request(method, path_or_url))
    }
}

/// An API call in the making, for threads.
#[must_use = "nothing is sent before `send`"]
pub struct Call(calls::Call);

impl Call {
    /// See [`calls::Call::header`].
    pub fn header<N, V>(self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        Self(self.0.header(name, value))
    }

    /// Adds headers.
    pub fn headers(self, headers: HeaderMap) -> Self {
        Self(self.0.headers(headers))
    }

    /// Adds parameters to the query of the address.
    pub fn query<N: AsRef<str>, V: AsRef<str>>(
        self,
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self(self.0.query(pairs))
    }

    /// The body. Text and bytes can be sent twice; a stream can not.
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0.body(body))
    }

    /// A value as the body, in JSON.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        Self(self.0.json(value))
    }

    /// See [`calls::Call::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }

    /// Sends the call with the token, and waits for the head of its answer. What follows from a dead
    /// session is told at [`calls::Call::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(self) -> Result<Response, CallError<reqwest::Error>> {
        let connections = self.0.settings().connections()?;
        let call = self.0.through(connections.http.clone());
        let sent = connections.wait(async {
            settle().await;
            call.send().await
        })?;
        match sent {
            Ok(answer) => Ok(Response {
                answer: Some(answer),
                begun: Bytes::new(),
                connections,
            }),
            Err(error) => {
                connections.turn();
                Err(error)
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The answer to a call. Its body is still on its way: take it whole with [`Response::bytes`] or
/// [`Response::text`], or piece by piece as a [`Read`].
pub struct Response {
    /// Taken at the end.
    answer: Option<reqwest::Response>,
    /// What of the body has arrived and was not read.
    begun: Bytes,
    connections: Arc<Connections>,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.answer().status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.answer().headers()
    }

    /// Where the answer comes from: after redirects, and where the instance is now.
    #[must_use]
    pub fn url(&self) -> &str {
        self.answer().url().as_str()
    }

    /// What is left of the body.
    ///
    /// # Errors
    /// [`CallError::Http`] when it breaks off or takes longer than [`Call::timeout`].
    pub fn bytes(mut self) -> Result<Bytes, CallError<reqwest::Error>> {
        let mut whole = Vec::from(std::mem::take(&mut self.begun));
        let Some(mut answer) = self.answer.take() else {
            return Ok(whole.into());
        };
        let rest = async {
            while let Some(chunk) = answer.chunk().await? {
                whole.extend_from_slice(&chunk);
            }
            Ok(whole.into())
        };
        self.connections.wait(rest)?.map_err(CallError::Http)
    }

    /// What is left of the body, as text in UTF-8; what is none stands as U+FFFD.
    ///
    /// # Errors
    /// As [`Response::bytes`].
    pub fn text(self) -> Result<String, CallError<reqwest::Error>> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn chunk(&mut self) -> Result<Option<Bytes>, CallError<reqwest::Error>> {
        let Some(answer) = &mut self.answer else {
            return Ok(None);
        };
        let chunk = self.connections.wait(answer.chunk())?;
        chunk.map_err(CallError::Http)
    }

    fn answer(&self) -> &reqwest::Response {
        self.answer
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is taken at the end"))
    }
}

/// Gives the body piece by piece, for answers that are better not kept in memory.
impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.begun.is_empty() && !buffer.is_empty() {
            match self.chunk().map_err(io::Error::other)? {
                Some(chunk) => self.begun = chunk,
                None => return Ok(0),
            }
        }
        let length = self.begun.len().min(buffer.len());
        self.begun.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for Response {
    /// The connection is kept, or closed if the body was not read to its end: now, and not at the next
    /// call.
    fn drop(&mut self) {
        drop(self.answer.take());
        self.connections.turn();
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// An HTTP client with the event loop that its connections belong to. The loop has no thread: whoever
/// waits for a call turns it, for all who wait. So connections outlive a call, and when no call is
/// under way nothing runs.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
    http: reqwest::Client,
}

impl Connections {
    /// More connections to one host than these are not kept: nothing would close them in time.
    const IDLE: usize = 16;

    pub(crate) fn new(settings: &HttpSettings) -> Result<Self, Error> {
        let runtime = worker::runtime().map_err(|error| worker_unavailable(&error))?;
        Ok(Self {
            runtime: Some(runtime),
            http: http::for_calls(settings, Some(Self::IDLE))?,
        })
    }

    /// Runs a future to its end on this thread, or while this one waits when it is a runtime's own: such
    /// a thread must not turn another loop.
    fn wait<F>(&self, future: F) -> Result<F::Output, Error>
    where
        F: Future + Send,
        F::Output: Send,
    {
        if Handle::try_current().is_err() {
            return Ok(self.runtime().block_on(future));
        }
        std::thread::scope(|scope| {
            let turning = std::thread::Builder::new()
                .name("forcegrant-call".to_owned())
                .spawn_scoped(scope, || self.runtime().block_on(future))
                .map_err(|error| worker_unavailable(&error))?;
            let output = turning.join();
            Ok(output.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Does what there is to do, and waits for nothing. On a runtime's own thread it is left to the next
    /// call.
    fn turn(&self) {
        if Handle::try_current().is_err() {
            self.runtime().block_on(settle());
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is taken when it is dropped"))
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Anywhere, and without waiting: a lookup may hang.
            runtime.shutdown_background();
        }
    }
}

/// The connections see what has happened to them: one turn to hear of it, one to act. Else a request
/// would go out on a connection that the server closed long ago, while the loop stood still.
async fn settle() {
    yield_now().await;
    yield_now().await;
}
