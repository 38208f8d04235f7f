//! Calls through the HTTP clients that people use: attach the token, renew it once when Salesforce
//! says that it is dead, never leak it.
//!
//! What every adapter decides is decided here, for all languages, by one state machine: [`ApiCall`].
//! An adapter (of an HTTP client, in Rust, Python or Node) only moves bytes, in these steps:
//!
//! 1. If the request brings an `Authorization` header of its own, send it as it is.
//! 2. `token = client.token()`; [`ApiCall::prepare`] gives the URL to connect to, and says whether to
//!    attach the token. A response to a request that did not carry it, or that came from another origin
//!    after a redirect, says nothing about it: hand it out.
//! 3. Read the first [`CLASSIFIED_BYTES`] of the body if [`body_counts`] for the status, and hand the
//!    response to [`ApiCall::handle_response`] as plain values in a [`CallResponse`]. It notes the API
//!    usage, reports a refused token, and says what to do.
//! 4. [`Action::Deliver`]: hand the response out. [`Action::Resend`]: wait that long, and send the same
//!    request again, from step 2. [`Action::Fail`]: the error.

mod client;
pub(crate) mod usage;

pub use forcegrant_proto::calls::api_call::{
    Action, ApiCall, CLASSIFIED_BYTES, CallResponse, body_counts,
};
pub use forcegrant_proto::calls::resolve_url::ResolvedUrl;
pub use forcegrant_proto::calls::retry::CallRetry;

pub(crate) use self::client::{CallSettings, Calls};
#[cfg(any(feature = "http-client", feature = "tower"))]
pub use forcegrant_http::CallError;
#[cfg(feature = "reqwest-middleware")]
pub use forcegrant_reqwest::AuthenticationMiddleware;
#[cfg(feature = "http-client")]
pub use forcegrant_reqwest::{CallBuilder, ClientExt};
#[cfg(feature = "tonic")]
pub use forcegrant_tonic::{GrpcAuthenticatedService, GrpcAuthenticationLayer, GrpcInterceptor};
#[cfg(feature = "tower")]
pub use forcegrant_tower::{
    AuthenticatedService, AuthenticationLayer, PeekedBody, ReplayCloned, ReplayNever, ReplayPolicy,
};
