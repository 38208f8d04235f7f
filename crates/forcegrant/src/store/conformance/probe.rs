//! The store that is checked, with a time limit for each call, and what the checks have in common.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::store::{Acquired, Lease, Put, Store, StoreError, Stored};

/// A call that takes longer hangs.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How late a store may notice that a time has passed.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// How much clocks and their rounding may differ.
pub(super) const ROUNDING: Duration = Duration::from_millis(100);
/// Long enough to outlast a check, short enough to leave nothing behind.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// The pause between two calls in a loop.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// What a check found: nothing, or what is wrong.
pub(super) type Finding = Result<(), String>;

/// The store that is checked.
pub(super) struct Probe<'a> {
    pub(super) store: &'a dyn Store,
}

impl<'a> Probe<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Self { store }
    }

    /// An unused key.
    #[expect(clippy::unused_self, reason = "`probe.key()` says what the key is for")]
    pub(super) fn key(&self) -> String {
        format!("conformance:{}", random())
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Stored>, String> {
        timed("get", self.store.get(key)).await
    }

    pub(super) async fn put(&self, key: &str, entry: &[u8], lease: &Lease) -> Result<Put, String> {
        timed("put", self.store.put(key, entry, LONG, lease)).await
    }

    pub(super) async fn put_for(
        &self,
        key: &str,
        entry: &[u8],
        time_to_live: Duration,
        lease: &Lease,
    ) -> Result<Put, String> {
        timed("put", self.store.put(key, entry, time_to_live, lease)).await
    }

    pub(super) async fn acquire(
        &self,
        key: &str,
        owner: &str,
        time: Duration,
    ) -> Result<Acquired, String> {
        timed("acquire", self.store.acquire(key, owner, time)).await
    }

    pub(super) async fn release(&self, key: &str, lease: &Lease) -> Finding {
        timed("release", self.store.release(key, lease)).await
    }

    pub(super) async fn watch(&self, key: &str, fence: u64, limit: Duration) -> Finding {
        timed("watch", self.store.watch(key, fence, limit)).await
    }

    pub(super) async fn count(&self, key: &str, logins: u32) -> Result<u64, String> {
        timed("count", self.store.count(key, logins)).await
    }

    /// The lease for a new owner, for long.
    pub(super) async fn granted(&self, key: &str) -> Result<Lease, String> {
        self.granted_for(key, LONG).await
    }

    pub(super) async fn granted_for(&self, key: &str, time: Duration) -> Result<Lease, String> {
        let owner = random();
        match self.acquire(key, &owner, time).await? {
            Acquired::Granted { fence } => Ok(Lease { owner, fence }),
            held @ Acquired::Held { .. } => Err(format!("acquire of a free lease: {held:?}")),
        }
    }

    /// Checks that another owner has the lease, with this fence.
    pub(super) async fn expect_held(&self, key: &str, lease: &Lease) -> Result<Duration, String> {
        match self.acquire(key, &random(), LONG).await? {
            Acquired::Held { fence, left } => {
                expect("the fence of the lease that is held", fence, lease.fence)?;
                Ok(left)
            }
            granted @ Acquired::Granted { .. } => Err(format!(
                "acquire of a lease that another has (fence {}): {granted:?}",
                lease.fence
            )),
        }
    }

    /// Calls `acquire` until the lease is granted to a new owner; fails after `limit`.
    pub(super) async fn granted_within(&self, key: &str, limit: Duration) -> Result<Lease, String> {
        let (owner, deadline) = (random(), Instant::now() + limit);
        loop {
            match self.acquire(key, &owner, LONG).await? {
                Acquired::Granted { fence } => return Ok(Lease { owner, fence }),
                held @ Acquired::Held { .. } if Instant::now() > deadline => {
                    return Err(format!("the lease is not free after {limit:?}: {held:?}"));
                }
                Acquired::Held { .. } => sleep(CHECK_INTERVAL).await,
            }
        }
    }

    pub(super) async fn expect_entry(&self, key: &str, entry: &[u8]) -> Finding {
        match self.get(key).await? {
            Some(stored) if stored.entry == entry => Ok(()),
            Some(stored) => Err(format!(
                "get returned {} bytes that are not the {} that were put last",
                stored.entry.len(),
                entry.len()
            )),
            None => Err("get found nothing where an entry was put".to_owned()),
        }
    }

    pub(super) async fn pause(&self) {
        sleep(CHECK_INTERVAL).await;
    }
}

/// 32 hexadecimal digits.
pub(super) fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// Fails unless `seen` is `wanted`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "most callers have values, not references"
)]
pub(super) fn expect<T: PartialEq + fmt::Debug>(what: &str, seen: T, wanted: T) -> Finding {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {seen:?} instead of {wanted:?}"))
    }
}

/// Runs them at the same time. Returns their results in the same order.
pub(super) async fn all_of<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in waiting.iter_mut().zip(&mut done) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Runs both at the same time.
pub(super) async fn both<A: Future, B: Future>(one: A, two: B) -> (A::Output, B::Output) {
    let (mut one, mut two) = (pin!(one), pin!(two));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = two.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            unfinished => {
                (first, second) = unfinished;
                Poll::Pending
            }
        }
    })
    .await
}

async fn timed<T>(
    name: &str,
    future: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, String> {
    match timeout(CALL_LIMIT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{name} failed: {error}")),
        Err(_) => Err(format!("{name} did not end within {CALL_LIMIT:?}")),
    }
}
