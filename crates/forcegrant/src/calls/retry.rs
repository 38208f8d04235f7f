//! Whether a call is sent again because Salesforce could not serve it, and when.

use std::time::Duration;

use crate::verdict::{RateLimit, Verdict};

/// Repeating calls that were answered with 503, 429 and the like. Off by default: one attempt.
///
/// Only methods that may be repeated by their definition (RFC 9110 section 9.2.2) are, and only on an
/// answer: a connection that could not be made is the HTTP client's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRetry {
    /// Attempts of one call, the first included; 1 switches it off.
    pub max_attempts: u32,
    /// The longest first pause; it doubles with each attempt.
    pub first: Duration,
    /// The longest pause.
    pub cap: Duration,
    /// A longer `Retry-After` ends the call instead of being waited for.
    pub retry_after_cap: Duration,
}

impl Default for CallRetry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            first: Duration::from_millis(500),
            cap: Duration::from_secs(10),
            retry_after_cap: Duration::from_secs(30),
        }
    }
}

/// One attempt that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) method: &'a str,
    pub(crate) verdict: Verdict,
    /// Whether its body can be sent again.
    pub(crate) replayable: bool,
    /// How many were sent, this one included.
    pub(crate) made: u32,
    pub(crate) retry_after: Option<Duration>,
}

impl CallRetry {
    /// The pause before the next attempt, or `None` to take the answer as it is.
    ///
    /// Full jitter: anything between nothing and the doubled back-off. A `Retry-After` is waited for
    /// in full or not at all.
    pub(crate) fn pause(&self, attempt: &Attempt<'_>, random: f64) -> Option<Duration> {
        let worth_it = attempt.made < self.max_attempts
            && attempt.replayable
            && is_idempotent(attempt.method)
            && may_pass(attempt.verdict);
        if !worth_it {
            return None;
        }
        if let Some(wait) = attempt.retry_after {
            return (wait <= self.retry_after_cap).then_some(wait);
        }
        let doublings = attempt.made.saturating_sub(1).min(16);
        let longest = self.first.saturating_mul(1 << doublings).min(self.cap);
        Some(longest.mul_f64(random.clamp(0.0, 1.0)))
    }
}

/// Not PATCH: an update by it may depend on what it meets.
fn is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(method))
}

/// The requests of a day come back over hours: no pause of a call is as long.
fn may_pass(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Unavailable | Verdict::RateLimited(RateLimit::Concurrent | RateLimit::Unnamed)
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THREE: CallRetry = CallRetry {
        max_attempts: 3,
        first: Duration::from_millis(500),
        cap: Duration::from_secs(10),
        retry_after_cap: Duration::from_secs(30),
    };

    const BUSY: Attempt<'_> = Attempt {
        method: "GET",
        verdict: Verdict::Unavailable,
        replayable: true,
        made: 1,
        retry_after: None,
    };

    #[test]
    fn off_by_default() {
        assert_eq!(CallRetry::default().pause(&BUSY, 0.5), None);
    }

    #[test]
    fn doubles_with_full_jitter_and_stops() {
        let after = |made, random| THREE.pause(&Attempt { made, ..BUSY }, random);
        assert_eq!(after(1, 1.0), Some(Duration::from_millis(500)));
        assert_eq!(after(2, 1.0), Some(Duration::from_secs(1)));
        assert_eq!(after(2, 0.0), Some(Duration::ZERO));
        assert_eq!(after(3, 0.5), None);
    }

    #[test]
    fn retry_after_is_waited_for_in_full_or_not_at_all() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            THREE.pause(
                &Attempt {
                    retry_after,
                    ..BUSY
                },
                0.1,
            )
        };
        assert_eq!(asked(30), Some(Duration::from_secs(30)));
        assert_eq!(asked(31), None);
    }

    #[test]
    fn only_what_may_be_repeated_and_may_pass() {
        for (method, repeated) in [
            ("GET", true),
            ("get", true),
            ("HEAD", true),
            ("PUT", true),
            ("DELETE", true),
            ("POST", false),
            ("PATCH", false),
        ] {
            let pause = THREE.pause(&Attempt { method, ..BUSY }, 0.5);
            assert_eq!(pause.is_some(), repeated, "{method}");
        }
        for (verdict, repeated) in [
            (Verdict::Unavailable, true),
            (Verdict::RateLimited(RateLimit::Unnamed), true),
            (Verdict::RateLimited(RateLimit::Concurrent), true),
            (Verdict::RateLimited(RateLimit::Daily), false),
            (Verdict::Fine, false),
            (Verdict::SessionExpired, false),
            (Verdict::Blocked, false),
            (Verdict::Other, false),
        ] {
            let pause = THREE.pause(&Attempt { verdict, ..BUSY }, 0.5);
            assert_eq!(pause.is_some(), repeated, "{verdict:?}");
        }
        let once = Attempt {
            replayable: false,
            ..BUSY
        };
        assert_eq!(THREE.pause(&once, 0.5), None);
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_caps(made in 0u32..40, random in 0.0..=1.0f64, asked in proptest::option::of(0u64..90)) {
            let retry = CallRetry { max_attempts: 30, ..THREE };
            let retry_after = asked.map(Duration::from_secs);
            if let Some(pause) = retry.pause(&Attempt { made, retry_after, ..BUSY }, random) {
                prop_assert!(made < 30);
                prop_assert!(pause <= retry.cap.max(retry.retry_after_cap));
            }
        }
    }
}
