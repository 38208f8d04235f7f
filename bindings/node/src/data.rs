//! What crosses to JavaScript: plain objects, in the order of the core's types.
//! Times are milliseconds since 1970, durations milliseconds; counts stay below
//! 2^53, so that no number loses a digit.

use std::time::{Duration, SystemTime};

use forcegrant::{Error, Expiry, Status, Token};
use napi_derive::napi;
use serde_json::Value;

/// A token and what belongs to it.
#[napi(object, object_from_js = false)]
pub struct NativeToken {
    /// The secret.
    pub access_token: String,
    /// Where API calls go.
    pub instance_url: String,
    /// Where calls to api.salesforce.com go.
    pub api_instance_url: Option<String>,
    /// The org, 18 characters.
    pub org_id: Option<String>,
    /// The user, 18 characters.
    pub user_id: Option<String>,
    /// The identity URL.
    pub identity_url: Option<String>,
    /// What the app may do.
    pub scopes: Vec<String>,
    /// `opaque` or `jwt`.
    pub token_format: String,
    /// `Bearer`.
    pub token_type: String,
    /// When the answer was signed.
    pub issued_at: Option<f64>,
    /// When it ends.
    pub expiry: NativeExpiry,
    /// A digest that is safe to log.
    pub fingerprint: String,
    /// The value of an `Authorization` header.
    pub authorization: String,
    /// Fields of the answer with no place of their own.
    #[napi(ts_type = "Record<string, unknown>")]
    pub extra: Value,
}

/// When a token ends, and how that is known.
#[napi(object, object_from_js = false)]
pub struct NativeExpiry {
    /// The end.
    pub at: f64,
    /// Where the end comes from.
    pub source: String,
    /// `known` or `estimated`.
    pub certainty: String,
}

/// A token as long as it is the current one. The id is new when anything about
/// the token is, and the token is left out when the caller has it already.
#[napi(object, object_from_js = false)]
pub struct NativeCachedToken {
    /// A number for the token within one client.
    pub id: u32,
    /// From when the token may be handed out without asking again.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// The token, unless the caller named this very lease.
    pub token: Option<NativeToken>,
}

/// An error as data.
#[napi(object, object_from_js = false)]
pub struct NativeError {
    /// The stable code.
    pub code: String,
    /// The kind, which decides the class.
    pub kind: String,
    /// The whole text, with the help.
    pub message: String,
    /// What it means and where to fix it.
    pub help: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// How long to wait before that.
    pub retry_after: Option<f64>,
    /// The step of the set-up that it points to.
    pub setup_step: Option<String>,
    /// The status of the answer.
    pub http_status: Option<u16>,
    /// The `error` of the answer.
    pub oauth_error: Option<String>,
    /// The `error_description` of the answer.
    pub oauth_description: Option<String>,
    /// What lies beneath, from the outside in.
    pub causes: Vec<String>,
}

/// Where a client stands.
#[napi(object, object_from_js = false)]
pub struct NativeStatus {
    /// `empty`, `fresh`, `refresh_due`, `stale` or `backing_off`.
    pub state: String,
    /// Whether a token request is up.
    pub in_flight: bool,
    /// When the token ends.
    pub expiry: Option<NativeExpiry>,
    /// When it will be refreshed.
    pub refresh_at: Option<f64>,
    /// Its digest.
    pub fingerprint: Option<String>,
    /// How many tokens were got.
    pub logins: f64,
    /// How many requests failed.
    pub failures: f64,
    /// The last failure.
    pub last_error: Option<NativeError>,
    /// When it was.
    pub last_failure_at: Option<f64>,
    /// Until when calls fail at once.
    pub backing_off_until: Option<f64>,
    /// How old the last token was that was turned down.
    pub last_rejected_age: Option<f64>,
    /// The lifetime that this taught.
    pub learned_lifetime: Option<f64>,
    /// The host that the credentials go to.
    pub login_host: String,
}

/// The daily API calls of an org.
#[napi(object, object_from_js = false)]
pub struct NativeApiUsage {
    /// Made today.
    pub used: f64,
    /// Allowed in a day.
    pub limit: f64,
}

