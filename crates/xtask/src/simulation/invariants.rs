//! What must never happen to this project's policy, checked by those who know the truth: the world
//! and the log of what was done, not the policy's own state.

use super::Time;
use super::salesforce::{LoginResponse, TokenId};
use forcegrant_proto::cache::policy::FailureSettings;
use forcegrant_proto::moment::millis;

/// Watches one client.
#[derive(Debug)]
pub(super) struct InvariantChecker {
    settings: FailureSettings,
    in_flight: u32,
    /// The token of the last success and the end that its response stated.
    stated: Option<(TokenId, Time)>,
    rejected: Option<TokenId>,
    /// A login brought the rejected token back, which was a failure.
    reject_returned: bool,
    /// The last failure, how many of its kind came in a row, and until when it holds at least.
    failed: Option<(CheckedKind, u32, Time)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckedKind {
    Transient,
    Refusal,
    Rate,
}

impl InvariantChecker {
    pub(super) fn new(settings: FailureSettings) -> Self {
        Self {
            settings,
            in_flight: 0,
            stated: None,
            rejected: None,
            reject_returned: false,
            failed: None,
        }
    }

    /// # Panics
    /// If a login is under way already, or a failure holds.
    pub(super) fn login_starts(&mut self, now: Time) {
        assert_eq!(self.in_flight, 0, "two logins of one client at once");
        self.in_flight = 1;
        if let Some((kind, _, until)) = self.failed {
            assert!(
                now >= until,
                "a login at {now} while a {kind:?} failure holds until {until}"
            );
        }
    }

    pub(super) fn login_ends(&mut self, response: Option<LoginResponse>, now: Time) {
        self.in_flight = 0;
        let kind = match response {
            Some(LoginResponse::Granted(granted)) => {
                self.stated = granted.ends.map(|ends| (granted.token, ends));
                self.failed = None;
                if self.rejected == Some(granted.token) {
                    // The second time in a row, once the hold is over, Salesforce has the last word.
                    if self.reject_returned {
                        self.rejected = None;
                    } else {
                        let until = now + self.shortest_hold(CheckedKind::Refusal, 0);
                        self.failed = Some((CheckedKind::Refusal, 0, until));
                    }
                    self.reject_returned = !self.reject_returned;
                }
                return;
            }
            Some(LoginResponse::Unavailable | LoginResponse::TimedOut) => CheckedKind::Transient,
            Some(LoginResponse::Refused) => CheckedKind::Refusal,
            Some(LoginResponse::RateExceeded) => CheckedKind::Rate,
            None => return,
        };
        let repeats = match self.failed {
            Some((earlier, repeats, _)) if earlier == kind => repeats + 1,
            _ => 0,
        };
        self.failed = Some((kind, repeats, now + self.shortest_hold(kind, repeats)));
    }

    pub(super) fn rejected(&mut self, token: TokenId) {
        self.rejected = Some(token);
        self.reject_returned = false;
    }

    /// # Panics
    /// If the end of the token was stated and has passed, or it was reported as rejected.
    pub(super) fn serves(&self, token: TokenId, now: Time) {
        if let Some((_, ends)) = self.stated.filter(|(stated, _)| *stated == token) {
            assert!(
                now < ends,
                "token {token} served at {now}, {} ms past its stated end",
                now - ends
            );
        }
        assert_ne!(
            self.rejected,
            Some(token),
            "a rejected token served at {now}"
        );
    }

    /// The back-off that the settings name, less the jitter, which takes off a fifth at most.
    fn shortest_hold(&self, kind: CheckedKind, repeats: u32) -> Time {
        let settings = &self.settings;
        let (first, cap) = match kind {
            CheckedKind::Transient => (settings.transient.first, settings.transient.cap),
            CheckedKind::Refusal => (settings.refusal.first, settings.refusal.cap),
            CheckedKind::Rate => (settings.login_rate, settings.login_rate),
        };
        let (first, cap) = (millis(first), millis(cap));
        (first << repeats.min(20)).min(cap) / 5 * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::salesforce::Granted;

    #[test]
    #[should_panic(expected = "two logins")]
    fn two_flights_are_seen() {
        let mut checker = InvariantChecker::new(FailureSettings::default());
        checker.login_starts(0);
        checker.login_starts(1);
    }

    #[test]
    #[should_panic(expected = "while a Refusal failure holds until 4000")]
    fn a_login_while_cooling_is_seen() {
        let mut checker = InvariantChecker::new(FailureSettings::default());
        checker.login_starts(0);
        checker.login_ends(Some(LoginResponse::Refused), 0);
        checker.login_starts(3_999);
    }

    #[test]
    #[should_panic(expected = "past its stated end")]
    fn a_token_past_its_stated_end_is_seen() {
        let mut checker = InvariantChecker::new(FailureSettings::default());
        checker.login_ends(
            Some(LoginResponse::Granted(Granted {
                token: 1,
                issued: None,
                ends: Some(10),
            })),
            0,
        );
        checker.serves(1, 9);
        checker.serves(1, 10);
    }

    #[test]
    #[should_panic(expected = "a rejected token")]
    fn a_rejected_token_is_seen() {
        let mut checker = InvariantChecker::new(FailureSettings::default());
        checker.rejected(1);
        checker.serves(1, 10);
    }
}
