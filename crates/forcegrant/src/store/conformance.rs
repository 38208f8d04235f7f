//! The contract of a [`Store`] as checks: run them in a test of your own store.
//!
//! ```no_run
//! # async fn example(store: &dyn forcegrant::store::Store) {
//! forcegrant::store::conformance::check(store).await.unwrap();
//! # }
//! ```
//!
//! The store may be in use by others: keys are random and their entries end soon. It takes a few seconds, because some
//! clauses are about time. The report has the names of the checks.
//!
//! It cannot check that a counter forgets after an hour, that a store works in the child of a fork, and what happens if
//! others write into it. For the last there are [`check_damaged`] for damaged entries, and [`check_attacked`] for an
//! attacker.

mod entries;
mod hostile;
mod leases;
mod probe;
mod sharing;
mod steps;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;

use self::probe::{Finding, Probe, all_of};
use crate::store::{Put, Store};

/// A clause of the contract that a store violates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{clause}: {finding}")]
pub struct Violation {
    /// The name of the check.
    pub clause: &'static str,
    /// What the store did, and what was expected.
    pub finding: String,
}

/// Checks every clause, even if others are violated. Must run on a tokio runtime with I/O and time. A call that takes
/// longer than five seconds is a violation. One check blocks its thread while others work: a store that needs tasks of
/// the same runtime needs one with several threads.
///
/// # Errors
/// Each clause that is violated, in the order of [`clauses`].
pub async fn check(store: &dyn Store) -> Result<(), Vec<Violation>> {
    let probe = Probe::new(store);
    // Checks that wait run at the same time. Those that keep the store busy run one after the other, so that they do
    // not disturb those about time.
    let mut findings = all_of(TIMED.iter().map(|clause| clause.run(&probe)).collect()).await;
    for clause in PLAIN {
        findings.push(clause.run(&probe).await);
    }
    let violations: Vec<_> = findings.into_iter().flatten().collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

/// Checks that a damaged entry counts as absent, without an error, and can be replaced. `damage` gets the key and
/// damages the entry outside of the store (cuts it, overwrites it, changes its type). Call it for each kind of damage.
///
/// # Errors
/// The violation.
pub async fn check_damaged(
    store: &dyn Store,
    damage: &(dyn Fn(&str) + Sync),
) -> Result<(), Violation> {
    damaged_entry_is_none(&Probe::new(store), damage)
        .await
        .map_err(|finding| Violation {
            clause: "damaged_entry_is_none",
            finding,
        })
}

/// Checks that sharing goes on after an attacker wrote into the store: a lease without an end, the greatest possible
/// fence, a counter of future minutes, garbage, or too much. `attack` gets the key and writes it outside of the store.
/// Within a second, no call may fail, a new owner gets the lease, its entry replaces the old one, and logins can be
/// counted. Call it for each attack on a store that others can write to.
///
/// `attack` is called twice: for a key that was never used, and for one with an entry and a counter.
///
/// # Errors
/// The violation.
pub async fn check_attacked(
    store: &dyn Store,
    attack: &(dyn Fn(&str) + Sync),
) -> Result<(), Violation> {
    hostile::sharing_goes_on(&Probe::new(store), attack)
        .await
        .map_err(|finding| Violation {
            clause: "sharing_goes_on",
            finding,
        })
}

/// Checks random calls of three owners on one key against the rules of this crate's stores. One of them is not required
/// by [`check`]: a `put` is outdated if another lease was granted since.
///
/// # Errors
/// The first call with another result, and those before it.
pub async fn check_steps(store: &dyn Store) -> Result<(), Violation> {
    steps::steps_follow_the_rules(&Probe::new(store))
        .await
        .map_err(|finding| Violation {
            clause: "steps_follow_the_rules",
            finding,
        })
}

/// The names of all checks of [`check`].
pub fn clauses() -> impl Iterator<Item = &'static str> {
    TIMED.iter().chain(PLAIN).map(|clause| clause.name)
}

struct Clause {
    name: &'static str,
    check: for<'a> fn(&'a Probe<'a>) -> Pin<Box<dyn Future<Output = Finding> + Send + 'a>>,
}

impl Clause {
    async fn run(&self, probe: &Probe<'_>) -> Option<Violation> {
        let finding = (self.check)(probe).await.err()?;
        Some(Violation {
            clause: self.name,
            finding,
        })
    }
}

macro_rules! clauses {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$(Clause { name: stringify!($name), check: |probe| Box::pin($module::$name(probe)) }),+]
    };
}

/// These spend most of their time waiting.
const TIMED: &[Clause] = clauses![
    entries::entry_ends_after_its_time_to_live,
    leases::lease_lasts_its_time,
    leases::forgotten_lease_ends_by_itself,
    leases::owner_keeps_the_lease_by_asking_again,
    leases::watch_ends_with_the_lease,
    leases::watch_keeps_its_limit,
    leases::watch_does_not_spin,
];

const PLAIN: &[Clause] = clauses![
    entries::nothing_is_none,
    entries::entry_comes_back_whole,
    entries::time_left_is_within_the_time_to_live,
    entries::readers_see_the_old_entry_or_the_new_one,
    entries::entry_with_a_greater_fence_stays,
    entries::put_ends_the_lease_of_its_owner,
    entries::put_leaves_the_lease_of_another_alone,
    leases::one_owner_at_a_time,
    leases::fences_grow,
    leases::release_ends_the_lease,
    leases::release_leaves_the_lease_of_another_alone,
    sharing::count_is_the_sum,
    sharing::count_loses_nothing_among_many,
    sharing::keys_are_apart,
    sharing::entry_lease_and_counter_are_apart,
    sharing::dropped_futures_do_no_harm,
    sharing::runtimes_come_and_go,
];

async fn damaged_entry_is_none(probe: &Probe<'_>, damage: &(dyn Fn(&str) + Sync)) -> Finding {
    let key = probe.key();
    let lease = probe.granted(&key).await?;
    probe.put(&key, b"before the damage", &lease).await?;
    damage(&key);
    if let Some(stored) = probe.get(&key).await? {
        return Err(format!(
            "get returned {} bytes of an entry that was damaged",
            stored.entry.len()
        ));
    }
    let lease = probe.granted(&key).await?;
    let put = probe.put(&key, b"after the damage", &lease).await?;
    probe::expect("put over a damaged entry", put, Put::Stored)?;
    probe.expect_entry(&key, b"after the damage").await
}
