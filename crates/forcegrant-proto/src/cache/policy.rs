//! How long a token lives, when its refresh is due, and how long a failure holds. Pure functions of what is known, the
//! time and a random number.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::cache::learning::Learned;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::expiry::{Expiry, ExpiryCertainty, ExpirySource};
use crate::moment::{Moment, millis};
use crate::token_data::JwtTimes;

/// What a user can set about lifetimes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LifetimeSettings {
    /// The org's session timeout, when the user knows it.
    pub session_timeout: Option<Duration>,
    /// A refresh starts at most this long before the end.
    pub refresh_window: Duration,
    /// The token is not used for this long before a known end.
    pub safety_margin: Duration,
    /// How long past an *estimated* end a token may serve while refreshing fails temporarily.
    /// `None`: twice the estimated lifetime.
    pub max_stale: Option<Duration>,
    /// Jitter makes the refresh due earlier by at most this part of the window, in percent.
    pub spread: u8,
}

impl Default for LifetimeSettings {
    fn default() -> Self {
        Self {
            session_timeout: None,
            refresh_window: Duration::from_secs(15 * 60),
            safety_margin: Duration::from_secs(60),
            max_stale: None,
            spread: 20,
        }
    }
}

/// The estimate if nothing is stated or configured: a quarter of Salesforce's default of two hours, because a login
/// may return a session that began earlier.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(30 * 60);

/// A lifetime in milliseconds from the start of the request, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    pub length: u64,
    pub source: ExpirySource,
}

/// What is known of the lifetime of one token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    pub jwt: Option<JwtTimes>,
    /// The `expires_in` of the response, in seconds.
    pub expires_in: Option<u64>,
    /// The `exp` that introspection stated, in seconds since 1970.
    pub introspected: Option<i64>,
    pub learned: Learned,
}

/// The first of these that is known: JWT `exp`, `expires_in`, introspection, learned, configured, default.
///
/// A JWT lives until `exp` by this machine's clock, but not longer than `exp - iat` from the start of the request: a
/// slow clock cannot stretch it. If both a JWT end and `expires_in` are stated, the earlier counts.
pub fn lifetime(evidence: &Evidence, settings: &LifetimeSettings, started: Moment) -> Lifetime {
    let until = |end: i64| end.saturating_mul(1_000).saturating_sub(started.wall);
    let jwt = evidence.jwt.map(|times| {
        let by_claims = times.issued.map_or(i64::MAX, |issued| {
            times.ends.saturating_sub(issued).saturating_mul(1_000)
        });
        of(until(times.ends).min(by_claims), ExpirySource::Jwt)
    });
    let expires_in = evidence.expires_in.map(|seconds| Lifetime {
        length: seconds.saturating_mul(1_000),
        source: ExpirySource::ExpiresIn,
    });
    let in_response = match (jwt, expires_in) {
        (Some(jwt), Some(expires_in)) if expires_in.length < jwt.length => Some(expires_in),
        (jwt, expires_in) => jwt.or(expires_in),
    };
    let introspected = evidence
        .introspected
        .map(|end| of(until(end), ExpirySource::Introspection));
    let learned = evidence.learned.0.map(|length| Lifetime {
        length,
        source: ExpirySource::Learned,
    });
    in_response
        .or(introspected)
        .or(learned)
        .unwrap_or_else(|| estimate(settings))
}

/// The estimate if nothing is stated and nothing was learned.
pub fn estimate(settings: &LifetimeSettings) -> Lifetime {
    settings.session_timeout.map_or(
        Lifetime {
            length: millis(DEFAULT_LIFETIME),
            source: ExpirySource::Default,
        },
        |timeout| Lifetime {
            length: millis(timeout),
            source: ExpirySource::Configured,
        },
    )
}

fn of(length: i64, source: ExpirySource) -> Lifetime {
    Lifetime {
        length: u64::try_from(length).unwrap_or(0),
        source,
    }
}

/// When the state of a token changes, in milliseconds from the start of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// From here on a refresh is due.
    pub refresh_due: u64,
    /// From here on the token is not returned as valid.
    pub ends: u64,
    /// Until here it may be served while refreshing fails temporarily. Equal to `ends` for a known end.
    pub stale: u64,
}

