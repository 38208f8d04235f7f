//! One API call as a state machine: the attempts, the renewal of a refused token, and what a response
//! leads to. It sends nothing and waits for nothing; adapters in all languages drive it.

use std::time::{Duration, SystemTime};

use url::Url;

use crate::cache::after_login::same_token_returned;
use crate::cache::reports::Report;
use crate::calls::client::{CallClient, ReportOutcome};
use crate::calls::resolve_url::ResolvedUrl;
use crate::calls::retry::{CallRetry, UnservedRequest};
use crate::error::{Error, ErrorCode};
use crate::response_class::{ApiResponse, ResponseClass};
use crate::secret::fingerprint;
use crate::token::Token;

/// So many bytes of a body decide what a response means.
pub const CLASSIFIED_BYTES: usize = 2048;

/// A response to a request that carried a token of this client, as plain values.
#[derive(Clone, Copy, Debug, Default)]
pub struct CallResponse<'a> {
    /// The token that the request carried.
    pub access_token: &'a str,
    /// The URL of the request, as [`ApiCall::prepare`] gave it.
    pub url: &'a str,
    /// Whether the request can be sent again: its body is in memory, or it has no body.
    pub replayable: bool,
    /// The response. Its body may be empty where [`body_counts`] says no.
    pub response: ApiResponse<'a>,
}

/// What comes next in a call.
#[derive(Clone, Debug)]
#[must_use]
pub enum Action {
    /// The caller gets the response as it is.
    Deliver,
    /// After this pause, get a token from the client and send the request again with it.
    Resend(Duration),
    /// The call ends in this error.
    Fail(Error),
}

/// One API call, however many requests it takes.
///
/// ```no_run
/// # fn send(url: &str, authorization: Option<&str>) -> (u16, Vec<u8>) { (200, Vec::new()) }
/// use forcegrant::ApiResponse;
/// use forcegrant::calls::{Action, ApiCall, CallResponse};
///
/// # fn example(client: &forcegrant::blocking::Client) -> Result<(u16, Vec<u8>), forcegrant::Error> {
/// let mut call = ApiCall::new("GET");
/// loop {
///     let token = client.token()?;
///     let target = call.prepare(client.as_async(), &token, "/services/data/v67.0/limits")?;
///     let (status, body) = send(&target.url, target.carries_token.then(|| token.authorization()));
///     if !target.carries_token {
///         return Ok((status, body));
///     }
///     let response = CallResponse {
///         access_token: token.access_token(),
///         url: &target.url,
///         replayable: true,
///         response: ApiResponse { status, body: &body, ..ApiResponse::default() },
///     };
///     match call.handle_response(client.as_async(), &response) {
///         Action::Deliver => return Ok((status, body)),
///         Action::Resend(pause) => std::thread::sleep(pause),
///         Action::Fail(error) => return Err(error),
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ApiCall {
    method: String,
    repeats_when_busy: bool,
    progress: Progress,
}

/// How far a call has come.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Responses so far, without the one to the request that was sent again with a new token.
    attempts: u32,
    /// Whether the token was renewed for this call, which happens once.
    is_renewed: bool,
    /// The fingerprint of the token that was refused, until another is used.
    refused: Option<String>,
    /// Whether the next response is the one to the request with the new token.
    awaits_replay: bool,
}

impl ApiCall {
    /// A call with this method.
    pub fn new(method: impl Into<String>) -> Self {
        Self {
            method: method.into(),
            repeats_when_busy: true,
            progress: Progress::default(),
        }
    }

    /// The same, for an HTTP client that repeats requests to a busy service itself.
    #[must_use]
    pub fn without_retries(self) -> Self {
        Self {
            repeats_when_busy: false,
            ..self
        }
    }

    /// Takes in the token of the next request.
    ///
    /// # Errors
    /// `same_token_returned` if it is the one that was refused before: to send the request again would
    /// end alike.
    pub fn use_token(&mut self, access_token: &str) -> Result<(), Error> {
        let Some(refused) = self.progress.refused.take() else {
            return Ok(());
        };
        let next = fingerprint(access_token);
        if next == refused {
            return Err(same_token_returned(&next));
        }
        self.progress.awaits_replay = true;
        Ok(())
    }

    /// The URL of the next request, and whether it carries the token.
    ///
    /// # Errors
    /// As [`ApiCall::use_token`] and [`CallClient::resolve_url`].
    pub fn prepare(
        &mut self,
        client: &impl CallClient,
        token: &Token,
        path_or_url: &str,
    ) -> Result<ResolvedUrl, Error> {
        self.use_token(token.access_token())?;
        client.resolve_url(token, path_or_url)
    }

