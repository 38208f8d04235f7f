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

pub mod blocking;
mod budgets;
mod builder;
pub mod calls;
mod client;
mod clock;
mod credentials;
mod engine;
mod environment;
mod events;
#[cfg(all(any(test, fuzzing), feature = "store-file"))]
#[doc(hidden)]
pub mod fuzz;
mod http;
mod login;
mod login_task;
mod pool;
mod random;
mod sharded_refs;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod single_flight;
pub mod store;
mod store_session;
mod sync;
mod token_cell;
mod verify;
mod wait;
mod worker;

#[cfg(feature = "http-client")]
pub use reqwest;

/// The error, its kinds, the table of codes and the set-up steps.
pub mod error {
    pub use forcegrant_proto::error::*;
}

/// Events as numbers, for metrics.
pub mod measurement {
    pub use forcegrant_proto::measurement::*;
}

/// For the command line of this project, which mixes the environment with its options and explains both:
/// no part of the API.
#[doc(hidden)]
pub mod command_line {
    use std::path::Path;

    use url::Url;

    use crate::environment::Environment;
    pub use crate::environment::{Found, Parts, Wanted};
    use crate::http::{Proxy, ProxyRules};
    use forcegrant_proto::error::{Error, Setting};
    use forcegrant_proto::pasted_text as text;
    use forcegrant_proto::secret::Secret;

    /// How the host of a client is reached, and why so: `through proxy.example:3128 (HTTPS_PROXY)`.
    ///
    /// # Errors
    /// `invalid_option` for a proxy that is of no use.
    pub fn route(proxy: &Proxy, environment: &Environment, host: &str) -> Result<String, Error> {
        let rules = ProxyRules::new(proxy, environment)?;
        let url = Url::parse(&format!("https://{host}"));
        Ok(url.map_or_else(|_| String::new(), |url| rules.decide(&url).to_string()))
    }

    /// The secret in a file that an option names.
    ///
    /// # Errors
    /// `invalid_option` says what is wrong with the file, and shows nothing of it.
    pub fn read_secret_file(option: &str, path: &Path) -> Result<Secret, Error> {
        let setting = Setting::Option(option);
        let secret = crate::credentials::read_secret_file(setting, path)?;
        text::check(setting, text::meant(secret.expose()))?;
        Ok(secret)
    }

    /// A value as it is used: without what people paste along with it.
    #[must_use]
    pub fn meant(text: &str) -> &str {
        text::meant(text)
    }
}

pub use crate::builder::ClientBuilder;
pub use crate::client::{Client, View};
pub use crate::clock::{Clock, TestClock};
pub use crate::credentials::{ClientCredentials, CredentialSet, LoadedCredentials};
pub use crate::engine::Start;
pub use crate::environment::Environment;
pub use crate::http::Proxy;
pub use crate::pool::{ClientPool, ClientPoolBuilder, OrgCredentials, Prewarmed};
pub use crate::verify::Verified;
pub use crate::wait::{Pending, Subscription};
pub use forcegrant_proto::cache::cache_state::CacheState;
pub use forcegrant_proto::error::{Error, ErrorCode, ErrorKind, SetupStep};
pub use forcegrant_proto::event::Event;
pub use forcegrant_proto::expiry::{Expiry, ExpiryCertainty, ExpirySource};
pub use forcegrant_proto::grant::request::AuthStyle;
pub use forcegrant_proto::measurement::{Measurement, MeasurementKind};
#[doc(hidden)]
pub use forcegrant_proto::redaction::Redactor;
pub use forcegrant_proto::response_class::{
    ApiResponse, ApiUsage, RateLimit, Refusal, ResponseClass, grpc_response_class,
};
pub use forcegrant_proto::secret::Secret;
#[cfg(doctest)]
pub use forcegrant_proto::secret::SecretsCannotBeShown;
pub use forcegrant_proto::status::Status;
pub use forcegrant_proto::token::Token;
pub use forcegrant_proto::token_data::TokenFormat;
pub use forcegrant_support::tls::Roots;
