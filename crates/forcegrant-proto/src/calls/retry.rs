//! Whether a call is sent again because Salesforce could not serve it, and when.

use std::time::Duration;

use crate::backoff::{Attempts, Backoff};
use crate::response_class::{RateLimit, ResponseClass};

/// Repeats calls that were refused with 503, 429 and the like. Off by default: one attempt.
///
/// Only idempotent methods (RFC 9110 section 9.2.2) are repeated, and only after a response: failed connections are
/// left to the HTTP client.
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

/// A request that Salesforce did not serve.
#[derive(Clone, Copy, Debug)]
pub struct UnservedRequest<'a> {
    pub method: &'a str,
    pub class: ResponseClass,
    /// Whether its body can be sent again.
    pub replayable: bool,
    /// How many were sent, this one included.
    pub attempts: u32,
    pub retry_after: Option<Duration>,
}

impl CallRetry {
    /// The pause before the next attempt, or `None` to take the response as it is.
    #[doc(hidden)]
    pub fn pause(&self, failed: &UnservedRequest<'_>, random: f64) -> Option<Duration> {
        let worth_it =
            failed.replayable && is_idempotent(failed.method) && is_temporary(failed.class);
        let attempts = Attempts {
            max: self.max_attempts,
            backoff: Backoff {
                first: self.first,
                cap: self.cap,
            },
            retry_after_cap: self.retry_after_cap,
        };
        worth_it
            .then(|| attempts.pause(failed.attempts, failed.retry_after, random))
            .flatten()
    }
}

/// Not PATCH: an update by it may depend on what it meets.
fn is_idempotent(method: &str) -> bool {
    ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(method))
}

/// Not the daily limit: it takes hours to recover, longer than any pause of a call.
fn is_temporary(class: ResponseClass) -> bool {
    matches!(
        class,
        ResponseClass::Unavailable
            | ResponseClass::RateLimited(RateLimit::Concurrent | RateLimit::Unnamed)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: CallRetry = CallRetry {
        max_attempts: 3,
        first: Duration::from_millis(500),
        cap: Duration::from_secs(10),
        retry_after_cap: Duration::from_secs(30),
    };

    const BUSY: UnservedRequest<'_> = UnservedRequest {
        method: "GET",
        class: ResponseClass::Unavailable,
        replayable: true,
        attempts: 1,
        retry_after: None,
    };

    #[test]
    fn off_by_default() {
        assert_eq!(CallRetry::default().pause(&BUSY, 0.5), None);
    }

    #[test]
    fn retry_after_is_waited_for_in_full_or_not_at_all() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            THREE.pause(
                &UnservedRequest {
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
            let pause = THREE.pause(&UnservedRequest { method, ..BUSY }, 0.5);
            assert_eq!(pause.is_some(), repeated, "{method}");
        }
        for (class, repeated) in [
            (ResponseClass::Unavailable, true),
            (ResponseClass::RateLimited(RateLimit::Unnamed), true),
            (ResponseClass::RateLimited(RateLimit::Concurrent), true),
            (ResponseClass::RateLimited(RateLimit::Daily), false),
            (ResponseClass::Fine, false),
            (ResponseClass::SessionExpired, false),
            (ResponseClass::Blocked, false),
            (ResponseClass::Other, false),
        ] {
            let pause = THREE.pause(&UnservedRequest { class, ..BUSY }, 0.5);
            assert_eq!(pause.is_some(), repeated, "{class:?}");
        }
        let once = UnservedRequest {
            replayable: false,
            ..BUSY
        };
        assert_eq!(THREE.pause(&once, 0.5), None);
    }
}
