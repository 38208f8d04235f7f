//! The default store: clients of one process that know the same credentials share a token.
//!
//! An entry lives as long as a client that uses it, so there is nothing to bound and nothing to
//! clean up.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock::millis;
use crate::store::{Acquired, Lease, Put, Store, StoreFuture, Stored};
use forcegrant_proto::cache::budget::{Budget, BudgetSettings};
use forcegrant_proto::store::protocol::{LARGEST_ENTRY, LONGEST_LIFE, Register};
use forcegrant_support::process::PerProcess;

/// One client's way to what the process shares.
#[derive(Default)]
pub(crate) struct ProcessStore {
    /// Keeps this client's drawers in being. A child of a fork has its own.
    held: PerProcess<Mutex<HashMap<String, Arc<Drawer>>>>,
}

#[derive(Default)]
struct Registry(Mutex<Drawers>);

#[derive(Default)]
struct Drawers {
    drawers: HashMap<String, Weak<Drawer>>,
    /// Those that nobody holds any more are thrown out when the table has grown to this.
    sweep_at: usize,
}

#[derive(Default)]
struct Drawer {
    contents: Mutex<Contents>,
    lease_ended: Notify,
}

#[derive(Default)]
struct Contents {
    register: Register,
    entry: Option<Entry>,
    logins: Budget,
}

struct Entry {
    bytes: Vec<u8>,
    ends: Instant,
}

static REGISTRY: OnceLock<PerProcess<Registry>> = OnceLock::new();

/// What was locked is plain data, whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ProcessStore {
    fn drawer(&self, key: &str) -> Arc<Drawer> {
        let held = self.held.current();
        let mut held = lock(&held);
        if let Some(drawer) = held.get(key) {
            return Arc::clone(drawer);
        }
        let registry = REGISTRY.get_or_init(PerProcess::default).current();
        let drawer = lock(&registry.0).drawer(key);
        held.insert(key.to_owned(), Arc::clone(&drawer));
        drawer
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Contents, &Notify) -> T) -> T {
        let drawer = self.drawer(key);
        let mut contents = lock(&drawer.contents);
        act(&mut contents, &drawer.lease_ended)
    }
}

/// Milliseconds since the first look: the clock of these stores, which nobody steps.
fn now() -> i64 {
    static START: OnceLock<Instant> = OnceLock::new();
    millis(START.get_or_init(Instant::now).elapsed()).cast_signed()
}

impl Drawers {
    fn drawer(&mut self, key: &str) -> Arc<Drawer> {
        if let Some(drawer) = self.drawers.get(key).and_then(Weak::upgrade) {
            return drawer;
        }
        if self.drawers.len() >= self.sweep_at {
            self.drawers.retain(|_, drawer| drawer.strong_count() > 0);
            self.sweep_at = (self.drawers.len() * 2).max(64);
        }
        let drawer = Arc::new(Drawer::default());
        self.drawers.insert(key.to_owned(), Arc::downgrade(&drawer));
        drawer
    }
}

impl Store for ProcessStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let entry = self.with(key, |contents, _| {
                let now = Instant::now();
                contents.entry = contents.entry.take().filter(|entry| now < entry.ends);
                contents.entry.as_ref().map(|entry| entry.bytes.clone())
            });
            Ok(entry.map(|entry| Stored { entry, left: None }))
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
            Ok(self.with(key, |contents, ended| {
                let put = contents.register.put(lease, now());
                ended.notify_waiters();
                if put == Put::Stored {
                    contents.entry = (entry.len() <= LARGEST_ENTRY).then(|| Entry {
                        bytes: entry.to_vec(),
                        ends: Instant::now() + time_to_live.min(LONGEST_LIFE),
                    });
                }
                put
            }))
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        Box::pin(async move {
            Ok(self.with(key, |contents, _| {
                contents.register.acquire(owner, now(), time)
            }))
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.with(key, |contents, ended| {
                contents.register.end(&lease.owner);
                ended.notify_waiters();
            });
            Ok(())
        })
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let drawer = self.drawer(key);
            // Made before the look, so that an end in between is not missed.
            let ended = drawer.lease_ended.notified();
            let left = {
                let (contents, now) = (lock(&drawer.contents), now());
                let held = contents.register.holder(now);
                let held = held.filter(|held| held.fence == fence);
                held.map(|held| Duration::from_millis(held.left(now)))
            };
            if let Some(left) = left {
                // Over time is as good as an end.
                let _ = tokio::time::timeout(limit.min(left), ended).await;
            }
            Ok(())
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        // Only counted: the stop is the caller's.
        let settings = BudgetSettings { stop: None };
        Box::pin(async move {
            let boot = now().unsigned_abs();
            Ok(self.with(key, |contents, _| {
                contents.logins.ask(boot, settings);
                for _ in 0..logins {
                    contents.logins.count(boot, settings);
                }
                u64::from(contents.logins.used())
            }))
        })
    }
}

impl fmt::Debug for ProcessStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessStore")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let store = ProcessStore::default();
        crate::store::conformance::check(&store).await.unwrap();
        crate::store::conformance::check_steps(&store)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_entry_lives_as_long_as_a_client_that_uses_it() {
        let lease = Lease {
            owner: "a".to_owned(),
            fence: 1,
        };
        let (one, two) = (ProcessStore::default(), ProcessStore::default());
        let minute = Duration::from_secs(60);
        one.put("lives", b"x", minute, &lease).await.unwrap();
        assert!(two.get("lives").await.unwrap().is_some());
        drop(one);
        assert!(two.get("lives").await.unwrap().is_some());
        drop(two);
        let three = ProcessStore::default();
        assert!(three.get("lives").await.unwrap().is_none());
    }

    /// 100,000 stores that come and go leave nothing behind.
    #[test]
    fn what_nobody_holds_is_thrown_out() {
        for number in 0..1_000 {
            ProcessStore::default().drawer(&format!("gone-{number}"));
        }
        let registry = REGISTRY.get_or_init(PerProcess::default).current();
        let drawers = lock(&registry.0);
        let gone = |key: &&String| key.starts_with("gone-");
        assert!(drawers.drawers.keys().filter(gone).count() < 200);
    }
}
