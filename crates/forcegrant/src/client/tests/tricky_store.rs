//! A store that does what its contract forbids.

use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::memory_store::MemoryStore;
use super::*;
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};

/// A store in memory that can fail, hang and lie. Clones are one store.
#[derive(Clone, Debug, Default)]
pub(super) struct Tricky(pub(super) Arc<Tricks>);

#[derive(Debug, Default)]
pub(super) struct Tricks {
    pub(super) contents: MemoryStore,
    pub(super) fails: AtomicBool,
    pub(super) hangs: AtomicBool,
    /// Another has every lease.
    pub(super) is_held: AtomicBool,
    /// An entry is what another put, or garbage.
    pub(super) garbage: AtomicBool,
    pub(super) left: Mutex<Option<Duration>>,
    /// Logins of others.
    pub(super) others: AtomicU64,
    pub(super) steps: AtomicUsize,
    pub(super) watches: AtomicUsize,
    pub(super) acquires: AtomicUsize,
    /// The longest lease that was asked for.
    pub(super) longest: Mutex<Duration>,
    pub(super) puts: AtomicUsize,
    pub(super) logins: Mutex<u64>,
    pub(super) counted: Condvar,
}

impl Tricky {
    fn play<'a, T: Send + 'a>(&'a self, step: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        if self.0.fails.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::new("on purpose, with hunter22")) });
        }
        if self.0.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        step
    }

    /// Logins are counted after their callers have gone on, so this waits for that many.
    pub(super) fn logins(&self, wanted: u64) -> u64 {
        let logins = self.0.logins.lock().unwrap();
        let limit = Duration::from_secs(30);
        let counted = &self.0.counted;
        let (logins, _) = counted
            .wait_timeout_while(logins, limit, |logins| *logins < wanted)
            .unwrap();
        *logins
    }

    /// Returns once the lease was asked for so many times more.
    pub(super) fn is_asked_again(&self, times: usize) {
        let wanted = self.0.acquires.load(Ordering::SeqCst) + times;
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while self.0.acquires.load(Ordering::SeqCst) < wanted {
            assert!(
                std::time::Instant::now() < deadline,
                "the lease is not extended"
            );
            std::thread::yield_now();
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.0.steps.load(Ordering::SeqCst)
    }
}

impl Store for Tricky {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        if self.0.garbage.load(Ordering::SeqCst) {
            let entry = b"garbage".repeat(20);
            return self.play(Box::pin(
                async move { Ok(Some(Stored { entry, left: None })) },
            ));
        }
        let left = *self.0.left.lock().unwrap();
        self.play(Box::pin(async move {
            let stored = self.0.contents.get(key).await?;
            Ok(stored.map(|stored| Stored { left, ..stored }))
        }))
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        self.0.puts.fetch_add(1, Ordering::SeqCst);
        self.play(Box::pin(async move {
            self.0.contents.put(key, entry, time_to_live, lease).await
        }))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        self.0.acquires.fetch_add(1, Ordering::SeqCst);
        let mut longest = self.0.longest.lock().unwrap();
        *longest = time.max(*longest);
        drop(longest);
        if self.0.is_held.load(Ordering::SeqCst) {
            let held = Acquired::Held {
                fence: 7,
                left: Duration::from_millis(30),
            };
            return self.play(Box::pin(async move { Ok(held) }));
        }
        self.play(Box::pin(async move {
            self.0.contents.acquire(key, owner, time).await
        }))
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        self.play(Box::pin(async move {
            self.0.contents.release(key, lease).await
        }))
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        self.0.watches.fetch_add(1, Ordering::SeqCst);
        self.play(Box::pin(async move {
            self.0.contents.watch(key, fence, limit).await
        }))
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        *self.0.logins.lock().unwrap() += u64::from(logins);
        self.0.counted.notify_all();
        let others = self.0.others.load(Ordering::SeqCst);
        self.play(Box::pin(async move {
            Ok(others + self.0.contents.count(key, logins).await?)
        }))
    }
}
