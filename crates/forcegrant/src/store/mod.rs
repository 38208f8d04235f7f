//! Tokens beyond one client: several clients, processes or hosts share one token and one login.
//!
//! A [`Store`] keeps small entries under names, and grants the exclusive right to log in. It knows
//! nothing of tokens: what it keeps was sealed before (AES-256-GCM, with a key that is derived from
//! the client secret), so whoever lacks the secret reads nothing and forges nothing, and a store
//! that loses, swaps or invents entries costs a login and never brings a wrong token.
//!
//! How a client uses it, when it needs a token:
//!
//! 1. [`Store::get`]. A token that is there, is not reported as rejected and is newer than the
//!    client's own is used.
//! 2. [`Store::acquire`] the lease, and look again. Who has the lease logs in, extends the lease while
//!    that lasts, and saves the token with [`Store::put`], which ends the lease.
//! 3. Who has not got it waits with [`Store::watch`] and looks again; a login that failed is told to
//!    those who waited for it.
//!
//! Every step has a time limit (option `store_timeout`). A store that fails or is late is left out of
//! the way for a while, which an event says, and the login goes ahead without it.

mod config;
pub mod conformance;
#[cfg(feature = "store-file")]
mod file;

pub use forcegrant_proto::store::{Acquired, Lease, Put, StoreError, Stored};
#[cfg(feature = "store-redis")]
pub use forcegrant_redis::RedisStore;
pub use forcegrant_support::store::{Store, StoreFuture};

pub use self::config::StoreConfig;
pub(crate) use self::config::{SharedStore, route};
#[cfg(feature = "store-file")]
pub use self::file::FileStore;
