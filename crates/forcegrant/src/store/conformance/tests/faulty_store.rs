//! A store in memory, whole or with one defect.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};

/// What can be wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    InventsEntries,
    CutsEntries,
    ReplacesLineEnds,
    ForgetsEntriesEarly,
    KeepsEntriesForEver,
    LeftIsTooLong,
    ReplacesInTwoSteps,
    WritesInTwoSteps,
    TakesOutdatedEntries,
    RefusesTheSameFence,
    PutLeavesItsLease,
    PutEndsAnyLease,
    GrantsToAll,
    HeldTellsItsOwnFence,
    LeaseEndsEarly,
    LeaseNeverEnds,
    AskingAgainExtendsNothing,
    AskingAgainNeverShortens,
    AskingAgainGivesANewFence,
    FencesStartAnew,
    FencesIgnoreEntries,
    FencesAreLarge,
    ReleaseDoesNothing,
    ReleaseEndsAnyLease,
    ReleaseDropsTheEntry,
    WatchSleepsItOut,
    WatchIgnoresItsLimit,
    WatchSpins,
    WatchWaitsForAnyLease,
    CountIsTheLast,
    CountIsNotAtomic,
    KeysLoseTheirMarks,
    KeysAreCut,
    CounterIsAnEntry,
    DroppedPutLeavesHalf,
    DroppedAcquireHangs,
    OneRuntimeOnly,
    Hangs,
    Fails,
}

/// The contract, as short as can be.
#[derive(Debug)]
pub(super) struct FaultyStore {
    defect: Option<Defect>,
    state: Mutex<StoreContents>,
}

#[derive(Debug, Default)]
pub(super) struct StoreContents {
    pub(super) entries: HashMap<String, (Vec<u8>, u64, Instant)>,
    pub(super) leases: HashMap<String, (Lease, Instant)>,
    counters: HashMap<String, u64>,
    fence: u64,
    runtime: Option<tokio::runtime::Id>,
}

