//! What a client knows, as a value to look at.

use std::time::{Duration, SystemTime};

use crate::cache::cache_state::CacheState;
use crate::cache::state::CacheSnapshot;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::moment::{Moment, to_system_time};

/// The state of a client's cache at one instant. Holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// What the next caller would meet.
    pub state: CacheState,
    /// Whether a login is in flight.
    pub in_flight: bool,
    /// The end of the current token.
    pub expiry: Option<Expiry>,
    /// From when on a refresh of the current token is due.
    pub refresh_at: Option<SystemTime>,
    /// The fingerprint of the current token.
    pub fingerprint: Option<String>,
    /// Logins that brought a token, since the client was made.
    pub logins: u64,
    /// Logins that failed, retries not counted.
    pub failures: u64,
    /// The failure of the last login; gone after one that succeeds.
    pub last_error: Option<Error>,
    /// When it was.
    pub last_failure_at: Option<SystemTime>,
    /// Until when it holds off further logins.
    pub backing_off_until: Option<SystemTime>,
    /// The age of the last token that was reported as rejected.
    pub last_rejected_age: Option<Duration>,
    /// The lifetime that was learned from rejections, while it counts.
    pub learned_lifetime: Option<Duration>,
    /// The host that the credentials are sent to.
    pub login_host: String,
}

impl Status {
    #[doc(hidden)]
    pub fn new(
        state: &CacheSnapshot,
        lookup: CacheState,
        now: Moment,
        in_flight: bool,
        logins: u64,
        failures: u64,
        login_host: &str,
    ) -> Self {
        // A token past its end is not served, although the state still holds it.
        let serves = !matches!(lookup, CacheState::Empty | CacheState::BackingOff);
        let cached = state.cached.as_ref().filter(|_| serves);
        let token = cached.map(|cached| &cached.parts);
        let failure = state.failure.as_ref();
        Self {
            state: lookup,
            in_flight,
            expiry: token.map(crate::token_data::TokenData::expiry),
            refresh_at: cached.and_then(|_| state.refresh_at()),
            fingerprint: token.map(|token| token.fingerprint().to_owned()),
            logins,
            failures,
            last_error: failure.map(|failure| failure.error.clone()),
            last_failure_at: failure.map(|failure| to_system_time(failure.at.wall)),
            backing_off_until: state.backing_off_until(now),
            last_rejected_age: state.rejected_age.map(Duration::from_millis),
            learned_lifetime: state.learned.0.map(Duration::from_millis),
            login_host: login_host.to_owned(),
        }
    }
}
