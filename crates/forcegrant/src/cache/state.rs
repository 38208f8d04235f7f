//! The state of one client's cache, as a value, and its transitions. Pure: every function takes
//! the time and the random numbers it needs.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::cache::handles::Handles;
use crate::cache::policy::{self, FailureClass, FailureSettings, LifetimeSettings, Windows};
use crate::clock::Moment;
use crate::error::{Code, Error, ErrorKind};
use crate::token::{Expiry, Grant, Token};

/// Everything that is known at one instant. Replaced as a whole, never changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Counts invalidations and resets, so that a mint that started before one is recognised.
    pub(crate) generation: u64,
    pub(crate) lease: Option<std::sync::Arc<Lease>>,
    /// The fingerprint of the token that was last reported as rejected. It is never served again,
    /// also when a new mint returns it.
    pub(crate) rejected: Option<String>,
    pub(crate) failure: Option<FailureMemory>,
}

/// A token and the time it is good for.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) token: Token,
    /// The start of the request that brought the token; all windows count from here.
    pub(crate) started: Moment,
    pub(crate) windows: Windows,
    view: View,
    handles: Handles,
}

/// The span of coarse wall-clock time in which the token may be handed out without looking at
/// both clocks again. At most a second long, so that a stepped or suspended clock is noticed.
///
/// The two halves are written one after the other; a reader that sees a new half beside an old one
/// sees a span that begins or ends where one of two valid spans does, and both ends are valid.
#[derive(Debug, Default)]
struct View {
    from: AtomicI64,
    until: AtomicI64,
}

/// What failed, and how long that holds.
#[derive(Clone, Debug)]
pub(crate) struct FailureMemory {
    pub(crate) error: Error,
    pub(crate) class: FailureClass,
    pub(crate) repeats: u32,
    pub(crate) at: Moment,
    /// Milliseconds from `at`.
    pub(crate) holds: u64,
}

/// What a caller gets, by the state and the time.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// Use it.
    Fresh(Token),
    /// Use it; a refresh is due.
    Aging(Token),
    /// An estimated end has passed and refreshing fails transiently: use it all the same.
    Lapsed(Token),
    /// Nothing usable.
    Empty,
    /// Nothing usable, and a recent failure still holds.
    Cooling(Error),
}

/// The name of a [`Zone`], for `status()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheState {
    /// No usable token; the next call logs in.
    Empty,
    /// The token is good.
    Fresh,
    /// The token is good, and a refresh is due.
    Aging,
    /// The estimated end has passed and refreshing fails transiently; the token still serves.
    Lapsed,
    /// No usable token, and a recent failure still holds: calls fail at once.
    Cooling,
}

impl CacheState {
    /// The state as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fresh => "fresh",
            Self::Aging => "aging",
            Self::Lapsed => "lapsed",
            Self::Cooling => "cooling",
        }
    }
}

impl Zone {
    pub(crate) fn name(&self) -> CacheState {
        match self {
            Self::Fresh(_) => CacheState::Fresh,
            Self::Aging(_) => CacheState::Aging,
            Self::Lapsed(_) => CacheState::Lapsed,
            Self::Empty => CacheState::Empty,
            Self::Cooling(_) => CacheState::Cooling,
        }
    }

    pub(crate) fn token(self) -> Option<Token> {
        match self {
            Self::Fresh(token) | Self::Aging(token) | Self::Lapsed(token) => Some(token),
            Self::Empty | Self::Cooling(_) => None,
        }
    }
}

/// A lease for a grant whose request started at `started`. `Err`: dead on arrival.
pub(crate) fn lease(
    grant: Grant,
    started: Moment,
    now: Moment,
    settings: &LifetimeSettings,
    random: f64,
) -> Result<Lease, Error> {
    let lifetime = policy::lifetime(grant.jwt, grant.expires_in, settings, started);
    let windows = policy::windows(lifetime, settings, random);
    let expiry = policy::expiry(lifetime, started);
    if now.since(started) >= windows.ends {
        return Err(dead_on_arrival(expiry));
    }
    Ok(Lease {
        token: Token::new(grant, expiry),
        started,
        windows,
        view: View::default(),
        handles: Handles::default(),
    })
}

impl Lease {
    /// The hot path: whether a view that was taken earlier still covers this coarse time.
    #[inline]
    pub(crate) fn in_view(&self, coarse_wall: i64) -> bool {
        self.view.from.load(Ordering::Relaxed) <= coarse_wall
            && coarse_wall < self.view.until.load(Ordering::Relaxed)
    }

    /// The token, by the handle of the calling thread.
    #[inline]
    pub(crate) fn hand_out(&self) -> Token {
        self.handles
            .mine()
            .get_or_init(|| self.token.apart())
            .clone()
    }

    fn age(&self, now: Moment) -> u64 {
        now.since(self.started)
    }
}

impl State {
    /// Which zone `now` falls into.
    pub(crate) fn classify(&self, now: Moment) -> Zone {
        if let Some(lease) = &self.lease {
            let age = lease.age(now);
            let token = || lease.token.clone();
            if age < lease.windows.ages {
                return Zone::Fresh(token());
            }
            if age < lease.windows.ends {
                return Zone::Aging(token());
            }
            let transient = |failure: &FailureMemory| failure.class != FailureClass::Refusal;
            if age < lease.windows.stale && self.failure.as_ref().is_some_and(transient) {
                return Zone::Lapsed(token());
            }
        }
        match self.cooling(now) {
            Some(error) => Zone::Cooling(error),
            None => Zone::Empty,
        }
    }

