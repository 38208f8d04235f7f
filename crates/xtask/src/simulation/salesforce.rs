//! The world: one org's sessions, its token endpoint and its accidents.

use super::random::Rng;
use super::{DAY, HOUR, MINUTE, SECOND, Time, WEEK};

/// A token, by number. Numbers rise.
pub(super) type TokenId = u64;

/// Salesforce's logins for an hour and user (documented).
const LOGIN_LIMIT: u32 = 3_600;

/// How long the tokens of an org live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// A session that ends when it is not used for this long; the token says nothing.
    Sliding(Time),
    /// The same, but the response has `expires_in`: what is left if nobody calls.
    Stated(Time),
    /// A JWT, fresh for each login, that ends this long after it was issued.
    Jwt(Time),
}

/// What is decided about an org before anybody logs in.
#[derive(Clone, Debug)]
pub(super) struct SimulatedOrg {
    pub(super) life: Life,
    /// The token endpoint responds with 503. Data calls go on.
    outages: Vec<Span>,
    /// The token endpoint takes 1 to 40 seconds.
    slow: Vec<Span>,
    /// Somebody broke the app's set-up: logins are refused, sessions go on.
    broken: Vec<Span>,
    /// An administrator ends the session.
    pub(super) kills: Vec<Time>,
    /// A new My Domain: all tokens end.
    pub(super) moves: Vec<Time>,
    /// Of a million calls so many get a 401 although the token is alive.
    pub(super) false_rejections: u64,
}

type Span = std::ops::Range<Time>;

impl SimulatedOrg {
    pub(super) fn new(end: Time, false_rejections: u64, rng: &mut Rng) -> Self {
        let life = rng.pick(&[
            (10, Life::Sliding(15 * MINUTE)),
            (6, Life::Sliding(30 * MINUTE)),
            (6, Life::Sliding(HOUR)),
            (46, Life::Sliding(2 * HOUR)),
            (5, Life::Sliding(8 * HOUR)),
            (6, Life::Sliding(DAY)),
            (5, Life::Stated(2 * HOUR)),
            (2, Life::Jwt(MINUTE)),
            (8, Life::Jwt(30 * MINUTE)),
            (6, Life::Jwt(HOUR)),
        ]);
        let mut times = |mean: Time| -> Vec<Time> {
            let mut at = 0;
            std::iter::from_fn(|| {
                at += rng.until(mean);
                (at < end).then_some(at)
            })
            .collect()
        };
        let (kills, moves) = (times(10 * DAY), times(52 * WEEK));
        let starts = [times(2 * WEEK), times(WEEK), times(20 * WEEK)];
        let lengths = [
            (MINUTE, HOUR),
            (10 * MINUTE, 2 * HOUR),
            (10 * MINUTE, 4 * HOUR),
        ];
        let mut spans = starts
            .into_iter()
            .zip(lengths)
            .map(|(starts, (low, high))| {
                let span = |at| at..at + rng.log_between(low, high);
                starts.into_iter().map(span).collect::<Vec<_>>()
            });
        let [outages, slow, broken] = std::array::from_fn(|_| spans.next().unwrap_or_default());
        Self {
            life,
            outages,
            slow,
            broken,
            kills,
            moves,
            false_rejections,
        }
    }
}

/// What the token endpoint responds with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LoginResponse {
    Granted(Granted),
    /// 503 with a page of HTML.
    Unavailable,
    /// The user is out of logins for the hour.
    RateExceeded,
    /// The app has no run-as user.
    Refused,
    /// Nothing within the time that the client allows.
    TimedOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Granted {
    pub(super) token: TokenId,
    /// When it was issued, for a JWT.
    pub(super) issued: Option<Time>,
    /// The end that the response states, in whole seconds.
    pub(super) ends: Option<Time>,
}

/// One org as it runs: the sessions of the one user that all clients share.
#[derive(Debug)]
pub(super) struct Salesforce<'a> {
    org: &'a SimulatedOrg,
    session: Option<SimulatedSession>,
    /// The ends of JWTs, by token.
    ends: Vec<Time>,
    /// Tokens below are dead.
    floor: TokenId,
    rate: Rate,
}

#[derive(Clone, Copy, Debug)]
struct SimulatedSession {
    token: TokenId,
    /// The start of the idle period: the login, or the last activity that counted.
    active: Time,
}

impl<'a> Salesforce<'a> {
    pub(super) fn new(org: &'a SimulatedOrg) -> Self {
        Self {
            org,
            session: None,
            ends: Vec::new(),
            floor: 0,
            rate: Rate::default(),
        }
    }

    /// A login that arrives now, and how long its response takes.
    pub(super) fn login(&mut self, now: Time, rng: &mut Rng) -> (LoginResponse, Time) {
        if self.is_out(now) {
            return (LoginResponse::Unavailable, 100);
        }
        let took = self.latency(now, rng);
        if !self.rate.admits(now) {
            return (LoginResponse::RateExceeded, took);
        }
        if within(&self.org.broken, now) {
            return (LoginResponse::Refused, took);
        }
        self.rate.count();
        (LoginResponse::Granted(self.grant(now)), took)
    }

