//! The contract of a store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use forcegrant_proto::store::{Acquired, Lease, Put, StoreError, Stored};

/// What a call of a store returns.
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
/// Each clause below is checked by `forcegrant::store::conformance`.
pub trait Store: Send + Sync + fmt::Debug {
    /// The entry under `key` as it was put, or `None`.
    ///
    /// * An entry whose time to live is over is not returned.
    /// * If the entry is damaged or not this store's, the result is `None`, not an error.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>>;

    /// Puts `entry` in place of the one under `key`, and ends the lease, atomically.
    ///
    /// * Readers see the old entry or the new one, whole.
    /// * If the entry there was put with a greater fence, it stays: [`Put::Outdated`]. The same should
    ///   hold if a lease with a greater fence was granted since, because its holder may have a newer token;
    ///   a store that forgets its leases need not do that.
    /// * The lease on `key` ends if it is held by `lease.owner`; another's is left alone.
    /// * `time_to_live` is at least a second; the entry is gone after it, or soon after.
    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put>;

    /// Requests the lease, which is the exclusive right to log in for `key`. Does not wait for it.
    ///
    /// * At most one owner has it at a time.
    /// * It ends after `time`, or as soon as the store notices that its holder died.
    /// * If its owner requests it again, the owner keeps it with the same fence, for `time` from now.
    /// * Each grant to a new owner has a greater fence than every grant and every entry before it.
    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired>;

    /// Ends the lease without an entry, if it is still held by this owner.
    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()>;

    /// Waits until the lease with this fence is no longer held, at most for `limit`. It may return early, because the
    /// caller looks again; but not at once while the lease is held, so that a caller does not loop without a pause.
    ///
    /// The default sleeps for a moment: it is for stores without notifications.
    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        let (_, _) = (key, fence);
        Box::pin(async move {
            tokio::time::sleep(limit.min(POLL_INTERVAL)).await;
            Ok(())
        })
    }

    /// Adds `logins` to the counter under `key` and returns how many were added within the last
    /// hour, these included. A count may leave the window up to a minute late, never early. Adding 0
    /// only reads.
    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64>;
}

/// How often a store without notifications looks again.
pub const POLL_INTERVAL: Duration = Duration::from_millis(50);
