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

use crate::cache::lease::{self, Lease, Minted};
use crate::cache::policy::LifetimeSettings;
use crate::cache::state::State;
use crate::clock::{Moment, millis};
use crate::error::{Error, Portable};
use crate::grant::response::{Context, decode};
use crate::http::Response;
use crate::token::Parts;

/// When the login was, and how old the token was when the entry was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The start of the request, in milliseconds since 1970 by the clock of who made it.
    pub(crate) started: i64,
    /// The end that introspection told, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) introspected: Option<i64>,
    /// The token's age when it was put, in milliseconds.
    pub(crate) age: u64,
    /// The entry's time to live, in milliseconds.
    pub(crate) lives: u64,
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
pub(crate) fn write_token(origin: &Origin, token: &Parts) -> Zeroizing<Vec<u8>> {
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
pub(crate) struct Reader<'a> {
    pub(crate) state: &'a State,
    pub(crate) now: Moment,
    pub(crate) lifetimes: &'a LifetimeSettings,
    pub(crate) context: Context<'a>,
    /// Drawn for the lease, in 0..=1.
    pub(crate) random: f64,
}

/// A login that is older than this client's own by no more than this is the same one.
const SAME_LOGIN: i64 = 1_000;

/// The lease that an entry gives this client. `None`: it is not whole, has ended, was reported as
/// rejected or is older than one that was, or is not newer than what the client has or wants.
///
/// `left` is what is left of the entry's time by the store's clock. The token is as old as either
/// clock says, so that a machine whose clock is behind does not serve it too long.
pub(crate) fn read_token(
    text: &[u8],
    left: Option<Duration>,
    reader: &Reader<'_>,
) -> Option<Arc<Lease>> {
    let (origin, answer) = read_lines(text)?;
    let by_wall = u64::try_from(reader.now.wall.saturating_sub(origin.started)).unwrap_or(0);
    let by_store = left.map_or(0, |left| {
        origin
            .age
            .saturating_add(origin.lives.saturating_sub(millis(left)))
    });
    let age = by_wall.max(by_store);
    let started = Moment {
        wall: reader.now.wall.saturating_sub_unsigned(age),
        boot: reader.now.boot.saturating_sub(age),
    };
    let state = reader.state;
    let pair = reader.context.pair.mark();
    let own = state.lease.as_ref().filter(|own| own.pair == pair);
    let own = own.map(|own| own.started.wall);
    let is_new = own.is_none_or(|own| started.wall > own.saturating_add(SAME_LOGIN));
    let is_wanted = state
        .fresh_after
        .is_none_or(|after| started.wall > after.wall);
    let is_alive = state
        .rejected_start
        .is_none_or(|rejected| started.wall.saturating_add(SAME_LOGIN) >= rejected);
    if !is_new || !is_wanted || !is_alive {
        return None;
    }
    let response = Response {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: Zeroizing::new(answer.to_vec()),
        ..Response::default()
    };
    let grant = decode(&response, &reader.context).ok()?;
    let minted = Minted {
        grant,
        pair,
        started,
        introspected: origin.introspected,
        random: reader.random,
    };
    let lease = lease::lease(minted, state.learned, reader.now, reader.lifetimes).ok()?;
    (!state.is_rejected(lease.parts.fingerprint())).then_some(lease)
}

/// Why a login failed, for those who waited for it.
#[derive(Serialize, Deserialize)]
struct Failed {
    /// The fence of the lease under which it failed.
    fence: u64,
    error: Portable,
}

/// The text of an entry for a login that failed.
pub(crate) fn write_failure(fence: u64, error: &Error) -> Vec<u8> {
    let failed = Failed {
        fence,
        error: error.portable(),
    };
    serde_json::to_vec(&failed).unwrap_or_default()
}

/// The failure of the login under the lease with this fence.
pub(crate) fn read_failure(text: &[u8], fence: u64) -> Option<Error> {
    let failed: Failed = serde_json::from_slice(text).ok()?;
    (failed.fence == fence).then(|| failed.error.into_error())?
}
