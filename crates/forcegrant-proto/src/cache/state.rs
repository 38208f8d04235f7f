//! The state of one client's cache as a value. Logins change it in `after_login`, reports about tokens in `reports`.
//! Pure: every function takes the time and the random numbers that it needs.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::cache::cache_state::CacheState;
use crate::cache::cached_token::CachedToken;
use crate::cache::learning::Learned;
use crate::cache::policy::FailureClass;
use crate::cache::renewals::Renewals;
use crate::error::Error;
use crate::moment::Moment;
use crate::token::Token;

/// Everything that a client knows at one instant: the token, and what it remembers. Replaced as a whole, never changed.
#[derive(Debug, Default)]
pub struct CacheSnapshot {
    pub cached: Option<Arc<CachedToken>>,
    /// `None` if there is nothing to remember, as for most clients of a pool.
    memory: Option<Box<Memory>>,
}

/// What is remembered beside the token.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Counts invalidations and resets, to recognise a login that started before one.
    pub generation: u64,
    /// The tokens that were last reported as rejected, the newest last. They are not served again, even if a new
    /// login returns one; [`CacheSnapshot::after_login`] has the exceptions.
    pub rejected: Vec<Rejected>,
    /// How often refused tokens were replaced.
    pub renewals: Renewals,
    /// The fingerprint of the reported token that the last login returned, which was an error.
    pub returned_token: Option<String>,
    /// How often in a row a reported token was returned again and accepted.
    pub accepted_reissues: u32,
    pub failure: Option<FailureMemory>,
    /// The lifetime that rejections showed.
    pub learned: Learned,
    /// The age of the last token that was reported as rejected, in milliseconds.
    pub rejected_age: Option<u64>,
    /// The start of the latest login whose token was reported as rejected, in wall-clock milliseconds: the token of
    /// an older login is not alive either.
    pub rejected_start: Option<i64>,
    /// The last reset: a token that another client requested before it is not used.
    pub fresh_after: Option<Moment>,
}

/// A token that was reported as rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    pub(super) fingerprint: String,
    /// An adapter reported it, whose call checks the next token itself; otherwise the user's code did.
    pub(super) is_of_adapter: bool,
}

static EMPTY_MEMORY: Memory = Memory {
    generation: 0,
    rejected: Vec::new(),
    renewals: Renewals::none(),
    returned_token: None,
    accepted_reissues: 0,
    failure: None,
    learned: Learned(None),
    rejected_age: None,
    rejected_start: None,
    fresh_after: None,
};

impl Deref for CacheSnapshot {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        self.memory.as_deref().unwrap_or(&EMPTY_MEMORY)
    }
}

impl Memory {
    fn is_empty(&self) -> bool {
        self.generation == 0
            && self.rejected.is_empty()
            && self.renewals.is_empty()
            && self.returned_token.is_none()
            && self.accepted_reissues == 0
            && self.failure.is_none()
            && self.learned == Learned::default()
            && self.rejected_age.is_none()
            && self.rejected_start.is_none()
            && self.fresh_after.is_none()
    }
}

/// A failed login, and how long it holds off the next.
#[derive(Clone, Debug)]
pub struct FailureMemory {
    pub error: Error,
    pub class: FailureClass,
    pub repeats: u32,
    pub at: Moment,
    /// Milliseconds from `at`.
    pub holds: u64,
}

/// What a caller gets at this time.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Use it.
    Fresh(Token),
    /// Use it; a refresh is due.
    RefreshDue(Token),
    /// Its estimated end has passed and refreshing fails temporarily: use it.
    Stale(Token),
    /// There is no usable token.
    Empty,
    /// There is no usable token, and a recent failure still holds.
    BackingOff(Error),
}

impl Lookup {
    pub fn name(&self) -> CacheState {
        match self {
            Self::Fresh(_) => CacheState::Fresh,
            Self::RefreshDue(_) => CacheState::RefreshDue,
            Self::Stale(_) => CacheState::Stale,
            Self::Empty => CacheState::Empty,
            Self::BackingOff(_) => CacheState::BackingOff,
        }
    }

    pub fn token(self) -> Option<Token> {
        match self {
            Self::Fresh(token) | Self::RefreshDue(token) | Self::Stale(token) => Some(token),
            Self::Empty | Self::BackingOff(_) => None,
        }
    }
}

impl CacheSnapshot {
    pub(super) fn new(cached: Option<Arc<CachedToken>>, memory: Memory) -> Self {
        Self {
            cached,
            memory: (!memory.is_empty()).then(|| Box::new(memory)),
        }
    }

    /// The same token with another memory.
    pub(super) fn remembering(&self, memory: Memory) -> Self {
        Self::new(self.cached.clone(), memory)
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::clone(self)
    }

