//! Salesforce API calls through reqwest: the token goes along, and is renewed when Salesforce says that the session is
//! dead.
//!
//! Use it through the crate `forcegrant` and its feature `http-client`: [`ClientExt`] gives `forcegrant::Client` the
//! method `request`, and [`blocking::ClientExt`] gives it to `forcegrant::blocking::Client`.

#![forbid(unsafe_code)]

pub mod blocking;
mod call;
mod client_ext;
mod event_loop;
mod exchange;
#[cfg(feature = "middleware")]
mod middleware;
mod reqwest_client;

pub use self::call::CallBuilder;
pub use self::client_ext::ClientExt;
pub use self::event_loop::EventLoop;
#[cfg(feature = "middleware")]
pub use self::middleware::AuthenticationMiddleware;
pub use self::reqwest_client::ReqwestClient;
pub use forcegrant_http::CallError;