impl From<&Token> for NativeToken {
    fn from(token: &Token) -> Self {
        Self {
            access_token: token.access_token().to_owned(),
            instance_url: token.instance_url().to_owned(),
            api_instance_url: token.api_instance_url().map(str::to_owned),
            org_id: token.org_id().map(str::to_owned),
            user_id: token.user_id().map(str::to_owned),
            identity_url: token.identity_url().map(str::to_owned),
            scopes: token.scopes().to_vec(),
            token_format: token.token_format().as_str().to_owned(),
            token_type: token.token_type().to_owned(),
            issued_at: token.issued_at().map(instant),
            expiry: token.expiry().into(),
            fingerprint: token.fingerprint().to_owned(),
            authorization: token.authorization().to_owned(),
            extra: Value::Object(token.extra().clone()),
        }
    }
}

impl From<Expiry> for NativeExpiry {
    fn from(expiry: Expiry) -> Self {
        Self {
            at: instant(expiry.at()),
            source: expiry.source().as_str().to_owned(),
            certainty: expiry.certainty().as_str().to_owned(),
        }
    }
}

impl From<&Error> for NativeError {
    fn from(error: &Error) -> Self {
        let mut causes = Vec::new();
        let mut beneath = std::error::Error::source(error);
        while let Some(cause) = beneath {
            causes.push(cause.to_string());
            beneath = cause.source();
        }
        Self {
            code: error.code().as_str().to_owned(),
            kind: error.kind().as_str().to_owned(),
            message: with_help(error),
            help: error.help().map(str::to_owned),
            retryable: error.is_retryable(),
            retry_after: error.retry_after().map(milliseconds),
            setup_step: error.setup_step().map(|step| step.as_str().to_owned()),
            http_status: error.http_status(),
            oauth_error: error.oauth_error().map(str::to_owned),
            oauth_description: error.oauth_description().map(str::to_owned),
            causes,
        }
    }
}

/// The message, and below it the help, as a JavaScript error prints it.
fn with_help(error: &Error) -> String {
    let mut text = error.message().to_owned();
    for line in error.help().unwrap_or_default().lines() {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

impl From<Status> for NativeStatus {
    fn from(status: Status) -> Self {
        Self {
            state: status.state.as_str().to_owned(),
            in_flight: status.in_flight,
            expiry: status.expiry.map(Into::into),
            refresh_at: status.refresh_at.map(instant),
            fingerprint: status.fingerprint,
            logins: count(status.logins),
            failures: count(status.failures),
            last_error: status.last_error.as_ref().map(Into::into),
            last_failure_at: status.last_failure_at.map(instant),
            backing_off_until: status.backing_off_until.map(instant),
            last_rejected_age: status.last_rejected_age.map(milliseconds),
            learned_lifetime: status.learned_lifetime.map(milliseconds),
            login_host: status.login_host,
        }
    }
}

impl From<(u64, u64)> for NativeApiUsage {
    fn from((used, max): (u64, u64)) -> Self {
        Self {
            used: count(used),
            limit: count(max),
        }
    }
}

/// Milliseconds since 1970, with fractions.
pub(crate) fn instant(at: SystemTime) -> f64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => milliseconds(after),
        Err(before) => -milliseconds(before.duration()),
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// A count as a JavaScript number. None of these gets anywhere near 2^53, past
/// which it would stand still rather than be wrong by one.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn count(value: u64) -> f64 {
    value.min((1 << 53) - 1) as f64
}

impl NativeError {
    /// A value that does not even reach the core's builder.
    pub(crate) fn invalid_option(what: String, help: &str) -> Box<Self> {
        Box::new(Self {
            code: "invalid_option".to_owned(),
            kind: "configuration".to_owned(),
            message: what + "\n  " + help,
            help: Some(help.to_owned()),
            retryable: false,
            retry_after: None,
            setup_step: None,
            http_status: None,
            oauth_error: None,
            oauth_description: None,
            causes: Vec::new(),
        })
    }
}