    /// Takes in the response to a request that carried its token, from the host that it was sent to:
    /// notes the API usage, reports the token if it was refused, and says what comes next.
    pub fn handle_response(&mut self, client: &impl CallClient, call: &CallResponse<'_>) -> Action {
        let response = &call.response;
        if let Some(usage) = response.api_usage() {
            client.note_usage(usage);
        }
        let is_replay = std::mem::take(&mut self.progress.awaits_replay);
        self.progress.attempts += u32::from(!is_replay);
        if response.status < 400 {
            self.note_served(client, call.url);
            return Action::Deliver;
        }
        let class = response.class();
        if !matches!(
            class,
            ResponseClass::SessionExpired | ResponseClass::Unauthorized
        ) {
            let retry = self.repeats_when_busy.then(|| client.call_retry());
            let pause = retry
                .and_then(|retry| self.pause(call, class, retry, client.now(), client.random()));
            return pause.map_or(Action::Deliver, Action::Resend);
        }
        let Ok(url) = Url::parse(call.url) else {
            return Action::Deliver;
        };
        let is_instance = client.is_instance(&url);
        if !(is_instance || response.is_salesforces_refusal()) {
            // The host refused for a reason of its own, which says nothing about the token.
            return Action::Deliver;
        }
        let refused = RefusalResponse {
            status: response.status,
            class,
            replayable: call.replayable,
            fingerprint: fingerprint(call.access_token),
        };
        let outcome = client.report(&Report {
            fingerprint: &refused.fingerprint,
            host: Some(&url.origin().ascii_serialization()),
            is_proof: is_instance && class == ResponseClass::SessionExpired,
            is_renewed: self.progress.is_renewed,
        });
        self.progress
            .after_report(refused, outcome, is_jwt(call.access_token))
    }

    /// A request to this URL with its token was served: for adapters that do not pass on successful responses.
    /// Returns the same as [`CallClient::note_accepted`].
    #[doc(hidden)]
    pub fn note_served(&self, client: &impl CallClient, url: &str) -> bool {
        client.note_accepted(url, self.progress.is_renewed)
    }

    /// The pause before the request is sent again because Salesforce could not serve it.
    fn pause(
        &self,
        call: &CallResponse<'_>,
        class: ResponseClass,
        retry: &CallRetry,
        now: SystemTime,
        random: f64,
    ) -> Option<Duration> {
        let failed = UnservedRequest {
            method: &self.method,
            class,
            replayable: call.replayable,
            attempts: self.progress.attempts,
            retry_after: call.response.retry_after(now),
        };
        retry.pause(&failed, random)
    }
}

/// A response that refused the token.
#[derive(Clone, Debug)]
struct RefusalResponse {
    status: u16,
    class: ResponseClass,
    replayable: bool,
    /// Of the token.
    fingerprint: String,
}

impl Progress {
    /// What follows from a refused token, once it is reported. Pure.
    ///
    /// A call renews the token once. A 403 is never repeated. A response that does not prove that the session is dead
    /// is delivered if a new token does not help or cannot be tried.
    fn after_report(
        &mut self,
        refused: RefusalResponse,
        outcome: ReportOutcome,
        is_jwt: bool,
    ) -> Action {
        let is_dead = refused.class == ResponseClass::SessionExpired;
        let status = Some(refused.status);
        if !self.is_renewed && refused.status == 403 {
            return Action::Deliver;
        }
        let error = match outcome {
            _ if self.is_renewed => fresh_token_refused(status, is_jwt, None),
            ReportOutcome::Held(left) => fresh_token_refused(status, is_jwt, Some(left)),
            ReportOutcome::Dropped | ReportOutcome::Outdated if refused.replayable => {
                self.is_renewed = true;
                self.refused = Some(refused.fingerprint);
                return Action::Resend(Duration::ZERO);
            }
            ReportOutcome::Dropped | ReportOutcome::Outdated => request_not_replayable(status),
        };
        if is_dead {
            Action::Fail(error)
        } else {
            Action::Deliver
        }
    }
}

/// By its form alone: the current token may be another by now.
fn is_jwt(access_token: &str) -> bool {
    access_token.starts_with("eyJ") && access_token.split('.').count() == 3
}

/// Whether the body decides what a response with this status means; then read its first [`CLASSIFIED_BYTES`].
#[must_use]
pub fn body_counts(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 500)
}

/// Checks the token that a request is sent again with against the one that was refused: for calls that
/// are not made over HTTP.
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

/// The request cannot be sent again: its body was a stream. `None`: not over HTTP.
pub fn request_not_replayable(status: Option<u16>) -> Error {
    with_status(
        Error::new(
            ErrorCode::RequestNotReplayable,
            "the session has expired, and the request cannot be repeated: its body is a stream",
        )
        .with_help("The token was dropped. Send the request again with a new body, or give the body as text or bytes,\nwhich can be sent twice."),
        status,
    )
}