/// The windows of a lifetime. `random` in 0..=1 is drawn once per token.
///
/// * The safety margin of a known end never exceeds a tenth of the lifetime.
/// * A refresh is due `min(lifetime / 2, refresh_window)` before the end, and earlier by the jitter.
pub fn windows(lifetime: Lifetime, settings: &LifetimeSettings, random: f64) -> Windows {
    let length = lifetime.length;
    let known = lifetime.source.certainty() == ExpiryCertainty::Known;
    let margin = if known {
        millis(settings.safety_margin).min(length / 10)
    } else {
        0
    };
    let ends = length - margin;
    let window = (length / 2).min(millis(settings.refresh_window));
    let jitter = scale(
        window,
        f64::from(settings.spread) / 100.0 * random.clamp(0.0, 1.0),
    );
    let stale = if known {
        ends
    } else {
        let extra = settings.max_stale.map_or(length.saturating_mul(2), millis);
        ends.saturating_add(extra)
    };
    Windows {
        refresh_due: length.saturating_sub(window + jitter).min(ends),
        ends,
        stale,
    }
}

/// The `Expiry` that users see: the end itself, without the margin.
pub fn expiry(lifetime: Lifetime, started: Moment) -> Expiry {
    Expiry {
        at: started.wall_after(lifetime.length),
        source: lifetime.source,
    }
}

/// How a failure is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureClass {
    /// Salesforce refused: something in the set-up must change.
    Refusal,
    /// The response was not Salesforce's, or not in its form.
    Unrecognized,
    /// It may pass without a change.
    Transient,
    /// Salesforce refused: the user has no logins left in this hour.
    LoginRate,
    /// This process has no logins left in this hour, and knows when the next is allowed.
    LoginBudget,
}

impl FailureClass {
    /// The class of an error, by its code.
    pub fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::LoginRate if error.code() == ErrorCode::LoginBudgetExceeded => {
                Self::LoginBudget
            }
            ErrorKind::LoginRate => Self::LoginRate,
            ErrorKind::Response => Self::Unrecognized,
            ErrorKind::Configuration if error.is_retryable() => Self::Transient,
            ErrorKind::Timeout
            | ErrorKind::Transport
            | ErrorKind::Unavailable
            | ErrorKind::Internal => Self::Transient,
            _ => Self::Refusal,
        }
    }
}

/// The pauses of the failure memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureSettings {
    pub refusal: Backoff,
    pub transient: Backoff,
    pub login_rate: Duration,
}

impl Default for FailureSettings {
    fn default() -> Self {
        Self {
            refusal: Backoff {
                first: Duration::from_secs(5),
                cap: Duration::from_secs(60),
            },
            transient: Backoff {
                first: Duration::from_secs(1),
                cap: Duration::from_secs(300),
            },
            login_rate: Duration::from_secs(15 * 60),
        }
    }
}

/// How long a failure holds, in milliseconds. `repeats` counts earlier failures of the same class in a row. A
/// `Retry-After` lengthens it, up to the cap or 15 minutes, whichever is more. The jitter shortens it by at most a
/// fifth. A cap of zero switches it off.
pub fn hold(
    class: FailureClass,
    repeats: u32,
    retry_after: Option<Duration>,
    settings: &FailureSettings,
    random: f64,
) -> u64 {
    const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
    let backoff = match class {
        FailureClass::Refusal | FailureClass::Unrecognized => settings.refusal,
        FailureClass::Transient => settings.transient,
        FailureClass::LoginRate => Backoff {
            first: settings.login_rate,
            cap: settings.login_rate,
        },
        FailureClass::LoginBudget => return millis(retry_after.unwrap_or(settings.login_rate)),
    };
    if backoff.cap.is_zero() {
        return 0;
    }
    let asked = retry_after
        .unwrap_or(Duration::ZERO)
        .min(backoff.cap.max(LONGEST_RETRY_AFTER));
    millis(backoff.hold(repeats.saturating_add(1), random).max(asked))
}