    /// The failure that still holds, with what is left of its time.
    fn cooling(&self, now: Moment) -> Option<Error> {
        let failure = self.failure.as_ref()?;
        let left = failure
            .holds
            .checked_sub(now.since(failure.at))
            .filter(|left| *left > 0)?;
        Some(
            failure
                .error
                .clone()
                .with_retry_after(Some(Duration::from_millis(left))),
        )
    }

    /// Whether a refresh behind a usable token may start: no failure holds.
    pub(crate) fn may_refresh(&self, now: Moment) -> bool {
        self.cooling(now).is_none()
    }

    /// Takes a new view of the lease, if its token is usable now, and says until when, in
    /// wall-clock milliseconds. `length` is the longest that a view may be.
    ///
    /// While a refresh is due and `refreshing` (or a failure holds it off), the view may reach into
    /// the ageing zone; otherwise it ends where ageing starts, so that the next reader notices.
    pub(crate) fn look(&self, now: Moment, length: u64, refreshing: bool) -> Option<(i64, i64)> {
        let lease = self.lease.as_ref()?;
        let age = lease.age(now);
        let (windows, zone) = (lease.windows, self.classify(now).name());
        let limit = match zone {
            CacheState::Fresh => windows.ages,
            CacheState::Aging if refreshing || !self.may_refresh(now) => windows.ends,
            CacheState::Lapsed if refreshing || !self.may_refresh(now) => windows.stale,
            _ => return None,
        };
        let mut span = length.min(limit - age);
        if let Some(failure) = self
            .failure
            .as_ref()
            .filter(|_| zone != CacheState::Fresh && !refreshing)
        {
            span = span.min(failure.holds.saturating_sub(now.since(failure.at)));
        }
        let until = now.wall.saturating_add_unsigned(span);
        lease.view.until.store(until, Ordering::Relaxed);
        lease.view.from.store(now.wall, Ordering::Relaxed);
        Some((now.wall, until))
    }

    /// After a mint that brought a usable token.
    pub(crate) fn minted(&self, lease: Lease) -> Self {
        Self {
            generation: self.generation,
            lease: Some(std::sync::Arc::new(lease)),
            rejected: self.rejected.clone(),
            failure: None,
        }
    }

    /// Whether this token was reported as rejected.
    pub(crate) fn is_rejected(&self, fingerprint: &str) -> bool {
        self.rejected.as_deref() == Some(fingerprint)
    }

    /// After a mint that failed. The token that still works stays.
    pub(crate) fn failed(
        &self,
        error: Error,
        now: Moment,
        settings: &FailureSettings,
        random: f64,
    ) -> Self {
        let class = class_of(&error);
        let repeats = self
            .failure
            .as_ref()
            .filter(|earlier| earlier.class == class)
            .map_or(0, |earlier| earlier.repeats.saturating_add(1));
        let holds = policy::hold(class, repeats, error.retry_after(), settings, random);
        Self {
            generation: self.generation,
            lease: self.lease.clone(),
            rejected: self.rejected.clone(),
            failure: Some(FailureMemory {
                error,
                class,
                repeats,
                at: now,
                holds,
            }),
        }
    }

    /// After a report that the token of this fingerprint was rejected. `None`: the report is stale,
    /// another token is current.
    pub(crate) fn invalidated(&self, fingerprint: &str) -> Option<Self> {
        let lease = self.lease.as_ref()?;
        if lease.token.fingerprint() != fingerprint {
            return None;
        }
        // A reader that still holds the old state must notice too.
        lease.view.until.store(i64::MIN, Ordering::Relaxed);
        Some(Self {
            generation: self.generation + 1,
            lease: None,
            rejected: Some(fingerprint.to_owned()),
            failure: self.failure.clone(),
        })
    }

    /// Nothing known any more.
    pub(crate) fn cleared(&self) -> Self {
        if let Some(lease) = &self.lease {
            lease.view.until.store(i64::MIN, Ordering::Relaxed);
        }
        Self {
            generation: self.generation + 1,
            ..Self::default()
        }
    }

    /// When the failure that holds now ends, by the wall clock.
    pub(crate) fn cooling_until(&self, now: Moment) -> Option<std::time::SystemTime> {
        let failure = self.failure.as_ref()?;
        (now.since(failure.at) < failure.holds)
            .then(|| policy::wall_time(failure.at, failure.holds))
    }

    /// When a refresh is due, by the wall clock.
    pub(crate) fn refresh_at(&self) -> Option<std::time::SystemTime> {
        let lease = self.lease.as_ref()?;
        Some(policy::wall_time(lease.started, lease.windows.ages))
    }
}

/// How a failure is remembered, by its code.
pub(crate) fn class_of(error: &Error) -> FailureClass {
    match error.kind() {
        ErrorKind::LoginRate => FailureClass::LoginRate,
        ErrorKind::Timeout
        | ErrorKind::Transport
        | ErrorKind::Unavailable
        | ErrorKind::Internal => FailureClass::Transient,
        _ => FailureClass::Refusal,
    }
}

fn dead_on_arrival(expiry: Expiry) -> Error {
    Error::new(
        Code::TokenDeadOnArrival,
        format!(
            "Salesforce issued a token that had already ended when it arrived (by its {})",
            expiry.source().as_str()
        ),
    )
    .with_help("Mostly this machine's clock is wrong: compare it with a time server.\nOtherwise the network is slower than the token's lifetime.")
}

pub(crate) fn same_token_returned(fingerprint: &str) -> Error {
    Error::new(
        Code::SameTokenReturned,
        format!("Salesforce returned the very token that was reported as rejected (fingerprint {fingerprint})"),
    )
    .with_help("For Salesforce the session is alive, so the API refused the call for another reason: look at the API's answer\n(scopes of the app, permissions of the Run-As user, IP restrictions). The token is not used again until `reset()`.")
}

#[cfg(test)]
mod tests;
