//! Decodes what a token endpoint answers: a grant, a refusal, or something else. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value};
use url::Url;

use crate::credentials::KeyPair;
use crate::error::{Code, Error, SetupStep};
use crate::grant::refusal;
use crate::host::{TrustPolicy, check_instance_url};
use crate::http::{MAX_BODY, Response};
use crate::secret::{Secret, redact};
use crate::token::{Grant, JwtTimes, TokenFormat};

/// Why an answer gives no token.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Another attempt within the same mint may help.
    pub(crate) transient: bool,
}

impl Failure {
    pub(crate) fn transient(error: Error) -> Self {
        Self {
            error,
            transient: true,
        }
    }

    pub(crate) fn permanent(error: Error) -> Self {
        Self {
            error,
            transient: false,
        }
    }
}

/// What a decision on an answer needs beside it.
pub(crate) struct Context<'a> {
    pub(crate) host: &'a str,
    pub(crate) pair: &'a KeyPair,
    pub(crate) trust: &'a TrustPolicy,
    pub(crate) now: SystemTime,
}

impl Context<'_> {
    /// Texts that a server may echo and that must not stand in an error.
    fn secrets(&self) -> [&str; 2] {
        [self.pair.expose_client_secret(), self.pair.client_id()]
    }
}

/// Reads one answer of the token endpoint.
pub(crate) fn decode(response: &Response, context: &Context<'_>) -> Result<Grant, Failure> {
    let status = response.status;
    let retry_after = retry_after(response, context.now);
    match status {
        300..=399 => return Err(Failure::permanent(redirected(response, context))),
        429 => return Err(Failure::transient(rate_limited(context, retry_after))),
        406 | 420 | 500..=599 => {
            return Err(Failure::transient(unavailable(
                status,
                context,
                retry_after,
            )));
        }
        _ => {}
    }
    if response.cut_at_limit {
        return Err(Failure::permanent(too_large(status, context)));
    }
    let Ok(Value::Object(fields)) = serde_json::from_slice(&response.body) else {
        return Err(Failure::permanent(not_json(response, context)));
    };
    if let Some(Value::String(error)) = fields.get("error") {
        let description = fields.get("error_description").and_then(Value::as_str);
        let error = refusal::classify(status, error, description, &context.secrets());
        return Err(Failure::permanent(error.with_retry_after(retry_after)));
    }
    if !(200..=299).contains(&status) {
        return Err(Failure::permanent(not_json(response, context)));
    }
    grant(fields, context).map_err(|error| Failure::permanent(error.with_http_status(status)))
}

fn grant(mut fields: Map<String, Value>, context: &Context<'_>) -> Result<Grant, Error> {
    let mut text = |name: &'static str| take_text(&mut fields, name);
    let access_token = text("access_token")?.map(Secret::new);
    let access_token = access_token.ok_or_else(|| missing("access_token"))?;
    if access_token.expose().is_empty()
        || !access_token.expose().bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(wrong(
            "access_token",
            "is empty or holds characters that no token has",
        ));
    }
    let instance_url = text("instance_url")?.ok_or_else(|| missing("instance_url"))?;
    let api_instance_url = text("api_instance_url")?;
    let identity_url = text("id")?;
    let scope = text("scope")?.unwrap_or_default();
    let token_type = text("token_type")?.unwrap_or_else(|| "Bearer".to_owned());
    let stated_format = text("token_format")?;
    let issued_at = text("issued_at")?;
    let signature = text("signature")?;

    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err(wrong("token_type", "is not Bearer"));
    }
    let signature_matches = signature.map(|signature| {
        let message = [identity_url.as_deref(), issued_at.as_deref()];
        verify_signature(context.pair.expose_client_secret(), &message, &signature)
    });
    let issued_at = issued_at.map(|text| parse_issued_at(&text)).transpose()?;
    let expires_in = match fields.remove("expires_in") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(seconds(&value).ok_or_else(|| wrong("expires_in", "is not a number of seconds"))?)
        }
    };
    let jwt = jwt_times(access_token.expose());
    let token_format = match stated_format.as_deref() {
        Some("jwt") => TokenFormat::Jwt,
        None if jwt.is_some() => TokenFormat::Jwt,
        Some(_) | None => TokenFormat::Opaque,
    };
    // What was taken out leaves room behind, which every token would keep.
    let extra = if fields.is_empty() {
        Map::new()
    } else {
        fields
    };
    Ok(Grant {
        instance_url: check_instance_url("instance_url", &instance_url, context.trust)?,
        api_instance_url: api_instance_url
            .map(|url| check_instance_url("api_instance_url", &url, context.trust))
            .transpose()?,
        access_token,
        token_format,
        identity_url,
        scope,
        issued_at,
        expires_in,
        jwt,
        signature_matches,
        extra,
    })
}

fn take_text(fields: &mut Map<String, Value>, name: &'static str) -> Result<Option<String>, Error> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(name, "is not a string")),
    }
}

/// A string of milliseconds since 1970 (documented).
fn parse_issued_at(text: &str) -> Result<SystemTime, Error> {
    text.trim()
        .parse::<u64>()
        .ok()
        .and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)))
        .ok_or_else(|| wrong("issued_at", "is not a count of milliseconds"))
}

