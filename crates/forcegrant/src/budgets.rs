//! The login budgets of this process, one for each org and client id.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use forcegrant_proto::cache::budget::Budget;
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
