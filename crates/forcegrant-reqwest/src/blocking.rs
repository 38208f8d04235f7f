//! The same calls for threads.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use forcegrant_http::CallError;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, StatusCode};
use serde::Serialize;

use crate::call;
use crate::event_loop::{EventLoop, poll_connections};
use crate::reqwest_client::ReqwestClient;

/// API calls through reqwest with the token of a `forcegrant::blocking::Client`.
pub trait ClientExt {
    /// The same client for async code.
    #[doc(hidden)]
    type AsyncClient: ReqwestClient;

    #[doc(hidden)]
    fn async_client(&self) -> &Self::AsyncClient;

    /// An API call: a path on the token's instance, or a whole URL. Nothing is sent before
    /// [`CallBuilder::send`].
    ///
    /// It goes through an HTTP client of this client's own, as [`ClientExt::request`](crate::ClientExt::request).
    /// Connections are kept, but no thread: the thread that waits for a call does its work. In a task of tokio's
    /// it would block the task's thread; use [`ClientExt::request`](crate::ClientExt::request) there.
    ///
    /// ```no_run
    /// # fn example(sf: forcegrant::blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use forcegrant::blocking::ClientExt;
    /// use forcegrant::reqwest::Method;
    ///
    /// let response = sf.request(Method::GET, "/services/data/v67.0/limits").send()?;
    /// println!("{} {}", response.status(), response.text()?);
    /// # Ok(()) }
    /// ```
    fn request(
        &self,
        method: Method,
        path_or_url: impl Into<String>,
    ) -> CallBuilder<Self::AsyncClient> {
        let client = self.async_client().clone();
        CallBuilder(call::CallBuilder::new(
            client,
            None,
            method,
            path_or_url.into(),
        ))
    }
}

/// An API call that is being built, for threads.
#[must_use = "nothing is sent before `send`"]
pub struct CallBuilder<C>(call::CallBuilder<C>);

impl<C> CallBuilder<C> {
    /// See [`crate::CallBuilder::header`].
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

    /// The body. Text and bytes can be sent twice, a stream cannot.
    pub fn body(self, body: impl Into<Body>) -> Self {
        Self(self.0.body(body))
    }

    /// A value as the body, in JSON.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        Self(self.0.json(value))
    }

    /// See [`crate::CallBuilder::timeout`].
    pub fn timeout(self, timeout: Duration) -> Self {
        Self(self.0.timeout(timeout))
    }
}

impl<C: ReqwestClient> CallBuilder<C> {
    /// Sends the call with the token, and waits for the head of its response. [`CallBuilder::send`](crate::CallBuilder::send)
    /// says what follows from a dead session.
    ///
    /// # Errors
    /// As there.
    pub fn send(self) -> Result<Response, CallError<reqwest::Error>> {
        let event_loop = self.0.client().event_loop()?;
        let call = self.0.through(event_loop.http().clone());
        let sent = event_loop.wait(async {
            poll_connections().await;
            call.send().await
        })?;
        match sent {
            Ok(response) => Ok(Response {
                inner: Some(response),
                unread: Bytes::new(),
                event_loop,
            }),
            Err(error) => {
                event_loop.run_ready();
                Err(error)
            }
        }
    }
}

impl<C: fmt::Debug> fmt::Debug for CallBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The response to a call. Its body has not arrived yet: take it whole with [`Response::bytes`] or
/// [`Response::text`], or piece by piece as a [`Read`].
pub struct Response {
    /// `None` when the body has been read, and while it is dropped.
    inner: Option<reqwest::Response>,
    /// What has arrived of the body and was not read.
    unread: Bytes,
    event_loop: Arc<EventLoop>,
}

impl Response {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.inner().status()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.inner().headers()
    }

    /// Where the response comes from: after redirects, and where the instance is now.
    #[must_use]
    pub fn url(&self) -> &str {
        self.inner().url().as_str()
    }

    /// What is left of the body.
    ///
    /// # Errors
    /// [`CallError::Http`] when it breaks off or takes longer than [`CallBuilder::timeout`].
    pub fn bytes(mut self) -> Result<Bytes, CallError<reqwest::Error>> {
        let mut whole = Vec::from(std::mem::take(&mut self.unread));
        let Some(mut response) = self.inner.take() else {
            return Ok(whole.into());
        };
        let rest = async {
            while let Some(chunk) = response.chunk().await? {
                whole.extend_from_slice(&chunk);
            }
            Ok(whole.into())
        };
        self.event_loop.wait(rest)?.map_err(CallError::Http)
    }

    /// What is left of the body, as text in UTF-8; what is not UTF-8 becomes U+FFFD.
    ///
    /// # Errors
    /// As [`Response::bytes`].
    pub fn text(self) -> Result<String, CallError<reqwest::Error>> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn chunk(&mut self) -> Result<Option<Bytes>, CallError<reqwest::Error>> {
        let Some(response) = &mut self.inner else {
            return Ok(None);
        };
        let chunk = self.event_loop.wait(response.chunk())?;
        chunk.map_err(CallError::Http)
    }

    fn inner(&self) -> &reqwest::Response {
        self.inner
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is taken at the end"))
    }
}

/// Gives the body piece by piece, for responses that are better not kept in memory.
impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.unread.is_empty() && !buffer.is_empty() {
            match self.chunk().map_err(io::Error::other)? {
                Some(chunk) => self.unread = chunk,
                None => return Ok(0),
            }
        }
        let length = self.unread.len().min(buffer.len());
        self.unread.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

impl Drop for Response {
    /// The connection is kept, or closed if the body was not read to its end: now, and not at the next
    /// call.
    fn drop(&mut self) {
        drop(self.inner.take());
        self.event_loop.run_ready();
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
