//! A store in memory passes; with any of these defects it does not.

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::probe::all_of;
use super::{check, check_attacked, check_damaged, check_steps, clauses};
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
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

/// The check that must find it; others may too.
const DEFECTS: &[(Defect, &str)] = &[
    (Defect::InventsEntries, "nothing_is_none"),
    (Defect::CutsEntries, "entry_comes_back_whole"),
    (Defect::ReplacesLineEnds, "entry_comes_back_whole"),
    (
        Defect::ForgetsEntriesEarly,
        "entry_ends_after_its_time_to_live",
    ),
    (
        Defect::KeepsEntriesForEver,
        "entry_ends_after_its_time_to_live",
    ),
    (
        Defect::LeftIsTooLong,
        "time_left_is_within_the_time_to_live",
    ),
    (
        Defect::ReplacesInTwoSteps,
        "readers_see_the_old_entry_or_the_new_one",
    ),
    (
        Defect::WritesInTwoSteps,
        "readers_see_the_old_entry_or_the_new_one",
    ),
    (
        Defect::TakesOutdatedEntries,
        "entry_with_a_greater_fence_stays",
    ),
    (
        Defect::RefusesTheSameFence,
        "entry_with_a_greater_fence_stays",
    ),
    (Defect::PutLeavesItsLease, "put_ends_the_lease_of_its_owner"),
    (
        Defect::PutEndsAnyLease,
        "put_leaves_the_lease_of_another_alone",
    ),
    (Defect::GrantsToAll, "one_owner_at_a_time"),
    (Defect::HeldTellsItsOwnFence, "one_owner_at_a_time"),
    (Defect::LeaseEndsEarly, "lease_lasts_its_time"),
    (Defect::LeaseNeverEnds, "forgotten_lease_ends_by_itself"),
    (
        Defect::AskingAgainExtendsNothing,
        "owner_keeps_the_lease_by_asking_again",
    ),
    (
        Defect::AskingAgainNeverShortens,
        "owner_keeps_the_lease_by_asking_again",
    ),
    (
        Defect::AskingAgainGivesANewFence,
        "owner_keeps_the_lease_by_asking_again",
    ),
    (Defect::FencesStartAnew, "fences_grow"),
    (Defect::FencesIgnoreEntries, "fences_grow"),
    (Defect::FencesAreLarge, "fences_grow"),
    (Defect::ReleaseDoesNothing, "release_ends_the_lease"),
    (
        Defect::ReleaseEndsAnyLease,
        "release_leaves_the_lease_of_another_alone",
    ),
    (Defect::ReleaseDropsTheEntry, "release_ends_the_lease"),
    (Defect::WatchSleepsItOut, "watch_ends_with_the_lease"),
    (Defect::WatchIgnoresItsLimit, "watch_keeps_its_limit"),
    (Defect::WatchSpins, "watch_does_not_spin"),
    (Defect::WatchWaitsForAnyLease, "watch_ends_with_the_lease"),
    (Defect::CountIsTheLast, "count_is_the_sum"),
    (Defect::CountIsNotAtomic, "count_loses_nothing_among_many"),
    (Defect::KeysLoseTheirMarks, "keys_are_apart"),
    (Defect::KeysAreCut, "keys_are_apart"),
    (
        Defect::CounterIsAnEntry,
        "entry_lease_and_counter_are_apart",
    ),
    (Defect::DroppedPutLeavesHalf, "dropped_futures_do_no_harm"),
    (Defect::DroppedAcquireHangs, "dropped_futures_do_no_harm"),
    (Defect::OneRuntimeOnly, "runtimes_come_and_go"),
    (Defect::Hangs, "watch_keeps_its_limit"),
    (Defect::Fails, "nothing_is_none"),
];

#[tokio::test]
async fn a_store_without_a_defect_passes() {
    check(&Memory::new(None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_found() {
    let checked = DEFECTS.iter().map(|(defect, clause)| {
        let task = tokio::spawn(async move {
            let store = Memory::new(Some(*defect));
            (check(&store).await, *defect, *clause)
        });
        async { task.await.unwrap() }
    });
    let mut missed = Vec::new();
    for (result, defect, clause) in all_of(checked.collect()).await {
        let found: Vec<_> = result.err().into_iter().flatten().collect();
        if !found.iter().any(|violation| violation.clause == clause) {
            missed.push(format!("{defect:?} is not found by {clause}: {found:?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_check_finds_something() {
    for clause in clauses() {
        assert!(DEFECTS.iter().any(|(_, by)| *by == clause), "{clause}");
    }
}

#[tokio::test]
async fn damage_is_found_where_it_is_served() {
    let store = Memory::new(None);
    let drop_it = |key: &str| drop(store.state().entries.remove(key));
    check_damaged(&store, &drop_it).await.unwrap();
    let cut_it = |key: &str| store.state().entries.get_mut(key).unwrap().0.truncate(3);
    let violation = check_damaged(&store, &cut_it).await.unwrap_err();
    assert_eq!(violation.clause, "damaged_entry_is_none");
    assert!(violation.to_string().contains("3 bytes"), "{violation}");
}

#[tokio::test]
async fn a_step_that_breaks_a_rule_is_found() {
    for defect in [
        // The contract leaves it to the store whether it remembers its grants.
        None,
        Some(Defect::GrantsToAll),
        Some(Defect::FencesStartAnew),
        Some(Defect::TakesOutdatedEntries),
        Some(Defect::PutEndsAnyLease),
        Some(Defect::ReleaseEndsAnyLease),
    ] {
        let violation = check_steps(&Memory::new(defect)).await.unwrap_err();
        assert_eq!(violation.clause, "steps_follow_the_rules", "{defect:?}");
    }
}

#[tokio::test]
async fn an_attack_is_found_where_it_ends_sharing() {
    let store = Memory::new(None);
    check_attacked(&store, &|_| ()).await.unwrap();
    let lease = || Lease {
        owner: "x".to_owned(),
        fence: 1,
    };
    let endless = |key: &str| {
        let end = Instant::now() + Duration::from_secs(3_600);
        store.state().leases.insert(key.to_owned(), (lease(), end));
    };
    let violation = check_attacked(&store, &endless).await.unwrap_err();
    assert!(violation.finding.contains("not free"), "{violation}");
    let top = |key: &str| {
        let end = Instant::now() + Duration::from_secs(3_600);
        let entry = (b"x".to_vec(), (1 << 53) - 1, end);
        store.state().entries.insert(key.to_owned(), entry);
    };
    let violation = check_attacked(&store, &top).await.unwrap_err();
    assert!(violation.finding.contains("2^53"), "{violation}");
}

/// The contract, as short as can be.
#[derive(Debug)]
struct Memory {
    defect: Option<Defect>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<String, (Vec<u8>, u64, Instant)>,
    leases: HashMap<String, (Lease, Instant)>,
    counters: HashMap<String, u64>,
    fence: u64,
    runtime: Option<tokio::runtime::Id>,
}

impl Memory {
    fn new(defect: Option<Defect>) -> Self {
        Self {
            defect,
            state: Mutex::default(),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn state(&self) -> MutexGuard<'_, State> {
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

impl Store for Memory {
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