impl FaultyStore {
    pub(super) fn new(defect: Option<Defect>) -> Self {
        Self {
            defect,
            state: Mutex::default(),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, StoreContents> {
        self.state.lock().unwrap()
    }

    fn key(&self, key: &str) -> String {
        match self.defect {
            Some(Defect::KeysLoseTheirMarks) => key.replace(['.', ':', '-'], "_"),
            Some(Defect::KeysAreCut) => key.chars().take(64).collect(),
            _ => key.to_owned(),
        }
    }

    fn held(&self, key: &str) -> Option<(Lease, Instant)> {
        let early = match self.defect {
            Some(Defect::LeaseEndsEarly) => Duration::from_millis(300),
            _ => Duration::ZERO,
        };
        let never = self.has(Defect::LeaseNeverEnds);
        let (lease, end) = self.state().leases.get(&self.key(key))?.clone();
        (never || Instant::now() + early < end).then_some((lease, end))
    }

    fn end(&self, key: &str, owner: &str, any: bool) {
        if self
            .held(key)
            .is_some_and(|(held, _)| any || held.owner == owner)
        {
            self.state().leases.remove(&self.key(key));
        }
    }

    async fn put_inner(
        &self,
        key: &str,
        entry: &[u8],
        time: Duration,
        lease: &Lease,
    ) -> Result<Put, StoreError> {
        if !self.has(Defect::PutLeavesItsLease) {
            self.end(key, &lease.owner, self.has(Defect::PutEndsAnyLease));
        }
        let there = self
            .state()
            .entries
            .get(&self.key(key))
            .map(|there| there.1);
        let outdated = there.is_some_and(|there| match self.defect {
            Some(Defect::TakesOutdatedEntries) => false,
            Some(Defect::RefusesTheSameFence) => there >= lease.fence,
            _ => there > lease.fence,
        });
        if outdated {
            return Ok(Put::Outdated);
        }
        let end = Instant::now() + time;
        let mut new = entry.to_vec();
        match self.defect {
            Some(Defect::CutsEntries) => new.truncate(0xffff),
            Some(Defect::ReplacesLineEnds) => new.retain(|byte| *byte != b'\r'),
            Some(Defect::ReplacesInTwoSteps) => {
                self.state().entries.remove(&self.key(key));
                tokio::task::yield_now().await;
            }
            Some(Defect::WritesInTwoSteps | Defect::DroppedPutLeavesHalf) => {
                let half = new[..new.len() / 2].to_vec();
                let half = (half, lease.fence, end);
                self.state().entries.insert(self.key(key), half);
                // Done by the time that anyone looks, unless it is dropped here.
                tokio::task::yield_now().await;
            }
            _ => {}
        }
        let new = (new, lease.fence, end);
        self.state().entries.insert(self.key(key), new);
        Ok(Put::Stored)
    }

    fn acquire_inner(&self, key: &str, owner: &str, time: Duration) -> Acquired {
        let now = Instant::now();
        if let Some((held, end)) = self.held(key) {
            if held.owner == owner {
                let new = match self.defect {
                    Some(Defect::AskingAgainExtendsNothing) => end,
                    Some(Defect::AskingAgainNeverShortens) => end.max(now + time),
                    _ => now + time,
                };
                let fence = held.fence + u64::from(self.has(Defect::AskingAgainGivesANewFence));
                let lease = Lease { fence, ..held };
                self.state().leases.insert(self.key(key), (lease, new));
                return Acquired::Granted { fence };
            }
            if !self.has(Defect::GrantsToAll) {
                let fence = held.fence + u64::from(self.has(Defect::HeldTellsItsOwnFence));
                let left = end.saturating_duration_since(now);
                return Acquired::Held { fence, left };
            }
        }
        let mut state = self.state();
        let there = match state.entries.get(&self.key(key)) {
            Some((_, fence, _)) if !self.has(Defect::FencesIgnoreEntries) => *fence,
            _ => 0,
        };
        let fence = match self.defect {
            Some(Defect::FencesStartAnew) => there + 1,
            Some(Defect::FencesAreLarge) => (1 << 53) + state.fence.max(there) + 1,
            _ => state.fence.max(there) + 1,
        };
        state.fence = fence;
        let owner = owner.to_owned();
        let lease = (Lease { owner, fence }, now + time);
        state.leases.insert(self.key(key), lease);
        Acquired::Granted { fence }
    }

    /// Fails for the defect of that name, and on another runtime if that is its defect.
    fn common(&self) -> Result<(), StoreError> {
        if self.has(Defect::Fails) {
            return Err(StoreError::new("it fails"));
        }
        let here = tokio::runtime::Handle::current().id();
        let first = *self.state().runtime.get_or_insert(here);
        if self.has(Defect::OneRuntimeOnly) && first != here {
            return Err(StoreError::new("the connection is closed"));
        }
        Ok(())
    }
}

impl Store for FaultyStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        if self.has(Defect::InventsEntries) {
            let entry = b"invented".to_vec();
            return Box::pin(ready(Ok(Some(Stored { entry, left: None }))));
        }
        Box::pin(async move {
            self.common()?;
            let shift = match self.defect {
                Some(Defect::ForgetsEntriesEarly) => Duration::from_millis(500),
                _ => Duration::ZERO,
            };
            let keeps = self.has(Defect::KeepsEntriesForEver);
            let state = self.state();
            if self.has(Defect::CounterIsAnEntry)
                && let Some(count) = state.counters.get(key)
            {
                let entry = count.to_string().into_bytes();
                return Ok(Some(Stored { entry, left: None }));
            }
            let now = Instant::now() + shift;
            let found = state.entries.get(&self.key(key));
            let alive = found.filter(|(_, _, end)| keeps || now < *end);
            Ok(alive.map(|(entry, _, end)| Stored {
                entry: entry.clone(),
                left: Some(match self.defect {
                    Some(Defect::LeftIsTooLong) => Duration::from_secs(3600),
                    _ => end.saturating_duration_since(now),
                }),
            }))
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
            self.common()?;
            self.put_inner(key, entry, time_to_live, lease).await
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        Box::pin(async move {
            self.common()?;
            let acquired = self.acquire_inner(key, owner, time);
            if self.has(Defect::DroppedAcquireHangs) {
                // A future that is dropped meanwhile leaves it locked.
                let end = Instant::now() + Duration::from_secs(3600);
                let kept = self.held(key);
                if let Some((_, until)) = self.state().leases.get_mut(key) {
                    *until = end;
                }
                tokio::task::yield_now().await;
                if let (Some(kept), Some(lease)) = (kept, self.state().leases.get_mut(key)) {
                    *lease = kept;
                }
            }
            Ok(acquired)
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.common()?;
            if self.has(Defect::ReleaseDropsTheEntry) {
                self.state().entries.remove(key);
            }
            if !self.has(Defect::ReleaseDoesNothing) {
                self.end(key, &lease.owner, self.has(Defect::ReleaseEndsAnyLease));
            }
            Ok(())
        })
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            self.common()?;
            let deadline = Instant::now() + limit;
            loop {
                let held = self.held(key).is_some_and(|(held, _)| {
                    held.fence == fence || self.has(Defect::WatchWaitsForAnyLease)
                });
                match self.defect {
                    Some(Defect::WatchSpins) => return Ok(()),
                    Some(Defect::WatchSleepsItOut) => sleep(limit).await,
                    Some(Defect::WatchIgnoresItsLimit) if held => {
                        sleep(Duration::from_secs(3)).await;
                    }
                    Some(Defect::Hangs) => std::future::pending().await,
                    _ => {}
                }
                if !held || Instant::now() >= deadline {
                    return Ok(());
                }
                sleep(Duration::from_millis(5)).await;
            }
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.common()?;
            let key = self.key(key);
            let before = self.state().counters.get(&key).copied().unwrap_or(0);
            if self.has(Defect::CountIsNotAtomic) {
                tokio::task::yield_now().await;
                self.state()
                    .counters
                    .insert(key, before + u64::from(logins));
                return Ok(before + u64::from(logins));
            }
            let mut state = self.state();
            let counter = state.counters.entry(key).or_default();
            *counter = match self.defect {
                Some(Defect::CountIsTheLast) => u64::from(logins),
                _ => *counter + u64::from(logins),
            };
            Ok(*counter)
        })
    }
}