fn scale(length: u64, factor: f64) -> u64 {
    millis(Duration::from_millis(length.min(u64::from(u32::MAX) * 1_000)).mul_f64(factor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Moment = Moment {
        wall: 1_000_000_000,
        boot: 5_000,
    };

    fn defaults() -> LifetimeSettings {
        LifetimeSettings::default()
    }

    fn known(length: u64) -> Lifetime {
        Lifetime {
            length,
            source: ExpirySource::ExpiresIn,
        }
    }

    #[test]
    fn the_first_known_lifetime_counts() {
        let configured = LifetimeSettings {
            session_timeout: Some(Duration::from_secs(900)),
            ..defaults()
        };
        let jwt = Some(JwtTimes {
            issued: Some(1_000_000),
            ends: 1_000_060,
        });
        let pick = |jwt, expires_in, settings: &LifetimeSettings| {
            let evidence = Evidence {
                jwt,
                expires_in,
                ..Evidence::default()
            };
            let lifetime = lifetime(&evidence, settings, START);
            (lifetime.length, lifetime.source)
        };
        assert_eq!(
            pick(jwt, Some(7200), &configured),
            (60_000, ExpirySource::Jwt)
        );
        assert_eq!(
            pick(jwt, Some(30), &configured),
            (30_000, ExpirySource::ExpiresIn)
        );
        assert_eq!(
            pick(None, Some(7200), &configured),
            (7_200_000, ExpirySource::ExpiresIn)
        );
        assert_eq!(
            pick(None, None, &configured),
            (900_000, ExpirySource::Configured)
        );
        assert_eq!(
            pick(None, None, &defaults()),
            (1_800_000, ExpirySource::Default)
        );
    }

    #[test]
    fn a_slow_clock_does_not_stretch_a_jwt() {
        let jwt = JwtTimes {
            issued: Some(1_000_600),
            ends: 1_000_660,
        };
        let length = |jwt| {
            let evidence = Evidence {
                jwt: Some(jwt),
                ..Evidence::default()
            };
            lifetime(&evidence, &defaults(), START).length
        };
        assert_eq!(length(jwt), 60_000);
        let past = JwtTimes {
            issued: None,
            ends: 5,
        };
        assert_eq!(length(past), 0);
    }

    #[test]
    fn windows_of_the_usual_lifetimes() {
        // 30 minutes, estimated: a refresh is due from the middle on, no margin, stale for twice as long.
        let default = estimate(&defaults());
        let windows_default = windows(default, &defaults(), 0.0);
        assert_eq!(
            windows_default,
            Windows {
                refresh_due: 900_000,
                ends: 1_800_000,
                stale: 5_400_000
            }
        );
        // One minute, known: a margin of a tenth.
        assert_eq!(
            windows(known(60_000), &defaults(), 1.0),
            Windows {
                refresh_due: 24_000,
                ends: 54_000,
                stale: 54_000
            }
        );
        // Two hours, known: 15 minutes and 60 seconds before the end.
        assert_eq!(
            windows(known(7_200_000), &defaults(), 0.0),
            Windows {
                refresh_due: 6_300_000,
                ends: 7_140_000,
                stale: 7_140_000
            }
        );
    }

    #[test]
    fn holds_double_up_to_the_cap() {
        let settings = FailureSettings::default();
        let hold = |class, repeats| hold(class, repeats, None, &settings, 0.0);
        assert_eq!(hold(FailureClass::Refusal, 0), 5_000);
        assert_eq!(hold(FailureClass::Refusal, 2), 20_000);
        assert_eq!(hold(FailureClass::Refusal, 40), 60_000);
        assert_eq!(hold(FailureClass::Transient, 0), 1_000);
        assert_eq!(hold(FailureClass::Transient, 40), 300_000);
        assert_eq!(hold(FailureClass::LoginRate, 3), 900_000);
    }

    #[test]
    fn retry_after_lengthens_a_hold_within_reason() {
        let settings = FailureSettings::default();
        let hold = |seconds| {
            let wait = Some(Duration::from_secs(seconds));
            hold(FailureClass::Transient, 0, wait, &settings, 0.0)
        };
        assert_eq!(hold(42), 42_000);
        assert_eq!(hold(86_400), 900_000);
        let off = FailureSettings {
            transient: Backoff {
                first: Duration::ZERO,
                cap: Duration::ZERO,
            },
            ..settings
        };
        let wait = Some(Duration::from_secs(42));
        assert_eq!(super::hold(FailureClass::Transient, 0, wait, &off, 0.0), 0);
    }

    proptest! {
        /// Whatever the lifetime and the settings, the windows are in order and leave time in
        /// which no refresh is due.
        #[test]
        fn windows_are_ordered_and_clamped(
            length in 1u64..200_000_000,
            stated in any::<bool>(),
            margin in 0u64..100_000,
            window in 0u64..100_000,
            random in 0.0..=1.0f64,
        ) {
            let source = if stated { ExpirySource::Jwt } else { ExpirySource::Configured };
            let settings = LifetimeSettings {
                safety_margin: Duration::from_secs(margin),
                refresh_window: Duration::from_secs(window),
                ..defaults()
            };
            let windows = windows(Lifetime { length, source }, &settings, random);
            prop_assert!(windows.refresh_due <= windows.ends && windows.ends <= windows.stale);
            prop_assert!(windows.ends <= length);
            prop_assert!(windows.ends >= length - length / 10);
            prop_assert!(windows.refresh_due >= length / 2 - length / 10 - 1);
            prop_assert!(!stated || windows.stale == windows.ends);
        }

        #[test]
        fn holds_are_never_for_ever(repeats in any::<u32>(), wait in any::<u32>(), random in 0.0..=1.0f64) {
            let settings = FailureSettings::default();
            for class in [FailureClass::Refusal, FailureClass::Transient, FailureClass::LoginRate] {
                let wait = Some(Duration::from_secs(u64::from(wait)));
                prop_assert!(hold(class, repeats, wait, &settings, random) <= 900_000);
            }
        }
    }
}
