//! Calls through the HTTP clients that people use: attach the token, renew it once when Salesforce
//! says that it is dead, never leak it.
//!
//! What every adapter decides is decided here, for all languages. An adapter (of an HTTP client, in
//! Rust, Python or Node) only moves bytes, in these steps:
//!
//! 1. If the request brings an `Authorization` header of its own, send it as it is.
//! 2. `token = client.token()`; [`Client::resolve_url`]`(token, url)` gives the URL to connect to, and
//!    says whether to attach the token. An answer to a request that did not carry it, or that came from
//!    another origin after a redirect, says nothing about it: hand it out.
//! 3. Read the first [`ENOUGH`] bytes of the body if [`body_counts`] for the status, and hand the
//!    answer to [`Client::judge`] as plain values in a [`CallAnswer`]. It notes the API usage, reports
//!    a dead token, and says what is [`Next`].
//! 4. [`Next::Deliver`]: hand the answer out. [`Next::Retry`]: wait that long, count the attempt, send
//!    the same request again, from step 2. [`Next::Fail`]: the error. [`Next::Replay`]: ask for a token
//!    again, check it with [`renewed`] against the one before, and send the request again from step 2
//!    with `replayed: true`.
//!
//! [`Client::resolve_url`]: crate::Client::resolve_url
//! [`Client::judge`]: crate::Client::judge

mod client;
#[cfg(any(feature = "http-client", feature = "tower"))]
pub(crate) mod exchange;
#[cfg(feature = "tonic")]
pub(crate) mod grpc;
#[cfg(feature = "http-client")]
pub(crate) mod http;
#[cfg(feature = "reqwest-middleware")]
pub(crate) mod middleware;
#[cfg(any(feature = "http-client", feature = "tower"))]
pub(crate) mod peek;
pub(crate) mod replay;
pub(crate) mod resolve_url;
pub(crate) mod retry;
#[cfg(feature = "tower")]
pub(crate) mod service;
#[cfg(feature = "tonic")]
pub(crate) mod tape;
#[cfg(feature = "http-client")]
pub(crate) mod threads;
pub(crate) mod usage;

pub(crate) use self::client::{CallSettings, Calls};
#[cfg(any(feature = "http-client", feature = "tower"))]
pub use self::exchange::CallError;
#[cfg(feature = "tonic")]
pub use self::grpc::{GrpcAuthenticated, GrpcAuthenticationLayer, GrpcInterceptor};
#[cfg(feature = "http-client")]
pub use self::http::Call;
#[cfg(feature = "reqwest-middleware")]
pub use self::middleware::Authentication;
#[cfg(any(feature = "http-client", feature = "tower"))]
pub use self::peek::Peeked;
pub use self::replay::{CallAnswer, ENOUGH, Next, body_counts, renewed};
pub use self::resolve_url::ResolvedUrl;
pub use self::retry::CallRetry;
#[cfg(feature = "tower")]
pub use self::service::{Authenticated, AuthenticationLayer, Cloned, Once, Replay};
