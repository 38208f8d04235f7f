//! How long to wait after a failure: before a request is repeated, and while a failure is remembered. Pure: the random
//! number is passed in.

use std::time::Duration;

/// A hold is shortened by at most this part.
const HOLD_JITTER: f64 = 0.2;

/// The first pause and the longest; it doubles with each failure in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first: Duration,
    pub cap: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row, without jitter; `first` after one.
    pub fn longest(self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        self.first.saturating_mul(1 << doublings).min(self.cap)
    }

    /// Before a request is repeated, with full jitter: anything between nothing and the longest, so that the clients of
    /// a fleet that failed together do not all return together.
    pub fn pause(self, failures: u32, random: f64) -> Duration {
        self.longest(failures).mul_f64(random.clamp(0.0, 1.0))
    }

    /// While a failure is remembered: the longest, shortened by at most a fifth.
    pub fn hold(self, failures: u32, random: f64) -> Duration {
        let jitter = HOLD_JITTER * random.clamp(0.0, 1.0);
        self.longest(failures).mul_f64(1.0 - jitter)
    }
}

/// How often a request is sent, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// In all, the first included.
    pub max: u32,
    pub backoff: Backoff,
    /// A longer `Retry-After` ends the attempts.
    pub retry_after_cap: Duration,
}

impl Attempts {
    /// The pause before the next attempt when `made` have failed; `None` to give up.
    ///
    /// A `Retry-After` is waited for in full or not at all: a request before that time would fail.
    pub fn pause(&self, made: u32, retry_after: Option<Duration>, random: f64) -> Option<Duration> {
        if made >= self.max {
            return None;
        }
        match retry_after {
            Some(wait) => (wait <= self.retry_after_cap).then_some(wait),
            None => Some(self.backoff.pause(made, random)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THREE: Attempts = Attempts {
        max: 3,
        backoff: Backoff {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(10),
        },
        retry_after_cap: Duration::from_secs(30),
    };

    #[test]
    fn doubles_with_full_jitter_and_stops() {
        assert_eq!(THREE.pause(1, None, 1.0), Some(Duration::from_millis(500)));
        assert_eq!(THREE.pause(2, None, 1.0), Some(Duration::from_secs(1)));
        assert_eq!(THREE.pause(2, None, 0.0), Some(Duration::ZERO));
        assert_eq!(THREE.pause(3, None, 0.5), None);
    }

    #[test]
    fn retry_after_is_waited_for_in_full_or_not_at_all() {
        let asked = |seconds| THREE.pause(1, Some(Duration::from_secs(seconds)), 0.1);
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(31), None);
    }

    #[test]
    fn a_hold_keeps_at_least_four_fifths() {
        let hold = |random| THREE.backoff.hold(2, random);
        assert_eq!(hold(0.0), Duration::from_secs(1));
        assert_eq!(hold(1.0), Duration::from_millis(800));
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_the_caps(
            failures in any::<u32>(),
            random in any::<f64>(),
            asked in proptest::option::of(0u64..90),
        ) {
            let random = if random.is_nan() { 0.5 } else { random };
            let Attempts { backoff, retry_after_cap, .. } = THREE;
            prop_assert!(backoff.hold(failures, random) <= backoff.cap);
            prop_assert!(backoff.pause(failures, random) <= backoff.longest(failures));
            let all = Attempts { max: u32::MAX, ..THREE };
            if let Some(pause) = all.pause(failures, asked.map(Duration::from_secs), random) {
                prop_assert!(pause <= backoff.cap.max(retry_after_cap));
            }
        }
    }
}
