//! Whether one login tries again, and after how long. Pure.

use std::time::Duration;

use crate::backoff::{Attempts, Backoff};

/// How a login may repeat its token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    pub attempts: Attempts,
    /// The login as a whole, pauses included.
    pub total: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: Attempts {
                max: 3,
                backoff: Backoff {
                    first: Duration::from_millis(250),
                    cap: Duration::from_secs(3600),
                },
                retry_after_cap: Duration::from_secs(10),
            },
            total: Duration::from_secs(30),
        }
    }
}

/// The pause before the next attempt, or `None` to give up.
pub fn pause(
    settings: &RetrySettings,
    attempts_made: u32,
    elapsed: Duration,
    retry_after: Option<Duration>,
    random: f64,
) -> Option<Duration> {
    let pause = settings
        .attempts
        .pause(attempts_made, retry_after, random)?;
    (elapsed + pause < settings.total).then_some(pause)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_total_is_never_passed() {
        let late = Duration::from_millis(29_900);
        assert_eq!(pause(&RetrySettings::default(), 1, late, None, 1.0), None);
    }

    proptest! {
        #[test]
        fn a_login_always_ends_in_time(random in 0.0..=1.0f64, attempts in 0u32..9, spent in 0u64..40_000) {
            let spent = Duration::from_millis(spent);
            let settings = RetrySettings::default();
            if let Some(wait) = pause(&settings, attempts, spent, None, random) {
                prop_assert!(attempts < settings.attempts.max);
                prop_assert!(spent + wait < settings.total);
            }
        }
    }
}
