//! A store in memory passes; with any of these defects it does not.

mod faulty_store;

use std::time::Duration;

use tokio::time::Instant;

use self::faulty_store::{Defect, FaultyStore};
use super::probe::all_of;
use super::{check, check_attacked, check_damaged, check_steps, clauses};
use crate::store::Lease;

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
    check(&FaultyStore::new(None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_defect_is_found() {
    let checked = DEFECTS.iter().map(|(defect, clause)| {
        let task = tokio::spawn(async move {
            let store = FaultyStore::new(Some(*defect));
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
    let store = FaultyStore::new(None);
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
        let violation = check_steps(&FaultyStore::new(defect)).await.unwrap_err();
        assert_eq!(violation.clause, "steps_follow_the_rules", "{defect:?}");
    }
}

#[tokio::test]
async fn an_attack_is_found_where_it_ends_sharing() {
    let store = FaultyStore::new(None);
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
