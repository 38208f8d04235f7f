//! The content of the entries of a store, and which of them a client uses. Pure.
//!
//! The entry of a token is a line of JSON about the login, and then the token response in Salesforce's form. The same
//! code reads it as a response from the network, so an instance that this client does not trust is refused here too.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cache::cached_token::{CachedToken, NewToken};
use crate::cache::policy::LifetimeSettings;
use crate::cache::state::CacheSnapshot;
use crate::error::{Error, Portable};
use crate::grant::context::ResponseContext;
use crate::grant::response::decode;
use crate::http_message::Response;
use crate::moment::{Moment, millis};
use crate::secret::CredentialsFingerprint;
use crate::token_data::TokenData;

/// When the login was, and how old the token was when the entry was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginRecord {
    /// The start of the request, in milliseconds since 1970 by the clock of the client that sent it.
    pub started: i64,
    /// The end that introspection stated, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspected: Option<i64>,
    /// The token's age when it was put, in milliseconds.
    pub age: u64,
    /// The entry's time to live, in milliseconds.
    pub lives: u64,
}

/// A token response, as the token endpoint would send it.
#[derive(Serialize)]
struct SavedResponse<'a> {
    access_token: &'a str,
    token_format: &'a str,
    token_type: &'a str,
    instance_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_instance_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(flatten)]
    extra: &'a Map<String, Value>,
}

/// The entry for this token.
pub fn write_token(login: &LoginRecord, token: &TokenData) -> Zeroizing<Vec<u8>> {
    let issued = token
        .issued_at()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let response = SavedResponse {
        access_token: token.access_token(),
        token_format: token.token_format().as_str(),
        token_type: "Bearer",
        instance_url: token.instance_url(),
        api_instance_url: token.api_instance_url(),
        id: token.identity_url(),
        scope: token.scope(),
        issued_at: issued.map(|time| time.as_millis().to_string()),
        expires_in: token.expires_in(),
        extra: token.extra(),
    };
    // Large enough that it does not grow, which would leave a part of the token behind.
    let capacity = 4_096 + token.access_token().len();
    let mut text = Zeroizing::new(Vec::with_capacity(capacity));
    write_lines(&mut text, login, &response);
    text
}

fn write_lines(text: &mut Vec<u8>, first: &impl Serialize, second: &impl Serialize) {
    // Neither a write to memory nor these types fail; a text that is not whole is not read.
    let _ = serde_json::to_writer(&mut *text, first);
    let _ = text.write_all(b"\n");
    let _ = serde_json::to_writer(&mut *text, second);
}

/// The login and the response of an entry.
fn read_lines(text: &[u8]) -> Option<(LoginRecord, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (first, second) = text.split_at(end);
    Some((serde_json::from_slice(first).ok()?, &second[1..]))
}

/// What a client needs to read an entry.
pub struct EntryReader<'a> {
    pub state: &'a CacheSnapshot,
    pub now: Moment,
    pub lifetimes: &'a LifetimeSettings,
    pub context: ResponseContext<'a>,
    /// Drawn for the token, in 0..=1.
    pub random: f64,
}

/// Logins that started within this time of each other are taken for the same one.
const SAME_LOGIN: i64 = 1_000;

/// How far another machine's clock may be ahead of this one's, in milliseconds. It is no more than the safety margin of
/// a stated end, so that no token is used past its end.
const MAX_CLOCK_SKEW: i64 = 60_000;

/// When the logins started that a client knows of, in wall-clock milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KnownLogins {
    /// The login of its current token.
    pub own: Option<i64>,
    /// The last reset: tokens of earlier logins are not used.
    pub fresh_after: Option<i64>,
    /// The latest login whose token was reported as rejected.
    pub rejected: Option<i64>,
}

impl KnownLogins {
    /// Those of a client with these credentials.
    pub fn of(state: &CacheSnapshot, credentials: CredentialsFingerprint) -> Self {
        let own = state.cached.as_ref();
        let own = own.filter(|own| own.credentials == credentials);
        Self {
            own: own.map(|own| own.started.wall),
            fresh_after: state.fresh_after.map(|after| after.wall),
            rejected: state.rejected_start,
        }
    }

    /// Whether the client can use the token of a login that started then: the login is newer than the client's own and
    /// than the last reset, and not older than one whose token was rejected. A start in the future means that a clock
    /// was ahead, so the age of the token is unknown.
    pub fn is_served_by(&self, started: i64, now: Moment) -> bool {
        let latest = now.wall.saturating_add(MAX_CLOCK_SKEW);
        // Times at which this client's own clock was ahead cannot be compared.
        let past = |at: Option<i64>| at.filter(|at| *at <= latest);
        let (own, rejected) = (past(self.own), past(self.rejected));
        let is_new = own.is_none_or(|own| started > own.saturating_add(SAME_LOGIN));
        let is_wanted = past(self.fresh_after).is_none_or(|after| started > after);
        let is_alive =
            rejected.is_none_or(|rejected| started.saturating_add(SAME_LOGIN) >= rejected);
        started <= latest && is_new && is_wanted && is_alive
    }
}

/// When the login of an entry started, by this machine's clocks. `None`: this client cannot use the entry, see
/// [`KnownLogins::is_served_by`]. The next login replaces it.
///
/// `left` is what is left of the entry's time by the store's clock. The token is as old as the clock says that makes
/// it older, so that a machine whose clock is behind does not use it too long.
pub fn started(
    login: &LoginRecord,
    left: Option<Duration>,
    now: Moment,
    known: &KnownLogins,
) -> Option<Moment> {
    if login.started > now.wall.saturating_add(MAX_CLOCK_SKEW) {
        return None;
    }
    let by_wall = u64::try_from(now.wall.saturating_sub(login.started)).unwrap_or(0);
    let by_store = left.map_or(0, |left| {
        let kept = login.lives.saturating_sub(millis(left));
        login.age.saturating_add(kept)
    });
    let age = by_wall.max(by_store);
    let started = Moment {
        wall: now.wall.saturating_sub_unsigned(age),
        boot: now.boot.saturating_sub(age),
    };
    known.is_served_by(started.wall, now).then_some(started)
}

