//! The login budgets of this process, one for each org and client id.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forcegrant_proto::cache::budget::Budget;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_support::process::PerProcess;

/// The start of the SHA-256 of the token endpoint's host, the client id and the identity of the clock: a pool has many,
/// and nothing reads them again.
type BudgetKey = [u8; 16];

#[derive(Debug, Default)]
struct Budgets(Mutex<BudgetTable>);

#[derive(Debug, Default)]
struct BudgetTable {
    budgets: HashMap<BudgetKey, Budget>,
    /// Budgets without logins are removed when the table has grown to this.
    sweep_at: usize,
}

static BUDGETS: OnceLock<PerProcess<Budgets>> = OnceLock::new();

/// Calls `act` with the budget of this org and client id. All clients of the process with both share it; those with a
/// test clock have their own.
pub(crate) fn with<T>(
    host: &str,
    client_id: &str,
    clock: u64,
    act: impl FnOnce(&mut Budget) -> T,
) -> T {
    let budgets = BUDGETS.get_or_init(PerProcess::default).current();
    let mut table = budgets.0.lock().unwrap_or_else(PoisonError::into_inner);
    if table.budgets.len() > table.sweep_at {
        table.budgets.retain(|_, budget| budget.used() > 0);
        table.sweep_at = (table.budgets.len() * 2).max(1_000);
    }
    let budget = table
        .budgets
        .entry(key(host, client_id, clock))
        .or_default();
    act(budget)
}

fn key(host: &str, client_id: &str, clock: u64) -> BudgetKey {
    let text = format!("{host}\0{client_id}\0{clock}");
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let mut key = BudgetKey::default();
    key.copy_from_slice(&digest.as_ref()[..16]);
    key
}

/// The error of a login that the budget does not allow.
pub(crate) fn spent(stop: Option<u32>, frees_in: Duration) -> Error {
    Error::new(
        ErrorCode::LoginBudgetExceeded,
        format!(
            "{} logins were made to this org within an hour, and no more are made for {} s",
            stop.unwrap_or_default(),
            frees_in.as_secs()
        ),
    )
    .with_help("Salesforce blocks a user after 3,600 logins an hour, so the client stops before that. Something has asked for one token\nafter the other: `verify()`, `reset()` or `invalidate()` in a loop, or new clients without a common store. The option\n`login_budget` sets the limit or switches it off.")
    .with_retry_after(Some(frees_in))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forcegrant_proto::cache::budget::BudgetSettings;

    #[test]
    fn a_budget_belongs_to_one_org_app_and_clock() {
        let settings = BudgetSettings::default();
        let used = |host: &str, id: &str, clock| with(host, id, clock, |budget| budget.used());
        with("budgets.test", "a", 1, |budget| budget.count(0, settings));
        assert_eq!(used("budgets.test", "a", 1), 1);
        for (host, id, clock) in [
            ("other.test", "a", 1),
            ("budgets.test", "b", 1),
            ("budgets.test", "a", 2),
        ] {
            assert_eq!(used(host, id, clock), 0);
        }
    }
}
