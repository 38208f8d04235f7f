//! What an entry says, and what a client makes of it. Pure.
//!
//! An entry is a line of JSON about the login, and then the answer of the token endpoint in the form
//! that Salesforce gives it. It is read by the same code as an answer from the wire, so that an
//! instance that this client does not trust is refused here too.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::cache::cached_token::{CachedToken, NewToken};
use crate::cache::policy::LifetimeSettings;
use crate::cache::state::State;
use crate::error::{Error, Portable};
use crate::grant::context::ResponseContext;
use crate::grant::response::decode;
use crate::http_message::Response;
use crate::moment::{Moment, millis};
use crate::secret::CredentialsFingerprint;
use crate::token_data::TokenData;

/// When the login was, and how old the token was when the entry was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The start of the request, in milliseconds since 1970 by the clock of who made it.
    pub started: i64,
    /// The end that introspection told, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspected: Option<i64>,
    /// The token's age when it was put, in milliseconds.
    pub age: u64,
    /// The entry's time to live, in milliseconds.
    pub lives: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
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

/// The text of an entry for this token.
pub fn write_token(origin: &Origin, token: &TokenData) -> Zeroizing<Vec<u8>> {
    let issued = token
        .issued_at()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let answer = Answer {
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
    let room = 4_096 + token.access_token().len();
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    write_lines(&mut text, origin, &answer);
    text
}

fn write_lines(text: &mut Vec<u8>, first: &impl Serialize, second: &impl Serialize) {
    // Neither a write to memory nor these types fail; a text that is not whole is not read.
    let _ = serde_json::to_writer(&mut *text, first);
    let _ = text.write_all(b"\n");
    let _ = serde_json::to_writer(&mut *text, second);
}

/// The login and the answer of an entry.
fn read_lines(text: &[u8]) -> Option<(Origin, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let (first, second) = text.split_at(end);
    Some((serde_json::from_slice(first).ok()?, &second[1..]))
}

/// What a client looks at an entry with.
pub struct Reader<'a> {
    pub state: &'a State,
    pub now: Moment,
    pub lifetimes: &'a LifetimeSettings,
    pub context: ResponseContext<'a>,
    /// Drawn for the lease, in 0..=1.
    pub random: f64,
}

/// A login that is older than this client's own by no more than this is the same one.
const SAME_LOGIN: i64 = 1_000;

/// How far ahead of this machine's clock another's may be, in milliseconds. It is no more than the safety
/// margin of a stated end, so that an end is not overstepped by it.
const SLACK: i64 = 60_000;

/// What a client knows of logins, in wall-clock milliseconds: when they started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// The login of the token that it has.
    pub own: Option<i64>,
    /// The last reset: what started before does not serve.
    pub fresh_after: Option<i64>,
    /// The latest login whose token was reported as rejected.
    pub rejected: Option<i64>,
}

impl Known {
    /// What the state tells a client with these credentials.
    pub fn of(state: &State, credentials: CredentialsFingerprint) -> Self {
        let own = state.cached.as_ref();
        let own = own.filter(|own| own.credentials == credentials);
        Self {
            own: own.map(|own| own.started.wall),
            fresh_after: state.fresh_after.map(|after| after.wall),
            rejected: state.rejected_start,
        }
    }

    /// Whether a login that started then is newer than what the client has and wants, and not older than one
    /// whose token was rejected. A login of the future was made while a clock was ahead, so nobody knows
    /// how old its token is.
    pub fn is_served_by(&self, started: i64, now: Moment) -> bool {
        let latest = now.wall.saturating_add(SLACK);
        // What this client did while its own clock was ahead tells nothing about others.
        let past = |at: Option<i64>| at.filter(|at| *at <= latest);
        let (own, rejected) = (past(self.own), past(self.rejected));
        let is_new = own.is_none_or(|own| started > own.saturating_add(SAME_LOGIN));
        let is_wanted = past(self.fresh_after).is_none_or(|after| started > after);
        let is_alive =
            rejected.is_none_or(|rejected| started.saturating_add(SAME_LOGIN) >= rejected);
        started <= latest && is_new && is_wanted && is_alive
    }
}

/// When the login of an entry started, by this machine's clocks. `None`: the entry is of no use to this
/// client. It is not newer than what the client has or wants, or older than a token that was reported as
/// rejected; or it comes from the future: it was written while a clock was ahead, here or elsewhere, so
/// nobody can say how old its token is. The next login replaces it.
///
/// `left` is what is left of the entry's time by the store's clock. The token is as old as either
/// clock says, so that a machine whose clock is behind does not serve it too long.
pub fn started(
    origin: &Origin,
    left: Option<Duration>,
    now: Moment,
    known: &Known,
) -> Option<Moment> {
    if origin.started > now.wall.saturating_add(SLACK) {
        return None;
    }
    let by_wall = u64::try_from(now.wall.saturating_sub(origin.started)).unwrap_or(0);
    let by_store = left.map_or(0, |left| {
        let kept = origin.lives.saturating_sub(millis(left));
        origin.age.saturating_add(kept)
    });
    let age = by_wall.max(by_store);
    let started = Moment {
        wall: now.wall.saturating_sub_unsigned(age),
        boot: now.boot.saturating_sub(age),
    };
    known.is_served_by(started.wall, now).then_some(started)
}

