//! The store under check, each step with a time limit, and what the checks have in common.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::store::{Acquired, Lease, Put, Store, StoreError, Stored};

/// A step that takes longer hangs.
const STEP: Duration = Duration::from_secs(5);
/// How late a store may notice that a time is over.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// How far clocks and their rounding may be apart.
pub(super) const ROUNDING: Duration = Duration::from_millis(100);
/// Long enough to outlast a check, short enough to leave nothing behind.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

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

    /// A key that nobody uses.
    #[expect(
        clippy::unused_self,
        reason = "reads as what it is: a key to probe with"
    )]
    pub(super) fn key(&self) -> String {
        format!("conformance:{}", random())
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Stored>, String> {
        step("get", self.store.get(key)).await
    }

    pub(super) async fn put(&self, key: &str, entry: &[u8], lease: &Lease) -> Result<Put, String> {
        step("put", self.store.put(key, entry, LONG, lease)).await
    }

    pub(super) async fn put_for(
        &self,
        key: &str,
        entry: &[u8],
        time_to_live: Duration,
        lease: &Lease,
    ) -> Result<Put, String> {
        step("put", self.store.put(key, entry, time_to_live, lease)).await
    }

    pub(super) async fn acquire(
        &self,
        key: &str,
        owner: &str,
        time: Duration,
    ) -> Result<Acquired, String> {
        step("acquire", self.store.acquire(key, owner, time)).await
    }

    pub(super) async fn release(&self, key: &str, lease: &Lease) -> Finding {
        step("release", self.store.release(key, lease)).await
    }

    pub(super) async fn watch(&self, key: &str, fence: u64, limit: Duration) -> Finding {
        step("watch", self.store.watch(key, fence, limit)).await
    }

    pub(super) async fn count(&self, key: &str, logins: u32) -> Result<u64, String> {
        step("count", self.store.count(key, logins)).await
    }

    /// The lease for a new owner, for long.
    pub(super) async fn granted(&self, key: &str) -> Result<Lease, String> {
        self.granted_for(key, LONG).await
    }

    pub(super) async fn granted_for(&self, key: &str, time: Duration) -> Result<Lease, String> {
        let owner = random();
        match self.acquire(key, &owner, time).await? {
            Acquired::Granted { fence } => Ok(Lease { owner, fence }),
            held @ Acquired::Held { .. } => {
                Err(format!("acquire of a lease that nobody has: {held:?}"))
            }
        }
    }

    /// The lease is with this fence, and is another's.
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

    /// Asks until the lease is granted to a new owner; fails after `limit`.
    pub(super) async fn granted_within(&self, key: &str, limit: Duration) -> Result<Lease, String> {
        let (owner, deadline) = (random(), Instant::now() + limit);
        loop {
            match self.acquire(key, &owner, LONG).await? {
                Acquired::Granted { fence } => return Ok(Lease { owner, fence }),
                held @ Acquired::Held { .. } if Instant::now() > deadline => {
                    return Err(format!("the lease is not free after {limit:?}: {held:?}"));
                }
                Acquired::Held { .. } => sleep(PAUSE).await,
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
        sleep(PAUSE).await;
    }
}

/// 32 hexadecimal digits.
pub(super) fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    format!("{:032x}", u128::from_be_bytes(bytes))
}

/// `wanted`, or what was seen in its place.
#[expect(
    clippy::needless_pass_by_value,
    reason = "most callers have values, not references"
)]
pub(super) fn expect<T: PartialEq + fmt::Debug>(what: &str, seen: T, wanted: T) -> Finding {
    if seen == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {seen:?} in place of {wanted:?}"))
    }
}

/// Waits for all of them, side by side, in their order.
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

/// Waits for both, side by side.
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

async fn step<T>(
    name: &str,
    future: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, String> {
    match timeout(STEP, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{name} failed: {error}")),
        Err(_) => Err(format!("{name} did not end within {STEP:?}")),
    }
}