/// The token of an entry. `None`: it is damaged, has ended, was reported as rejected, or is of no use by [`started`].
pub fn read_token(
    text: &[u8],
    left: Option<Duration>,
    reader: &EntryReader<'_>,
) -> Option<Arc<CachedToken>> {
    let (login, saved) = read_lines(text)?;
    let state = reader.state;
    let credentials = reader.context.credentials.mark();
    let known = KnownLogins::of(state, credentials);
    let started = started(&login, left, reader.now, &known)?;
    let response = Response {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: Zeroizing::new(saved.to_vec()),
        ..Response::default()
    };
    let grant = decode(&response, &reader.context).ok()?;
    let new_token = NewToken {
        grant,
        credentials,
        started,
        introspected: login.introspected,
        random: reader.random,
    };
    let cached = CachedToken::new(new_token, state.learned, reader.now, reader.lifetimes).ok()?;
    (!state.is_rejected(cached.parts.fingerprint())).then_some(cached)
}

/// How long the entry of a failed login is kept, for those who waited for the login.
const MIN_FAILURE_LIFETIME: Duration = Duration::from_secs(5);
const MAX_FAILURE_LIFETIME: Duration = Duration::from_secs(60);

/// How long the entry of this failure is kept.
pub fn failure_lifetime(error: &Error) -> Duration {
    let wait = error.retry_after().unwrap_or_default();
    wait.clamp(MIN_FAILURE_LIFETIME, MAX_FAILURE_LIFETIME)
}

/// Why a login failed, for those who waited for it.
#[derive(Serialize, Deserialize)]
struct FailureRecord {
    /// The fence of the lease under which it failed.
    fence: u64,
    /// When, in milliseconds since 1970 by the clock of the client that logged in.
    at: i64,
    error: Portable,
}

/// The entry for a login that failed at `now`, in wall-clock milliseconds.
pub fn write_failure(fence: u64, now: i64, error: &Error) -> Vec<u8> {
    let failed = FailureRecord {
        fence,
        at: now,
        error: error.portable(),
    };
    serde_json::to_vec(&failed).unwrap_or_default()
}

/// The failure of the login under the lease with this fence, unless it is old: anyone who can write to the store can
/// put back an old failure, and a lease with its fence.
pub fn read_failure(text: &[u8], fence: u64, now: i64) -> Option<Error> {
    let failed: FailureRecord = serde_json::from_slice(text).ok()?;
    let error = (failed.fence == fence).then(|| failed.error.into_error())??;
    let age = now.saturating_sub(failed.at);
    let lifetime = millis(failure_lifetime(&error)).cast_signed();
    (-MAX_CLOCK_SKEW..=lifetime.saturating_add(MAX_CLOCK_SKEW))
        .contains(&age)
        .then_some(error)
}

/// While the store's counter is at the limit, logins are allowed only in a slot of this length at the start of each
/// period, in milliseconds.
const LOGIN_SLOT: u64 = 10_000;
const SLOT_PERIOD: u64 = 300_000;

/// How long a login has to wait because of the store's counter of logins. `None`: it need not wait.
///
/// The counter is not sealed: anyone who can write to the store can change it. So it slows logins down, to keep a
/// fleet below Salesforce's limit, and never stops them: all clients that share the store log in in the same slots,
/// one after the other, and share the token of the first.
pub fn budget_wait(used: u64, stop: u32, now: i64) -> Option<Duration> {
    let past = u64::try_from(now).unwrap_or(0) % SLOT_PERIOD;
    (used >= u64::from(stop) && past >= LOGIN_SLOT)
        .then(|| Duration::from_millis(SLOT_PERIOD - past))
}

/// How long a client waits for the login of another: for the time of a lease after it first saw the lease, and again
/// each time that the holder extended it. So no client waits forever for a lease that somebody wrote into the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LeaseWait {
    /// The time of a lease, in milliseconds.
    lease: u64,
    seen: Option<SeenLease>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct SeenLease {
    fence: u64,
    /// When it ends, as the store said when the wait for it began.
    ends: u64,
    /// Until when to wait for it.
    until: u64,
}

impl LeaseWait {
    pub fn new(lease: Duration) -> Self {
        Self {
            lease: millis(lease),
            seen: None,
        }
    }

    /// How long to wait before the next look at the store. `None`: do not wait any longer. `now` is in milliseconds
    /// since the wait began; `left` is what the store says is left of the lease with this fence.
    pub fn wait(&mut self, now: u64, fence: u64, left: Duration) -> Option<Duration> {
        let ends = now.saturating_add(millis(left));
        let same = self.seen.as_ref().filter(|seen| seen.fence == fence);
        let until = match same {
            Some(seen) if now < seen.until => seen.until,
            // A holder that is alive has extended it more than once by now. Clocks and networks are late by less
            // than half of its time.
            Some(seen) if ends <= seen.ends.saturating_add(self.lease / 2) => return None,
            _ => {
                let until = now.saturating_add(self.lease);
                self.seen = Some(SeenLease { fence, ends, until });
                until
            }
        };
        Some(Duration::from_millis(until - now).min(left))
    }
}

#[cfg(test)]
mod tests;
