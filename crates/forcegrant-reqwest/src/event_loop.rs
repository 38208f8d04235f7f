//! The event loop for the API calls of threads.

use std::future::Future;

use forcegrant_proto::error::Error;
use tokio::runtime::{Handle, Runtime};
use tokio::task::yield_now;

/// An HTTP client with the event loop that its connections belong to. The loop has no thread of its own: a thread that
/// waits for a call runs it, for all that wait. So connections outlive a call, and when no call is under way nothing
/// runs.
#[derive(Debug)]
pub struct EventLoop {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    http: reqwest::Client,
}

impl EventLoop {
    /// The HTTP client should keep no more idle connections to one host: nothing would close them in time.
    pub const MAX_IDLE_CONNECTIONS: usize = 16;

    /// Of an HTTP client that has no connections yet, and a runtime of one thread.
    #[must_use]
    pub fn new(runtime: Runtime, http: reqwest::Client) -> Self {
        Self {
            runtime: Some(runtime),
            http,
        }
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Runs a future to its end on this thread. If this thread belongs to another runtime, which must not be blocked by a
    /// second loop, a thread runs it while this one waits.
    pub(crate) fn wait<F>(&self, future: F) -> Result<F::Output, Error>
    where
        F: Future + Send,
        F::Output: Send,
    {
        if Handle::try_current().is_err() {
            return Ok(self.runtime().block_on(future));
        }
        std::thread::scope(|scope| {
            let running = std::thread::Builder::new()
                .name("forcegrant-call".to_owned())
                .spawn_scoped(scope, || self.runtime().block_on(future))
                .map_err(|error| Error::worker_unavailable(&error))?;
            let output = running.join();
            Ok(output.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Does what can be done now, and waits for nothing. On a thread of another runtime it is left to the next call.
    pub(crate) fn run_ready(&self) {
        if Handle::try_current().is_err() {
            self.runtime().block_on(poll_connections());
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime
            .as_ref()
            .unwrap_or_else(|| unreachable!("it is taken when it is dropped"))
    }
}

impl Drop for EventLoop {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // This works in any thread, and does not wait: a name lookup may hang.
            runtime.shutdown_background();
        }
    }
}

/// Lets the connections handle what has happened to them: they notice it in the first turn of the loop and act in the
/// second. Otherwise a request could go out on a connection that the server closed while the loop did not run.
pub(crate) async fn poll_connections() {
    yield_now().await;
    yield_now().await;
}
