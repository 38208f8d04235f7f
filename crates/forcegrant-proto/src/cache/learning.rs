//! The lifetime of sessions as rejections show it, if Salesforce does not state one. Pure.
//!
//! An idle session ends after the org's timeout, which the client does not know. If a token with an estimated end is
//! rejected, its age bounds the estimate from above; if tokens live through their whole estimate, it rises slowly.

use std::time::Duration;

use crate::moment::millis;

/// No estimate is shorter: if an administrator ends sessions, that must not cause a login every minute.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// Salesforce's longest session timeout (reported).
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The learned lifetime in milliseconds; `None` while nothing was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned(pub Option<u64>);

impl Learned {
    /// A token of this age was rejected. `base` is the estimate without learning.
    ///
    /// The estimate falls to three quarters of the age, so that a client that calls at the same interval logs in
    /// instead of meeting a rejection. It never rises here.
    #[must_use]
    pub fn found_dead(self, age: u64, base: u64) -> Self {
        let present = self.0.unwrap_or(base);
        let bound = (age / 4 * 3).clamp(millis(SHORTEST), millis(LONGEST));
        Self(Some(bound.min(present)).filter(|estimate| *estimate < base))
    }

    /// A token lived until its refresh without a rejection: the estimate rises by a fiftieth, up to `base`, where
    /// learning ends. In the simulation a twentieth was too much.
    #[must_use]
    pub fn survived(self, base: u64) -> Self {
        let raised = self
            .0
            .map(|estimate| estimate.saturating_add(estimate / 50));
        Self(raised.filter(|estimate| *estimate < base.min(millis(LONGEST))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60_000;
    const BASE: u64 = 30 * MINUTE;

    #[test]
    fn a_rejection_lowers_the_estimate_towards_the_observed_age() {
        let learned = Learned::default().found_dead(20 * MINUTE, BASE);
        assert_eq!(learned, Learned(Some(15 * MINUTE)));
        assert_eq!(
            learned.found_dead(28 * MINUTE, BASE),
            learned,
            "it never rises by a rejection"
        );
        assert_eq!(learned.found_dead(1_000, BASE), Learned(Some(5 * MINUTE)));
    }

    #[test]
    fn long_survival_raises_it_slowly_until_nothing_is_left_to_learn() {
        let mut learned = Learned(Some(5 * MINUTE));
        let mut tokens = 0;
        while learned.0.is_some() {
            learned = learned.survived(BASE);
            tokens += 1;
        }
        assert_eq!(tokens, 91);
        assert_eq!(Learned::default().survived(BASE), Learned::default());
    }

    proptest! {
        #[test]
        fn the_estimate_stays_in_its_bounds(ages in proptest::collection::vec(any::<Option<u32>>(), 0..50), base in 1u64..90_000_000) {
            let mut learned = Learned::default();
            for age in ages {
                learned = match age {
                    Some(age) => learned.found_dead(u64::from(age), base),
                    None => learned.survived(base),
                };
                if let Some(estimate) = learned.0 {
                    prop_assert!(estimate < base);
                    prop_assert!(estimate >= millis(SHORTEST) && estimate <= millis(LONGEST));
                }
            }
        }
    }
}
