//! What is compared: this project's policy and what other libraries do.

use std::time::Duration;

use super::ours::{Ours, PolicySettings};
use super::random::Rng;
use super::salesforce::{Granted, LoginResponse, TokenId};
use super::{HOUR, MINUTE, SECOND, Time};

/// One row of the table.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) rule: PolicyRule,
}

#[derive(Clone, Debug)]
pub(super) enum PolicyRule {
    Ours(Box<PolicySettings>),
    Peer(Peer),
}

/// What a library does that decides without a state machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// How long a token is kept whose end is not stated. `None`: for ever.
    keeps: Option<Time>,
    /// A 401 drops the token, and the call is made once more.
    reacts: bool,
    /// Asks the introspection endpoint before each use.
    introspects: bool,
    /// Concurrent callers share a login.
    shares: bool,
    /// After a failed login nobody tries for this long.
    cool_down: Time,
}

const KEEPS_FOR_EVER: Peer = Peer {
    keeps: None,
    reacts: false,
    introspects: false,
    shares: true,
    cool_down: 0,
};

/// A stated end is kept at this distance, as most libraries do.
const EARLY: Time = 10 * SECOND;

/// Ours, and the peers.
pub(super) fn all() -> Vec<Policy> {
    let peer = |name: &str, peer| Policy {
        name: name.to_owned(),
        rule: PolicyRule::Peer(peer),
    };
    let fixed = |keeps| Peer {
        keeps: Some(keeps),
        ..KEEPS_FOR_EVER
    };
    let reacting = |peer| Peer {
        reacts: true,
        ..peer
    };
    let alone = |keeps| Peer {
        shares: false,
        ..fixed(keeps)
    };
    let introspecting = Peer {
        introspects: true,
        cool_down: 30 * SECOND,
        ..KEEPS_FOR_EVER
    };
    vec![
        ours("forcegrant", PolicySettings::default()),
        peer("never expires", KEEPS_FOR_EVER),
        peer("never expires, login on 401", reacting(KEEPS_FOR_EVER)),
        peer("fixed 30 min", fixed(30 * MINUTE)),
        peer("fixed 30 min, login on 401", reacting(fixed(30 * MINUTE))),
        peer("fixed 2 h", fixed(2 * HOUR)),
        peer("introspect on every read", introspecting),
        peer("login per call", alone(0)),
        peer("one second", alone(SECOND)),
    ]
}

/// Ours with other settings, each beside the defaults.
pub(super) fn settings() -> Vec<Policy> {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let changed = |name: &str, change: &dyn Fn(&mut PolicySettings)| {
        let mut settings = PolicySettings::default();
        change(&mut settings);
        ours(name, settings)
    };
    let timeout = |timeout| {
        move |settings: &mut PolicySettings| {
            settings.lifetimes.session_timeout = Some(minutes(timeout));
        }
    };
    let window = |window| {
        move |settings: &mut PolicySettings| settings.lifetimes.refresh_window = minutes(window)
    };
    vec![
        changed("defaults", &|_| {}),
        changed("session_timeout 15 min", &timeout(15)),
        changed("session_timeout 1 h", &timeout(60)),
        changed("session_timeout 2 h", &timeout(120)),
        changed("refresh_window 5 min", &window(5)),
        changed("refresh_window 2 min", &window(2)),
        changed("max_stale none", &|settings| {
            settings.lifetimes.max_stale = Some(Duration::ZERO);
        }),
        changed("max_stale 24 h", &|settings| {
            settings.lifetimes.max_stale = Some(minutes(24 * 60));
        }),
        changed("transient back-off up to 1 min", &|settings| {
            settings.failures.transient.cap = minutes(1);
        }),
    ]
}

fn ours(name: &str, settings: PolicySettings) -> Policy {
    Policy {
        name: name.to_owned(),
        rule: PolicyRule::Ours(Box::new(settings)),
    }
}

/// What a caller gets who asks for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Use(TokenId),
    /// Use it, and a login behind it is due.
    UseAndRefresh(TokenId),
    /// Wait for a login.
    Wait,
    /// Wait for the introspection of this token.
    Introspect(TokenId),
    /// No token, and no login either.
    Fail,
}

/// One login under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoginProgress {
    pub(super) begun: Time,
    /// The start of the present attempt.
    pub(super) started: Time,
    pub(super) attempts: u32,
}

/// What follows a response of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoginStep {
    /// Another attempt after a pause.
    Again(Time),
    /// The whole login once more.
    Afresh,
    /// The callers who wait get this token or an error.
    AfterLogin(Option<TokenId>),
}

/// One client's cache.
#[derive(Debug)]
pub(super) enum Cache<'a> {
    Ours(Box<Ours<'a>>),
    Peer(PeerCache),
}

impl<'a> Cache<'a> {
    pub(super) fn new(rule: &'a PolicyRule, rng: &mut Rng) -> Self {
        match rule {
            PolicyRule::Ours(settings) => Self::Ours(Box::new(Ours::new(settings, rng))),
            PolicyRule::Peer(peer) => Self::Peer(PeerCache {
                peer: *peer,
                held: None,
                cool_until: 0,
            }),
        }
    }

