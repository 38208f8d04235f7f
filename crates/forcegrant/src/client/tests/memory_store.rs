//! A store in memory: the contents of the stores that tests spoil.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::millis;
use crate::store::{Acquired, Lease, Put, Store, StoreFuture, Stored};
use forcegrant_proto::cache::budget::{Budget, BudgetSettings};
use forcegrant_proto::store::protocol::Register;

pub(super) struct MemoryStore {
    entries: Mutex<HashMap<String, Contents>>,
    lease_ended: Notify,
    started: Instant,
}

#[derive(Default)]
struct Contents {
    register: Register,
    /// The bytes, and when they end.
    entry: Option<(Vec<u8>, Instant)>,
    logins: Budget,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            lease_ended: Notify::new(),
            started: Instant::now(),
        }
    }
}

impl MemoryStore {
    /// Milliseconds since the store was made: its clock, which nobody sets back.
    fn now(&self) -> i64 {
        millis(self.started.elapsed()).cast_signed()
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Contents, i64) -> T) -> T {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        act(entries.entry(key.to_owned()).or_default(), self.now())
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let entry = self.with(key, |contents, _| contents.entry.clone());
            let entry = entry.filter(|(_, ends)| Instant::now() < *ends);
            Ok(entry.map(|(entry, _)| Stored { entry, left: None }))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        Box::pin(async move {
            let put = self.with(key, |contents, now| {
                let put = contents.register.put(lease, now);
                if put == Put::Stored {
                    contents.entry = Some((entry.to_vec(), Instant::now() + time_to_live));
                }
                put
            });
            self.lease_ended.notify_waiters();
            Ok(put)
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        Box::pin(async move {
            Ok(self.with(key, |contents, now| {
                contents.register.acquire(owner, now, time)
            }))
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(key, |contents, _| contents.register.end(&lease.owner));
            self.lease_ended.notify_waiters();
            Ok(())
        })
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            // Made first, so that an end in between is not missed.
            let ended = self.lease_ended.notified();
            let left = self.with(key, |contents, now| {
                let held = contents.register.holder(now);
                let held = held.filter(|held| held.fence == fence);
                held.map(|held| Duration::from_millis(held.left(now)))
            });
            if let Some(left) = left {
                let _ = tokio::time::timeout(limit.min(left), ended).await;
            }
            Ok(())
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        let settings = BudgetSettings { stop: None };
        Box::pin(async move {
            Ok(self.with(key, |contents, now| {
                let now = now.unsigned_abs();
                contents.logins.ask(now, settings);
                for _ in 0..logins {
                    contents.logins.count(now, settings);
                }
                u64::from(contents.logins.used())
            }))
        })
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let store = MemoryStore::default();
    crate::store::conformance::check(&store).await.unwrap();
    crate::store::conformance::check_steps(&store)
        .await
        .unwrap();
}
