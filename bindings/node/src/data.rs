//! What crosses to JavaScript as plain objects. Times are milliseconds since 1970, durations are milliseconds, and
//! absent values are left out. TypeScript declares the types of these objects.

use std::time::{Duration, SystemTime};

use forcegrant::{Error, Expiry, SetupStep, Status, Token, ffi};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::options;

/// What a call of JavaScript throws.
pub type Result<T> = std::result::Result<T, napi::Error<Thrower>>;

/// Who made an error: its text is the property `code` of what JavaScript catches.
pub enum Thrower {
    /// The core: the message is an [`error`] as JSON.
    Core,
    /// napi: the arguments are of wrong types, or this library has an internal error.
    Napi(napi::Status),
}

impl AsRef<str> for Thrower {
    fn as_ref(&self) -> &str {
        match self {
            Self::Core => "forcegrant",
            Self::Napi(status) => status.as_ref(),
        }
    }
}

/// Throws an error of the core.
pub(crate) fn throw(error: Error) -> napi::Error<Thrower> {
    throw_data(&self::error(&error))
}

/// Throws an error that is data already.
pub(crate) fn throw_data(error: &Value) -> napi::Error<Thrower> {
    napi::Error::new(Thrower::Core, error.to_string())
}

/// Throws an error of napi's.
pub(crate) fn internal(error: napi::Error) -> napi::Error<Thrower> {
    napi::Error::new(Thrower::Napi(error.status), error.reason.clone())
}

/// An error. Its `message` and `help` name options as JavaScript does.
pub(crate) fn error(error: &Error) -> Value {
    object(json!({
        "code": error.code().as_str(),
        "kind": error.kind().as_str(),
        "message": options::in_camel_case(error.message()),
        "help": error.help().map(options::in_camel_case),
        "retryable": error.is_retryable(),
        "retryAfter": error.retry_after().map(milliseconds),
        "setupStep": error.setup_step().map(SetupStep::as_str),
        "field": error.field().map(|field| options::camel_case(field.as_str())),
        "httpStatus": error.http_status(),
        "oauthError": error.oauth_error(),
        "oauthDescription": error.oauth_description(),
        "causes": ffi::causes(error),
    }))
}

/// A token and the time for which JavaScript may hand it out without asking again.
#[napi(object, object_from_js = false)]
pub struct NativeCachedToken {
    /// Numbers the tokens of one client; 0 is no token.
    pub id: u32,
    /// From when on it may be handed out.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// The token, unless JavaScript said that it has it.
    #[napi(ts_type = "object")]
    pub token: Option<Value>,
}

pub(crate) fn token(token: &Token) -> Value {
    object(json!({
        "accessToken": token.access_token(),
        "instanceUrl": token.instance_url(),
        "apiInstanceUrl": token.api_instance_url(),
        "orgId": token.org_id(),
        "userId": token.user_id(),
        "identityUrl": token.identity_url(),
        "scopes": token.scopes(),
        "tokenFormat": token.token_format().as_str(),
        "tokenType": token.token_type(),
        "issuedAt": token.issued_at().map(instant),
        "expiry": expiry(token.expiry()),
        "fingerprint": token.fingerprint(),
        "authorization": token.authorization(),
        "extra": token.extra(),
    }))
}

pub(crate) fn expiry(expiry: Expiry) -> Value {
    json!({
        "at": instant(expiry.at()),
        "source": expiry.source().as_str(),
        "certainty": expiry.certainty().as_str(),
    })
}

pub(crate) fn status(status: &Status) -> Value {
    object(json!({
        "state": status.state.as_str(),
        "inFlight": status.in_flight,
        "expiry": status.expiry.map(expiry),
        "refreshAt": status.refresh_at.map(instant),
        "fingerprint": status.fingerprint,
        "logins": count(status.logins),
        "failures": count(status.failures),
        "lastError": status.last_error.as_ref().map(error),
        "lastFailureAt": status.last_failure_at.map(instant),
        "backingOffUntil": status.backing_off_until.map(instant),
        "lastRejectedAge": status.last_rejected_age.map(milliseconds),
        "learnedLifetime": status.learned_lifetime.map(milliseconds),
        "loginHost": status.login_host,
    }))
}

pub(crate) fn api_usage(used: u64, limit: u64) -> Value {
    json!({ "used": count(used), "limit": count(limit) })
}

/// Without what is absent.
pub(crate) fn object(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, field| !field.is_null());
    }
    value
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

/// A count as a JavaScript number. None of them comes near 2^53, from where on it would no longer change.
#[expect(clippy::cast_precision_loss, reason = "it is below 2^53")]
pub(crate) fn count(value: u64) -> f64 {
    value.min((1 << 53) - 1) as f64
}
