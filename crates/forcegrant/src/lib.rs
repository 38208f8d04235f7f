//! A valid Salesforce access token for server programs, with no user present: the OAuth 2.0
//! client-credentials flow, and the token cache that it needs because Salesforce never says when a
//! token ends.
//!
//! ```no_run
//! # async fn example() -> Result<(), forcegrant::Error> {
//! let sf = forcegrant::Client::builder("acme.my.salesforce.com", "client id", "client secret").build()?;
//! let token = sf.token().await?;
//! println!("call {} as {}", token.instance_url(), token.user_id().unwrap_or("?"));
//! # Ok(()) }
//! ```
//!
//! Keep the [`Client`] and ask it for the token before every call: a token at hand costs
//! nanoseconds, and one login serves any number of callers. When an API says that the session is
//! dead, tell the client with [`Client::invalidate`] and ask again.
//!
//! What is guaranteed:
//!
//! * A token is never served past an end that Salesforce stated, and never after it was reported
//!   as rejected, unless Salesforce returns it twice in a row all the same. An [`Expiry`] says
//!   whether it was stated or estimated.
//! * The secret and the token are in no `Debug` or `Display` form, no error and no [`Event`]. They
//!   go only to Salesforce's hosts, or those you named, over TLS, and follow no redirect.
//! * Ten thousand concurrent callers cause one login; a failure is shared by all that waited for
//!   it and is remembered for a while.
//! * Nothing happens at import: no thread, no file, no environment variable is touched before the
//!   first login. A thread exists only while a login is in flight.
//! * The future works on any executor. A call that is cancelled leaves the login running for others.

#![forbid(unsafe_code)]
// docs.rs names the feature that an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod blocking;
mod budgets;
mod builder;
pub mod calls;
mod client;
mod client_config;
mod client_inner;
mod clock;
pub mod connections;
mod credentials;
mod environment;
mod events;
#[doc(hidden)]
pub mod ffi;
mod http;
mod login;
mod login_permits;
mod login_task;
mod obtained;
mod pool;
mod private_files;
mod random;
mod secret_file;
mod sharded_refs;
mod shared_logins;
mod sharing;
mod single_flight;
pub mod store;
mod store_session;
mod sync;
mod token_cell;
mod verified;
mod verify;
mod wait;
mod worker;

#[cfg(feature = "http-client")]
pub use reqwest;

/// Events as numbers, for metrics.
pub mod measurement {
    pub use forcegrant_proto::measurement::*;
}

pub use crate::builder::ClientBuilder;
pub use crate::client::Client;
pub use crate::clock::{Clock, TestClock};
pub use crate::credentials::{ClientCredentials, CredentialSet, LoadedCredentials};
pub use crate::environment::Environment;
pub use crate::http::Proxy;
pub use crate::pool::{ClientPool, ClientPoolBuilder, OrgCredentials, Prewarmed};
pub use crate::verified::Verified;
pub use forcegrant_proto::cache::cache_state::CacheState;
pub use forcegrant_proto::error::{Error, ErrorCode, ErrorKind, InputField, SetupStep};
pub use forcegrant_proto::event::Event;
pub use forcegrant_proto::expiry::{Expiry, ExpiryCertainty, ExpirySource};
pub use forcegrant_proto::grant::request::AuthStyle;
pub use forcegrant_proto::measurement::{Measurement, MeasurementKind};
pub use forcegrant_proto::response_class::{
    ApiResponse, ApiUsage, RateLimit, Refusal, ResponseClass, grpc_response_class,
};
pub use forcegrant_proto::secret::Secret;
pub use forcegrant_proto::status::Status;
pub use forcegrant_proto::token::Token;
pub use forcegrant_proto::token_data::TokenFormat;
pub use forcegrant_support::tls::Roots;
