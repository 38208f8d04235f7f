//! What is done about an answer to a call that carried a token.

use std::time::{Duration, SystemTime};

use crate::cache::state::same_token_returned;
use crate::error::{Code, Error};
use crate::secret::fingerprint;
use crate::verdict::{ApiAnswer, Verdict};

use super::retry::{Attempt, CallRetry};

/// What of a body is looked at.
pub const ENOUGH: usize = 2048;

/// An answer to a call that carried a token of this client, as plain values.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallAnswer<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Whether the request can be sent again: its body is at hand, or it has none.
    pub replayable: bool,
    /// Whether this is the answer to the request that was sent again with a renewed token.
    pub replayed: bool,
    /// How many requests were sent so far in this call, this one included and the replay left out:
    /// 1 at first, one more after each [`Next::Retry`].
    pub attempts: u32,
    /// The answer. Its body may be empty where [`body_counts`] says no.
    pub answer: ApiAnswer<'a>,
}

/// What comes next in a call.
#[derive(Clone, Debug)]
#[must_use]
pub enum Next {
    /// The answer is handed out as it is.
    Deliver,
    /// The session was dead and the token has been dropped: ask for a token and send the request
    /// again with it.
    Replay,
    /// Salesforce could not serve just now: wait that long and send the request again.
    Retry(Duration),
    /// The call ends in this error.
    Fail(Error),
}

/// Whether the body decides what an answer of this status means; then the first [`ENOUGH`] bytes of
/// it are to be read.
#[must_use]
pub fn body_counts(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 500)
}

/// Checks the token that a request is sent again with against the one that was refused.
///
/// # Errors
/// `same_token_returned` when they are the same: to send it again would end as before.
pub fn renewed(before: &str, now: &str) -> Result<(), Error> {
    if before == now {
        Err(same_token_returned(&fingerprint(now)))
    } else {
        Ok(())
    }
}

/// What follows from an answer. Pure.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    /// Whether the token is to be reported as dead.
    pub(crate) drops_token: bool,
    pub(crate) next: Next,
}

/// A session that is dead is renewed once. A 403 is never repeated: the token is dropped, and the
/// caller sees the answer. A token that is refused right after it was renewed stays: the next call
/// finds out what is the matter with it, so that a call makes one login at most.
pub(crate) fn decide(
    call: &CallAnswer<'_>,
    retry: &CallRetry,
    now: SystemTime,
    random: f64,
) -> Decision {
    let status = call.answer.status;
    let verdict = call.answer.verdict();
    if verdict != Verdict::SessionExpired {
        let attempt = Attempt {
            method: call.method,
            verdict,
            replayable: call.replayable,
            made: call.attempts,
            retry_after: call.answer.retry_after(now),
        };
        let pause = retry.pause(&attempt, random);
        return Decision {
            drops_token: false,
            next: pause.map_or(Next::Deliver, Next::Retry),
        };
    }
    let (drops_token, next) = if call.replayed {
        (false, Next::Fail(fresh_token_refused(Some(status))))
    } else if status == 403 {
        (true, Next::Deliver)
    } else if call.replayable {
        (true, Next::Replay)
    } else {
        (true, Next::Fail(request_not_replayable(Some(status))))
    };
    Decision { drops_token, next }
}

/// The request can not be sent again: its body was a stream. `None`: not over HTTP.
pub(crate) fn request_not_replayable(status: Option<u16>) -> Error {
    with_status(
        Error::new(
            Code::RequestNotReplayable,
            "the session has expired, and the request cannot be repeated: its body is a stream",
        )
        .with_help("The token was dropped. Send the request again with a new body, or give the body as text or bytes,\nwhich can be sent twice."),
        status,
    )
}

pub(crate) fn fresh_token_refused(status: Option<u16>) -> Error {
    with_status(
        Error::new(
            Code::FreshTokenRefused,
            "the session was renewed, and the API refused the new token too",
        )
        .with_help("So the token is not what is wrong. Look at the answer of this API for another reason: the app's scopes, the\nuser's permissions, \"Lock sessions to the IP address\", or a host that is not of this org."),
        status,
    )
}

fn with_status(error: Error, status: Option<u16>) -> Error {
    match status {
        Some(status) => error.with_http_status(status),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAD: &[u8] = br#"[{"errorCode":"INVALID_SESSION_ID"}]"#;

    fn call(status: u16, body: &'static [u8]) -> CallAnswer<'static> {
        CallAnswer {
            method: "POST",
            replayable: true,
            replayed: false,
            attempts: 1,
            answer: ApiAnswer {
                status,
                body,
                ..ApiAnswer::default()
            },
        }
    }

    fn decided(call: &CallAnswer<'_>) -> (bool, String) {
        let decision = decide(call, &CallRetry::default(), SystemTime::UNIX_EPOCH, 0.5);
        let next = match decision.next {
            Next::Deliver => "deliver".to_owned(),
            Next::Replay => "replay".to_owned(),
            Next::Retry(_) => "retry".to_owned(),
            Next::Fail(error) => error.code().to_owned(),
        };
        (decision.drops_token, next)
    }

    #[test]
    fn every_case() {
        let once = |call: CallAnswer<'static>| CallAnswer {
            replayable: false,
            ..call
        };
        let again = |call: CallAnswer<'static>| CallAnswer {
            replayed: true,
            ..call
        };
        let dead = call(401, DEAD);
        let identity = call(403, b"Bad_OAuth_Token");
        for (call, drops, next) in [
            (call(200, b""), false, "deliver"),
            (call(404, b""), false, "deliver"),
            (call(503, b""), false, "deliver"),
            (dead, true, "replay"),
            (call(500, b"sf:INVALID_SESSION_ID"), true, "replay"),
            (call(400, b"InvalidSessionId"), true, "replay"),
            (once(dead), true, "request_not_replayable"),
            (again(dead), false, "fresh_token_refused"),
            (again(once(dead)), false, "fresh_token_refused"),
            (identity, true, "deliver"),
            (again(identity), false, "fresh_token_refused"),
            (
                call(403, br#"[{"errorCode":"API_CURRENTLY_DISABLED"}]"#),
                false,
                "deliver",
            ),
            (
                call(401, b"This session is not valid for use with the REST API"),
                false,
                "deliver",
            ),
        ] {
            assert_eq!(decided(&call), (drops, next.to_owned()), "{call:?}");
        }
    }

    #[test]
    fn a_busy_service_is_asked_again_if_the_user_wants_it() {
        let retry = CallRetry {
            max_attempts: 2,
            ..CallRetry::default()
        };
        let busy = CallAnswer {
            method: "GET",
            ..call(503, b"")
        };
        assert!(matches!(
            decide(&busy, &retry, SystemTime::UNIX_EPOCH, 0.5).next,
            Next::Retry(_)
        ));
        let last = CallAnswer {
            attempts: 2,
            ..busy
        };
        assert!(matches!(
            decide(&last, &retry, SystemTime::UNIX_EPOCH, 0.5).next,
            Next::Deliver
        ));
    }

    #[test]
    fn the_same_token_again_is_an_error() {
        assert!(renewed("one", "other").is_ok());
        assert_eq!(
            renewed("one", "one").unwrap_err().code(),
            "same_token_returned"
        );
    }

    #[test]
    fn bodies_count_where_a_dead_session_can_hide() {
        for status in [200, 204, 302, 404, 429, 503] {
            assert!(!body_counts(status), "{status}");
        }
    }
}
