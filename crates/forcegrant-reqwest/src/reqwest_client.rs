//! What an API call through reqwest needs of the client whose token it uses.

use std::sync::Arc;

use forcegrant_proto::calls::client::CallClient;
use forcegrant_proto::error::Error;

use crate::event_loop::EventLoop;

/// A client with HTTP clients of its own for API calls: `forcegrant::Client`. It is not for others to implement.
#[doc(hidden)]
pub trait ReqwestClient: CallClient {
    /// The HTTP client for calls on the caller's event loop.
    fn http_client(&self) -> Result<reqwest::Client, Error>;

    /// The event loop for calls of threads, with its HTTP client.
    fn event_loop(&self) -> Result<Arc<EventLoop>, Error>;
}