    /// The same token while its session lives; a login does not prolong it.
    fn grant(&mut self, now: Time) -> Granted {
        let next = TokenId::try_from(self.ends.len()).unwrap_or(TokenId::MAX);
        let seconds = |at: Time| at / SECOND * SECOND;
        match self.org.life {
            Life::Jwt(length) => {
                // `exp` is in whole seconds, so the token ends at one.
                let (issued, ends) = (seconds(now), seconds(now) + length);
                self.ends.push(ends);
                Granted {
                    token: next,
                    issued: Some(issued),
                    ends: Some(ends),
                }
            }
            Life::Sliding(timeout) | Life::Stated(timeout) => {
                let live = self
                    .session
                    .filter(|session| now < session.active + timeout);
                let session = live.unwrap_or(SimulatedSession {
                    token: next,
                    active: now,
                });
                if live.is_none() {
                    self.ends.push(Time::MAX);
                    self.session = Some(session);
                }
                let left = seconds(session.active + timeout - now);
                let stated = matches!(self.org.life, Life::Stated(_));
                Granted {
                    token: session.token,
                    issued: None,
                    ends: stated.then_some(now + left),
                }
            }
        }
    }

    /// A data call: whether the token is taken. If so it is an activity.
    pub(super) fn call(&mut self, token: TokenId, now: Time, rng: &mut Rng) -> bool {
        let falsely = self.org.false_rejections;
        if falsely > 0 && rng.between(0, 1_000_000) < falsely {
            return false;
        }
        let alive = self.is_alive(token, now);
        if let (true, Life::Sliding(timeout) | Life::Stated(timeout), Some(session)) =
            (alive, self.org.life, self.session.as_mut())
        {
            // Activity counts only in the second half of the period (documented).
            if now - session.active >= timeout / 2 {
                session.active = now;
            }
        }
        alive
    }

    /// What introspection says, and how long it takes. `None`: it is out.
    pub(super) fn introspect(
        &self,
        token: TokenId,
        now: Time,
        rng: &mut Rng,
    ) -> (Option<bool>, Time) {
        if self.is_out(now) {
            return (None, 100);
        }
        (Some(self.is_alive(token, now)), self.latency(now, rng))
    }

    pub(super) fn is_alive(&self, token: TokenId, now: Time) -> bool {
        let timeout = match self.org.life {
            Life::Jwt(_) => {
                let ends = usize::try_from(token)
                    .ok()
                    .and_then(|index| self.ends.get(index));
                return token >= self.floor && ends.is_some_and(|ends| now < *ends);
            }
            Life::Sliding(timeout) | Life::Stated(timeout) => timeout,
        };
        self.session
            .is_some_and(|session| session.token == token && now < session.active + timeout)
    }

    /// An administrator ends the session; a JWT goes on.
    pub(super) fn kill(&mut self) {
        self.session = None;
    }

    /// The My Domain changes.
    pub(super) fn relocate(&mut self) {
        self.session = None;
        self.floor = TokenId::try_from(self.ends.len()).unwrap_or(TokenId::MAX);
    }

    /// Minutes in which a login was refused because of the limit.
    pub(super) fn blocked_minutes(&self) -> u64 {
        self.rate.blocked
    }

    fn is_out(&self, now: Time) -> bool {
        within(&self.org.outages, now)
    }

    fn latency(&self, now: Time, rng: &mut Rng) -> Time {
        if within(&self.org.slow, now) {
            rng.log_between(SECOND, 40 * SECOND)
        } else {
            rng.between(200, 800)
        }
    }
}

fn within(spans: &[Span], now: Time) -> bool {
    spans.iter().any(|span| span.contains(&now))
}

/// The logins of the last sixty minutes.
#[derive(Debug)]
struct Rate {
    counts: [u32; 60],
    total: u32,
    minute: Time,
    blocked: u64,
    last_blocked: Option<Time>,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            counts: [0; 60],
            total: 0,
            minute: 0,
            blocked: 0,
            last_blocked: None,
        }
    }
}

impl Rate {
    fn admits(&mut self, now: Time) -> bool {
        let minute = now / MINUTE;
        for passed in self.minute + 1..=minute.min(self.minute + 60) {
            let old = std::mem::take(&mut self.counts[index(passed)]);
            self.total -= old;
        }
        self.minute = minute;
        let admits = self.total < LOGIN_LIMIT;
        if !admits && self.last_blocked != Some(minute) {
            self.last_blocked = Some(minute);
            self.blocked += 1;
        }
        admits
    }

    fn count(&mut self) {
        self.counts[index(self.minute)] += 1;
        self.total += 1;
    }
}

fn index(minute: Time) -> usize {
    usize::try_from(minute % 60).unwrap_or(0)
}

#[cfg(test)]
mod tests;