/// The API refused a new token. `left`: none is requested for so long.
fn fresh_token_refused(status: Option<u16>, is_jwt: bool, left: Option<Duration>) -> Error {
    let what = match left {
        None => "the session was renewed, and the API refused the new token too",
        Some(_) => "the API refused a token that was just issued, as it refused the one before",
    };
    let (why, help) = if is_jwt {
        (
            ": it seems that this API does not accept JWT-based tokens",
            "Bulk API 1 and the SOAP APIs do not. Have the app issue opaque tokens (Settings > OAuth Settings, switch off\n\"Issue JSON Web Token (JWT)-based access tokens for named users\"), or use an API that accepts them, such as Bulk API 2.",
        )
    } else {
        (
            "",
            "The reason is not the token. Look for it in the response of this API: the app's scopes, the\nuser's permissions, \"Lock sessions to the IP address\", or a host that is not of this org.",
        )
    };
    let error = Error::new(ErrorCode::FreshTokenRefused, format!("{what}{why}"));
    let error = with_status(error, status);
    match left {
        None => error.with_help(help),
        Some(left) => {
            let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
            error
                .with_help(format!("{help}\nThe token serves other calls; because of this API none is requested for {seconds} s."))
                .with_retry_after(Some(left))
        }
    }
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

    fn progress(is_renewed: bool) -> Progress {
        Progress {
            is_renewed,
            ..Progress::default()
        }
    }

    fn shown(action: &Action) -> String {
        match action {
            Action::Deliver => "deliver".to_owned(),
            Action::Resend(_) => "resend".to_owned(),
            Action::Fail(error) => error.code().to_string(),
        }
    }

    #[test]
    fn every_refusal_of_a_token() {
        let dead = ResponseClass::SessionExpired;
        let unknown = ResponseClass::Unauthorized;
        let held = ReportOutcome::Held(Duration::from_secs(7));
        let (dropped, outdated) = (ReportOutcome::Dropped, ReportOutcome::Outdated);
        for (class, status, replayable, is_renewed, outcome, expected) in [
            (dead, 401, true, false, dropped, "resend"),
            (dead, 401, true, false, outdated, "resend"),
            (dead, 401, true, false, held, "fresh_token_refused"),
            (dead, 401, false, false, dropped, "request_not_replayable"),
            (dead, 401, false, false, outdated, "request_not_replayable"),
            (dead, 500, true, false, dropped, "resend"),
            (dead, 400, true, false, dropped, "resend"),
            (dead, 401, true, true, held, "fresh_token_refused"),
            (dead, 401, false, true, outdated, "fresh_token_refused"),
            (dead, 403, true, false, dropped, "deliver"),
            (dead, 403, true, false, held, "deliver"),
            (dead, 403, true, true, held, "fresh_token_refused"),
            (unknown, 401, true, false, dropped, "resend"),
            (unknown, 401, false, false, dropped, "deliver"),
            (unknown, 401, true, false, held, "deliver"),
            (unknown, 401, true, true, held, "deliver"),
        ] {
            let refused = RefusalResponse {
                status,
                class,
                replayable,
                fingerprint: "f".to_owned(),
            };
            let case = format!("{refused:?} {is_renewed} {outcome:?}");
            let mut progress = progress(is_renewed);
            let action = progress.after_report(refused, outcome, false);
            assert_eq!(shown(&action), expected, "{case}");
            assert_eq!(progress.refused.is_some(), expected == "resend", "{case}");
        }
    }

    #[test]
    fn the_text_names_the_form_of_the_token_and_the_time_left() {
        let left = Some(Duration::from_millis(6_500));
        let error = fresh_token_refused(Some(401), true, left);
        assert!(error.message().contains("does not accept JWT-based tokens"));
        assert!(error.help().unwrap().contains("for 7 s"));
        assert_eq!(error.retry_after(), left);
        let error = fresh_token_refused(Some(401), false, None);
        assert!(!format!("{error} {:?}", error.help()).contains("JWT"));
        assert_eq!(error.retry_after(), None);
    }

    #[test]
    fn the_same_token_again_is_an_error_once() {
        let mut call = ApiCall::new("GET");
        assert!(call.use_token("one").is_ok());
        call.progress.refused = Some(fingerprint("one"));
        let error = call.clone().use_token("one").unwrap_err();
        assert_eq!(error.code(), "same_token_returned");
        assert!(call.use_token("other").is_ok());
        assert!(call.progress.awaits_replay);
        assert!(renewed("one", "other").is_ok());
        assert!(renewed("one", "one").is_err());
    }

    #[test]
    fn bodies_count_where_a_dead_session_can_hide() {
        for status in [200, 204, 302, 404, 429, 503] {
            assert!(!body_counts(status), "{status}");
        }
    }
}
