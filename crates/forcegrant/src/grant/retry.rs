//! Whether one mint tries again, and after how long. Pure.

use std::time::Duration;

/// How a mint may repeat itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RetrySettings {
    /// Attempts in all, the first included.
    pub(crate) max_attempts: u32,
    /// The longest first pause; it doubles with each attempt.
    pub(crate) backoff: Duration,
    /// A longer `Retry-After` ends the mint instead of being waited for.
    pub(crate) retry_after_cap: Duration,
    /// The mint as a whole, pauses included.
    pub(crate) total: Duration,
}

/// The pause before the next attempt, or `None` to give up.
///
/// Full jitter: anything between nothing and the doubled back-off, so that a fleet that failed
/// together does not come back together. A `Retry-After` is waited for in full or not at all: to
/// come back sooner than asked helps nobody.
pub(crate) fn pause(
    settings: &RetrySettings,
    attempts_made: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    if attempts_made >= settings.max_attempts {
        return None;
    }
    let pause = match retry_after {
        Some(wait) if wait > settings.retry_after_cap => return None,
        Some(wait) => wait,
        None => {
            let doublings = attempts_made.saturating_sub(1).min(16);
            settings
                .backoff
                .saturating_mul(1 << doublings)
                .mul_f64(random.clamp(0.0, 1.0))
        }
    };
    (elapsed + pause < settings.total).then_some(pause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: RetrySettings = RetrySettings {
        max_attempts: 3,
        backoff: Duration::from_millis(250),
        retry_after_cap: Duration::from_secs(10),
        total: Duration::from_secs(30),
    };

    fn after(attempts: u32, retry_after: Option<u64>, random: f64) -> Option<Duration> {
        let wait = retry_after.map(Duration::from_secs);
        pause(&SETTINGS, attempts, Duration::ZERO, wait, random)
    }

    #[test]
    fn doubles_with_full_jitter_and_stops() {
        assert_eq!(after(1, None, 1.0), Some(Duration::from_millis(250)));
        assert_eq!(after(2, None, 1.0), Some(Duration::from_millis(500)));
        assert_eq!(after(2, None, 0.0), Some(Duration::ZERO));
        assert_eq!(after(3, None, 0.5), None);
    }

    #[test]
    fn retry_after_is_waited_for_in_full_or_not_at_all() {
        assert_eq!(after(1, Some(2), 0.1), Some(Duration::from_secs(2)));
        assert_eq!(after(1, Some(11), 0.1), None);
    }

    #[test]
    fn the_total_is_never_passed() {
        let late = Duration::from_millis(29_900);
        assert_eq!(pause(&SETTINGS, 1, late, None, 1.0), None);
    }

    proptest! {
        #[test]
        fn a_mint_always_ends_in_time(random in 0.0..=1.0f64, attempts in 0u32..9, spent in 0u64..40_000) {
            let spent = Duration::from_millis(spent);
            if let Some(wait) = pause(&SETTINGS, attempts, spent, None, random) {
                prop_assert!(attempts < SETTINGS.max_attempts);
                prop_assert!(spent + wait < SETTINGS.total);
            }
        }
    }
}