    pub(super) fn ask(&mut self, now: Time, in_flight: bool) -> Ask {
        match self {
            Self::Ours(ours) => ours.ask(now, in_flight),
            Self::Peer(peer) => peer.ask(now),
        }
    }

    /// Whether concurrent callers share a login.
    pub(super) fn shares(&self) -> bool {
        match self {
            Self::Ours(_) => true,
            Self::Peer(cache) => cache.peer.shares,
        }
    }

    /// A login begins, or begins afresh.
    pub(super) fn login_starts(&mut self) {
        if let Self::Ours(ours) = self {
            ours.login_starts();
        }
    }

    /// Whether an attempt may be made, and how long it may take. `Err`: it may not, and the login
    /// has landed.
    pub(super) fn may_attempt(
        &mut self,
        progress: &LoginProgress,
        now: Time,
        rng: &mut Rng,
    ) -> Result<Time, Option<TokenId>> {
        match self {
            Self::Ours(ours) => ours.may_attempt(progress, now, rng),
            // No time-out is the rule among the peers.
            Self::Peer(_) => Ok(Time::MAX),
        }
    }

    pub(super) fn handle_response(
        &mut self,
        progress: &LoginProgress,
        response: LoginResponse,
        now: Time,
        rng: &mut Rng,
    ) -> LoginStep {
        match self {
            Self::Ours(ours) => ours.handle_response(progress, response, now, rng),
            Self::Peer(peer) => LoginStep::AfterLogin(peer.handle_response(response, now)),
        }
    }

    /// An API rejected the token. Whether the call is made once more.
    pub(super) fn rejected(&mut self, token: TokenId, now: Time) -> bool {
        match self {
            Self::Ours(ours) => ours.rejected(token, now),
            Self::Peer(cache) => {
                if cache.peer.reacts {
                    cache.drop_token(token);
                }
                cache.peer.reacts
            }
        }
    }

    /// Introspection said that the token is dead, or said nothing.
    pub(super) fn is_inactive(&mut self, token: TokenId) {
        if let Self::Peer(cache) = self {
            cache.drop_token(token);
        }
    }
}

#[derive(Debug)]
pub(super) struct PeerCache {
    peer: Peer,
    held: Option<PeerToken>,
    cool_until: Time,
}

#[derive(Clone, Copy, Debug)]
struct PeerToken {
    token: TokenId,
    ends: Time,
}

impl PeerCache {
    fn ask(&mut self, now: Time) -> Ask {
        match self.held.filter(|held| now < held.ends) {
            Some(held) if self.peer.introspects => Ask::Introspect(held.token),
            Some(held) => Ask::Use(held.token),
            None if now < self.cool_until => Ask::Fail,
            None => Ask::Wait,
        }
    }

    fn handle_response(&mut self, response: LoginResponse, now: Time) -> Option<TokenId> {
        let LoginResponse::Granted(Granted {
            token,
            issued,
            ends,
        }) = response
        else {
            self.cool_until = now + self.peer.cool_down;
            return None;
        };
        // Nobody looks into a JWT; `expires_in` is read by all.
        let stated = ends
            .filter(|_| issued.is_none())
            .map(|ends| ends.saturating_sub(EARLY));
        let kept = self.peer.keeps.map_or(Time::MAX, |keeps| now + keeps);
        self.held = Some(PeerToken {
            token,
            ends: stated.map_or(kept, |stated| stated.min(kept)),
        });
        Some(token)
    }

    fn drop_token(&mut self, token: TokenId) {
        if self.held.is_some_and(|held| held.token == token) {
            self.held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(peer: Peer) -> PeerCache {
        PeerCache {
            peer,
            held: None,
            cool_until: 0,
        }
    }

    fn granted(token: TokenId, ends: Option<Time>) -> LoginResponse {
        LoginResponse::Granted(Granted {
            token,
            issued: None,
            ends,
        })
    }

    #[test]
    fn a_token_without_a_stated_end_is_kept_as_long_as_the_rule_says() {
        let mut never = cache(KEEPS_FOR_EVER);
        assert_eq!(never.ask(0), Ask::Wait);
        assert_eq!(never.handle_response(granted(7, None), 0), Some(7));
        assert_eq!(never.ask(Time::MAX - 1), Ask::Use(7));
        let mut fixed = cache(Peer {
            keeps: Some(10),
            ..KEEPS_FOR_EVER
        });
        fixed.handle_response(granted(7, None), 5);
        assert_eq!((fixed.ask(14), fixed.ask(15)), (Ask::Use(7), Ask::Wait));
    }

    #[test]
    fn a_stated_end_is_kept() {
        let mut never = cache(KEEPS_FOR_EVER);
        never.handle_response(granted(7, Some(HOUR)), 0);
        assert_eq!(never.ask(HOUR - EARLY), Ask::Wait);
    }

    #[test]
    fn a_failed_login_cools_down_where_the_rule_says_so() {
        let mut cooling = cache(Peer {
            cool_down: 30,
            ..KEEPS_FOR_EVER
        });
        assert_eq!(cooling.handle_response(LoginResponse::Refused, 0), None);
        assert_eq!((cooling.ask(29), cooling.ask(30)), (Ask::Fail, Ask::Wait));
    }
}