    /// What a caller gets now.
    pub fn classify(&self, now: Moment) -> Lookup {
        if let Some(cached) = &self.cached {
            let age = cached.age(now);
            let token = || Token::of(cached);
            if age < cached.windows.refresh_due {
                return Lookup::Fresh(token());
            }
            if age < cached.windows.ends {
                return Lookup::RefreshDue(token());
            }
            // Only a refusal by Salesforce enforces an estimated end.
            let serves = |failure: &FailureMemory| failure.class != FailureClass::Refusal;
            if age < cached.windows.stale && self.failure.as_ref().is_some_and(serves) {
                return Lookup::Stale(token());
            }
        }
        match self.remembered_failure(now) {
            Some(error) => Lookup::BackingOff(error),
            None => Lookup::Empty,
        }
    }

    /// The failure that still holds, with what is left of its time.
    fn remembered_failure(&self, now: Moment) -> Option<Error> {
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

    /// Whether a background refresh may start: no failure holds it off.
    pub fn may_refresh(&self, now: Moment) -> bool {
        self.remembered_failure(now).is_none()
    }

    /// Starts a new view of the token if it is usable now. Returns its span, in wall-clock milliseconds. `length` is
    /// the longest that a view may be.
    ///
    /// A view ends where a refresh becomes due, so that the next reader notices. It goes on only if a refresh is in
    /// flight (`refreshing`) or a failure holds it off.
    ///
    /// `coarse_wall` is the clock that readers compare with: see [`CachedToken::show`].
    pub fn look(
        &self,
        now: Moment,
        coarse_wall: i64,
        length: u64,
        refreshing: bool,
    ) -> Option<(i64, i64)> {
        let cached = self.cached.as_ref()?;
        let age = cached.age(now);
        let (windows, lookup) = (cached.windows, self.classify(now).name());
        let limit = match lookup {
            CacheState::Fresh => windows.refresh_due,
            CacheState::RefreshDue if refreshing || !self.may_refresh(now) => windows.ends,
            CacheState::Stale if refreshing || !self.may_refresh(now) => windows.stale,
            _ => return None,
        };
        let mut span = length.min(limit - age);
        if let Some(failure) = self
            .failure
            .as_ref()
            .filter(|_| lookup != CacheState::Fresh && !refreshing)
        {
            span = span.min(failure.holds.saturating_sub(now.since(failure.at)));
        }
        Some(cached.show(now, coarse_wall, span))
    }

    /// Whether the last login returned this reported token too.
    pub fn was_returned_once(&self, fingerprint: &str) -> bool {
        self.returned_token.as_deref() == Some(fingerprint)
    }

    /// Whether this token was reported as rejected.
    pub fn is_rejected(&self, fingerprint: &str) -> bool {
        self.rejected_as(fingerprint).is_some()
    }

    /// Whether only an adapter reported this token as rejected: the call that was refused compares the next token
    /// with it, so no other call needs to fail.
    pub fn is_rejected_for_a_call(&self, fingerprint: &str) -> bool {
        self.rejected_as(fingerprint)
            .is_some_and(|rejected| rejected.is_of_adapter)
    }

    fn rejected_as(&self, fingerprint: &str) -> Option<&Rejected> {
        let mut all = self.rejected.iter();
        all.find(|rejected| rejected.fingerprint == fingerprint)
    }

    /// Without the token, which is not known to be dead.
    #[must_use]
    pub fn without_token(&self) -> Self {
        if let Some(cached) = &self.cached {
            // Readers that still hold the old state must notice too.
            cached.retire();
        }
        let memory = Memory {
            generation: self.generation + 1,
            ..self.memory()
        };
        Self::new(None, memory)
    }

    /// With new credentials: the remembered failure belongs to the previous ones.
    #[must_use]
    pub fn with_new_credentials(&self) -> Self {
        self.remembering(Memory {
            failure: None,
            ..self.memory()
        })
    }

    /// After a reset: nothing is remembered, and tokens that others requested before it are not used.
    #[must_use]
    pub fn cleared(&self, now: Moment) -> Self {
        let memory = Memory {
            generation: self.without_token().generation,
            fresh_after: Some(now),
            ..Memory::default()
        };
        Self::new(None, memory)
    }

    /// Without rejected tokens: a login may return one of them.
    #[must_use]
    pub fn without_rejected(&self) -> Self {
        self.remembering(Memory {
            rejected: Vec::new(),
            rejected_start: None,
            ..self.memory()
        })
    }

    /// Until when the remembered failure holds, by the wall clock.
    pub fn backing_off_until(&self, now: Moment) -> Option<std::time::SystemTime> {
        let failure = self.failure.as_ref()?;
        (now.since(failure.at) < failure.holds).then(|| failure.at.wall_after(failure.holds))
    }

    /// When a refresh is due, by the wall clock.
    pub fn refresh_at(&self) -> Option<std::time::SystemTime> {
        let cached = self.cached.as_ref()?;
        Some(cached.started.wall_after(cached.windows.refresh_due))
    }
}

#[cfg(test)]
mod tests;
