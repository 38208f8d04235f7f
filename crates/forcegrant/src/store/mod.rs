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
#[cfg(all(test, not(feature = "model")))]
mod model;
mod process;
#[cfg(feature = "store-redis")]
mod redis;
pub(crate) mod seal;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use forcegrant_proto::store::{Acquired, Lease, Put, StoreError, Stored};

pub use self::config::StoreConfig;
pub(crate) use self::config::{SharedStore, route};
#[cfg(feature = "store-file")]
pub use self::file::FileStore;
#[cfg(all(any(test, fuzzing), feature = "store-file"))]
pub(crate) use self::file::decode_file;
#[cfg(all(test, not(feature = "model")))]
pub(crate) use self::process::ProcessStore as InMemory;
#[cfg(feature = "store-redis")]
pub use self::redis::RedisStore;

/// What a step of a store comes to.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sealed entries, leases and counters for clients that know the same client secret.
///
/// `key` is up to 80 characters of `[0-9a-z.:-]`. It tells nothing about the org or the secret.
///
/// The futures run on a current-thread tokio runtime with I/O and time, on a thread that ends when
/// nothing is in flight: a connection, or a task that serves one, must not be expected to outlive
/// the future. A future may be dropped at any point. After a fork the store is used in the child
/// too: locks and connections must be the child's own.
///
/// Each clause below is checked by the [conformance suite](conformance).
pub trait Store: Send + Sync + fmt::Debug {
    /// The entry under `key`, whole and as it was put, or none.
    ///
    /// * An entry whose time to live is over is not returned.
    /// * An entry that can not be read, was cut or is not this store's is none, not an error.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>>;

    /// Puts `entry` in place of the one under `key`, and ends the lease, in one step.
    ///
    /// * Readers see the old entry or the new one, whole.
    /// * If the entry there was put with a greater fence, it stays: [`Put::Outdated`]. So it should be if
    ///   a lease with a greater fence was granted since: its holder may have a newer token. Of a store
    ///   that forgets its leases this is not asked.
    /// * The lease on `key` ends if it is held by `lease.owner`; another's is left alone.
    /// * `time_to_live` is at least a second; the entry is gone after it, or soon after.
    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put>;

    /// Asks for the exclusive right to log in for `key`. Does not wait for it.
    ///
    /// * At most one owner has it at a time.
    /// * It ends by itself after `time`, or at once when the store notices that its holder died.
    /// * The owner who has it and asks again keeps it, with the same fence, for `time` from now.
    /// * Each grant to a new owner has a greater fence than every grant and every entry before it.
    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired>;

    /// Ends the lease without an entry, if it is still held by this owner.
    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()>;

    /// Waits until the lease with this fence is not held any more, or for `limit`, whichever is
    /// first. It may return early: the caller looks again. While the lease is held it leaves a moment
    /// before it does, so that a caller who looks in a loop does not spin.
    ///
    /// Without a way to be told, a store does what this default does: it sleeps for a moment.
    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        let (_, _) = (key, fence);
        Box::pin(async move {
            tokio::time::sleep(limit.min(POLL)).await;
            Ok(())
        })
    }

    /// Adds `logins` to the counter under `key` and returns how many were added within the last
    /// hour, these included. A count may leave the window up to a minute late, never early. Adding 0
    /// only reads.
    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64>;
}

/// How often a store that is not told asks again.
pub(crate) const POLL: Duration = Duration::from_millis(50);