/// A whole, non-negative number of seconds; some servers quote it.
fn seconds(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// HMAC-SHA256 over `id + issued_at` with the client secret (documented).
fn verify_signature(secret: &str, message: &[Option<&str>], signature: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let message: String = message.iter().flatten().copied().collect();
    STANDARD
        .decode(signature)
        .is_ok_and(|tag| hmac::verify(&key, message.as_bytes(), &tag).is_ok())
}

/// The times in a JWT, without verifying it: the endpoint it came from was authenticated by TLS,
/// and the token is not for this client to judge.
fn jwt_times(token: &str) -> Option<JwtTimes> {
    let mut parts = token.split('.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let json = |part: &str| -> Option<Value> {
        let bytes = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(part).ok()?);
        serde_json::from_slice(&bytes).ok()
    };
    json(header)?.get("alg")?;
    let payload = json(payload)?;
    let time = |name: &str| {
        let value = payload.get(name)?;
        // A NumericDate may have a fraction (RFC 7519 section 2); the whole second before it counts.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "`as` saturates, and no date is that far"
        )]
        value
            .as_i64()
            .or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
    };
    Some(JwtTimes {
        issued: time("iat"),
        ends: time("exp")?,
    })
}

fn retry_after(response: &Response, now: SystemTime) -> Option<Duration> {
    let text = response.retry_after.as_deref()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    http_date(text).map(|at| at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// The one form of an HTTP date that servers send (RFC 9110 IMF-fixdate).
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split([' ', ':']);
    let number = |part: Option<&str>| part?.parse::<u16>().ok().map(i64::from);
    let day = number(parts.next())?;
    let month = MONTHS.find(parts.next()?)? / 3;
    let mut number = || number(parts.next());
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    // Days from civil, with the year starting in March.
    let month = i64::try_from(month).ok()? + 1;
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

fn redirected(response: &Response, context: &Context<'_>) -> Error {
    let target = response
        .location
        .as_deref()
        .and_then(|location| Url::parse(location).ok())
        .and_then(|url| {
            url.host_str()
                .map(|host| redact(host, &context.secrets(), 100))
        });
    let target = target.map_or_else(|| "an unnamed place".to_owned(), |host| format!("`{host}`"));
    Error::new(
        Code::Redirected,
        format!(
            "`{}` answered HTTP {} and points to {target}; the redirect was not followed",
            context.host, response.status
        ),
    )
    .with_help("Following it would lose the request or carry the client secret to another host.\nUse the org's My Domain host as the login URL; if the target above is that host, use it.")
    .with_http_status(response.status)
}

fn rate_limited(context: &Context<'_>, retry_after: Option<Duration>) -> Error {
    Error::new(
        Code::RateLimited,
        format!("`{}` answered HTTP 429: too many requests just now", context.host),
    )
    .with_help("The client backs off by itself. If it lasts, find out what else calls this endpoint so often.")
    .with_http_status(429)
    .with_retry_after(retry_after)
}

fn unavailable(status: u16, context: &Context<'_>, retry_after: Option<Duration>) -> Error {
    Error::new(
        Code::ServerUnavailable,
        format!("`{}` can not serve now: HTTP {status}", context.host),
    )
    .with_help("Salesforce is in maintenance or has a fault; see status.salesforce.com. The client backs off and tries again by itself.")
    .with_http_status(status)
    .with_retry_after(retry_after)
}

fn too_large(status: u16, context: &Context<'_>) -> Error {
    Error::new(
        Code::ResponseTooLarge,
        format!("`{}` sent more than {} KiB, which no token answer is", context.host, MAX_BODY / 1024),
    )
    .with_help("Something other than a Salesforce token endpoint answers at this host; check the login URL or `token_url`.")
    .with_http_status(status)
}

/// Says what came, not what it said: a body may hold anything.
fn not_json(response: &Response, context: &Context<'_>) -> Error {
    let kind = response.content_type.as_deref().map_or_else(
        || "no content type".to_owned(),
        |kind| {
            redact(
                kind.split(';').next().unwrap_or_default(),
                &context.secrets(),
                60,
            )
        },
    );
    let error = Error::new(
        Code::UnexpectedResponse,
        format!(
            "`{}` answered HTTP {} with {} bytes that are not a token answer ({kind})",
            context.host,
            response.status,
            response.body.len()
        ),
    )
    .with_help("Something other than a Salesforce token endpoint answered: a proxy's login page, a site, or the wrong host.\nCheck the login URL and what stands between this machine and Salesforce.")
    .with_http_status(response.status);
    if response.status == 404 {
        return error.with_setup_step(Some(SetupStep::Hostname));
    }
    error
}

fn missing(field: &str) -> Error {
    wrong(field, "is missing")
}

fn wrong(field: &str, problem: &str) -> Error {
    Error::new(
        Code::UnexpectedResponse,
        format!("The token answer is not usable: its field `{field}` {problem}"),
    )
    .with_help("The answer was not that of a Salesforce token endpoint. Check what stands between this machine and Salesforce;\nif nothing does, please report it with the text above.")
}

#[cfg(test)]
mod tests;
