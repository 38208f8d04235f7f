//! The same client and pool for threads.

mod client;
mod pool;

pub use self::client::Client;
pub use self::pool::ClientPool;
#[cfg(feature = "http-client")]
pub use forcegrant_reqwest::blocking::{CallBuilder, ClientExt, Response};