/// The lease that an entry gives this client. `None`: it is not whole, has ended, was reported as
/// rejected, or is of no use by [`started`].
pub fn read_token(
    text: &[u8],
    left: Option<Duration>,
    reader: &Reader<'_>,
) -> Option<Arc<CachedToken>> {
    let (origin, answer) = read_lines(text)?;
    let state = reader.state;
    let credentials = reader.context.credentials.mark();
    let known = Known::of(state, credentials);
    let started = started(&origin, left, reader.now, &known)?;
    let response = Response {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: Zeroizing::new(answer.to_vec()),
        ..Response::default()
    };
    let grant = decode(&response, &reader.context).ok()?;
    let new_token = NewToken {
        grant,
        credentials,
        started,
        introspected: origin.introspected,
        random: reader.random,
    };
    let lease = CachedToken::new(new_token, state.learned, reader.now, reader.lifetimes).ok()?;
    (!state.is_rejected(lease.parts.fingerprint())).then_some(lease)
}

/// How long a failure is told to those who waited for the login, at least and at most.
const TOLD: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// How long this failure is told.
pub fn told(error: &Error) -> Duration {
    error.retry_after().unwrap_or(TOLD.0).clamp(TOLD.0, TOLD.1)
}

/// Why a login failed, for those who waited for it.
#[derive(Serialize, Deserialize)]
struct Failed {
    /// The fence of the lease under which it failed.
    fence: u64,
    /// When, in milliseconds since 1970 by the clock of who logged in.
    at: i64,
    error: Portable,
}

/// The text of an entry for a login that failed at `now`, in wall-clock milliseconds.
pub fn write_failure(fence: u64, now: i64, error: &Error) -> Vec<u8> {
    let failed = Failed {
        fence,
        at: now,
        error: error.portable(),
    };
    serde_json::to_vec(&failed).unwrap_or_default()
}

/// The failure of the login under the lease with this fence, if it is one of now: anyone who can write
/// to the store can put back an old one, and a lease with its fence.
pub fn read_failure(text: &[u8], fence: u64, now: i64) -> Option<Error> {
    let failed: Failed = serde_json::from_slice(text).ok()?;
    let error = (failed.fence == fence).then(|| failed.error.into_error())??;
    let age = now.saturating_sub(failed.at);
    let told = millis(told(&error)).cast_signed();
    (-SLACK..=told.saturating_add(SLACK))
        .contains(&age)
        .then_some(error)
}

/// While the store's counter says that the budget is spent, logins go through in a slot of this length,
/// once in each period, in milliseconds.
const SLOT: u64 = 10_000;
const PERIOD: u64 = 300_000;

/// How long a client that is about to log in has to wait because of the store's counter of logins. `None`:
/// it need not.
///
/// The counter is not sealed, so it is anyone's word who can write to the store. It slows logins down, so
/// that a fleet keeps clear of Salesforce's limit, and never stops them: all who share the store log in in the
/// same slots, one after the other, and share what the first of them gets.
pub fn counted_out(used: u64, stop: u32, now: i64) -> Option<Duration> {
    let past = u64::try_from(now).unwrap_or(0) % PERIOD;
    (used >= u64::from(stop) && past >= SLOT).then(|| Duration::from_millis(PERIOD - past))
}

/// How long one waits for the login of another: for the time of a lease after the lease was first seen,
/// and again after each time that its holder extended it. So nobody waits for a lease that somebody wrote
/// into the store for good.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patience {
    /// The time of a lease, in milliseconds.
    lease: u64,
    seen: Option<Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    fence: u64,
    /// When it ends, as it was said when the wait for it began.
    ends: u64,
    /// Until when it is waited for.
    until: u64,
}

impl Patience {
    pub fn new(lease: Duration) -> Self {
        Self {
            lease: millis(lease),
            seen: None,
        }
    }

    /// How long to wait before the next look. `None`: no longer. `now` is in milliseconds since the wait
    /// began; `left` is what the store says is left of the lease with this fence.
    pub fn wait(&mut self, now: u64, fence: u64, left: Duration) -> Option<Duration> {
        let ends = now.saturating_add(millis(left));
        let same = self.seen.as_ref().filter(|seen| seen.fence == fence);
        let until = match same {
            Some(seen) if now < seen.until => seen.until,
            // A holder that lives has extended it more than once by now. Half of it is more than clocks
            // and networks are late by.
            Some(seen) if ends <= seen.ends.saturating_add(self.lease / 2) => return None,
            _ => {
                let until = now.saturating_add(self.lease);
                self.seen = Some(Seen { fence, ends, until });
                until
            }
        };
        Some(Duration::from_millis(until - now).min(left))
    }
}

#[cfg(test)]
mod tests;
