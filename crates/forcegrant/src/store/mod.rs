//! Several clients, processes or hosts share one token and one login through a store.
//!
//! A [`Store`] keeps small entries under keys, and grants the exclusive right to log in. It never sees a token: entries
//! are sealed (AES-256-GCM, with a key that is derived from the client secret), so nobody without the secret can read
//! or forge one. A store that loses, swaps or invents entries costs a login and never leads to a wrong token.
//!
//! A client that needs a token:
//!
//! 1. calls [`Store::get`], and uses the token if it was not reported as rejected and is newer than its own;
//! 2. otherwise calls [`Store::acquire`] for the lease, and looks again. If it gets the lease, it logs in, renews the
//!    lease meanwhile, and saves the token with [`Store::put`], which ends the lease;
//! 3. if another client has the lease, waits with [`Store::watch`] and looks again. If the other's login fails, the
//!    waiting clients get its error.
//!
//! Every call has a time limit (option `store_timeout`). If the store fails or is late, an event says so, it is not
//! used for a while, and the login goes ahead without it.

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
