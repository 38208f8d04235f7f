//! The logins of the last hour, counted against Salesforce's limit of 3,600 for an hour and user
//! (documented). Pure, and of bounded size.

use std::time::Duration;

/// What a user can set about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetSettings {
    /// No login is started once this many were made within an hour. `None`: not counted.
    pub stop: Option<u32>,
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self { stop: Some(3_000) }
    }
}

/// Salesforce's own limit; nobody can set a higher one.
pub const SALESFORCE_LIMIT: u32 = 3_600;

const MINUTE: u64 = 60_000;
/// The window: an hour, and the minute that has begun.
const SPAN: u32 = 61;

/// Counts by the minute. A count leaves the window up to a minute late, never early.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// The minutes in the window with a login, by the boot-time clock, the oldest first; 61 at most. Usually there is
    /// one, and a pool has many budgets: so the oldest is stored inline, and later ones separately.
    oldest: Count,
    #[expect(clippy::box_collection, reason = "one word, because most have none")]
    later: Option<Box<Vec<Count>>>,
    warned: bool,
}

/// The logins of one minute. With no logins it stands for no minute.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    minute: u32,
    logins: u16,
}

/// Whether a login may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    Granted,
    /// The budget is used up; the first login leaves the window after this time.
    Spent {
        frees_in: Duration,
    },
}

impl Budget {
    /// Whether a login may start at `boot` milliseconds of the boot-time clock.
    pub fn ask(&mut self, boot: u64, settings: BudgetSettings) -> Allowance {
        self.roll(boot);
        match settings.stop {
            Some(stop) if self.used() >= stop => Allowance::Spent {
                frees_in: self.frees_in(boot),
            },
            _ => Allowance::Granted,
        }
    }

    /// Counts a login that the endpoint responded to. If this one crosses three fifths of the limit, returns the logins
    /// of this hour: once for each crossing.
    pub fn count(&mut self, boot: u64, settings: BudgetSettings) -> Option<u32> {
        self.roll(boot);
        let minute = minute_of(boot);
        let later = self.later.as_mut().and_then(|later| later.last_mut());
        let newest = later.unwrap_or(&mut self.oldest);
        let first = Count { minute, logins: 1 };
        if newest.logins == 0 {
            *newest = first;
        } else if newest.minute >= minute {
            // If the clock went back, counting goes on where it was.
            newest.logins = newest.logins.saturating_add(1);
        } else {
            self.later.get_or_insert_default().push(first);
        }
        let used = self.used();
        let crossed = settings.stop.is_some_and(|stop| used >= stop * 3 / 5);
        let warn = crossed && !self.warned;
        self.warned = crossed;
        warn.then_some(used)
    }

    /// Logins in the window as it was last rolled.
    pub fn used(&self) -> u32 {
        self.counts().map(|count| u32::from(count.logins)).sum()
    }

    fn counts(&self) -> impl Iterator<Item = &Count> {
        std::iter::once(&self.oldest).chain(self.later.iter().flat_map(|later| later.iter()))
    }

    fn roll(&mut self, boot: u64) {
        let minute = minute_of(boot);
        if self.oldest.minute + SPAN > minute {
            return;
        }
        let left = self.counts().filter(|count| count.minute + SPAN > minute);
        let mut left = left.copied();
        let oldest = left.next().unwrap_or_default();
        let later: Vec<_> = left.collect();
        self.later = (!later.is_empty()).then(|| Box::new(later));
        self.oldest = oldest;
    }

    fn frees_in(&self, boot: u64) -> Duration {
        let leaves = u64::from(self.oldest.minute + SPAN) * MINUTE;
        Duration::from_millis(leaves.saturating_sub(boot).max(1))
    }
}

/// After 8,000 years of uptime the budgets start again.
fn minute_of(boot: u64) -> u32 {
    u32::try_from(boot / MINUTE).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: BudgetSettings = BudgetSettings { stop: Some(10) };

    #[test]
    fn it_stops_before_the_limit_and_says_when_it_frees() {
        let mut budget = Budget::default();
        for login in 0..10 {
            assert_eq!(budget.ask(login * 1_000, SETTINGS), Allowance::Granted);
            budget.count(login * 1_000, SETTINGS);
        }
        let Allowance::Spent { frees_in } = budget.ask(10_000, SETTINGS) else {
            panic!("ten were made")
        };
        let frees = 10_000 + u64::try_from(frees_in.as_millis()).unwrap();
        assert!((3_600_000..=3_660_000).contains(&frees));
        assert_ne!(budget.ask(frees - 1, SETTINGS), Allowance::Granted);
        assert_eq!(budget.ask(frees, SETTINGS), Allowance::Granted);
    }

    #[test]
    fn it_warns_once_at_each_crossing() {
        let mut budget = Budget::default();
        let warnings: Vec<_> = (0..9).filter_map(|n| budget.count(n, SETTINGS)).collect();
        assert_eq!(warnings, [6]);
        let later = 2 * 3_600_000;
        let warnings: Vec<_> = (0..9)
            .filter_map(|n| budget.count(later + n, SETTINGS))
            .collect();
        assert_eq!(warnings, [6]);
    }

    #[test]
    fn switched_off_it_never_stops() {
        let off = BudgetSettings { stop: None };
        let mut budget = Budget::default();
        for _ in 0..5_000 {
            assert_eq!(budget.ask(0, off), Allowance::Granted);
            assert_eq!(budget.count(0, off), None);
        }
    }

    proptest! {
        /// Against the exact sliding hour: never more in any hour than allowed, and a login that
        /// is a minute past the hour is never held back.
        #[test]
        fn never_more_in_an_hour_than_allowed(gaps in proptest::collection::vec(0u64..900_000, 1..200)) {
            let mut budget = Budget::default();
            let (mut boot, mut made) = (0, Vec::new());
            for gap in gaps {
                boot += gap;
                if budget.ask(boot, SETTINGS) == Allowance::Granted {
                    budget.count(boot, SETTINGS);
                    made.push(boot);
                }
                let within = |span: u64| made.iter().filter(|at| boot - **at < span).count();
                prop_assert!(within(3_600_000) <= 10);
                let held = budget.clone().ask(boot, SETTINGS) != Allowance::Granted;
                prop_assert!(!held || within(3_660_000) >= 10);
            }
        }
    }
}
