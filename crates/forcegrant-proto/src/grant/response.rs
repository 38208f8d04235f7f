//! Decodes the responses of a token endpoint: a grant, a refusal, or something else. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value};

mod failures;

use self::failures::{Unreadable, missing, wrong};
use crate::error::Error;
use crate::grant::classification::{self, Body, Class, Classification};
use crate::grant::context::ResponseContext;
use crate::grant::failure::RequestFailure;
use crate::grant::refusal::OauthError;
use crate::host::check_instance_url;
use crate::http_message::Response;
use crate::retry_after;
use crate::secret::Secret;
use crate::token_data::{Grant, JwtTimes, TokenFormat};

/// Reads one response of the token endpoint.
pub fn decode(response: &Response, context: &ResponseContext<'_>) -> Result<Grant, RequestFailure> {
    let status = response.status;
    let read = read_object(response);
    let refusal = read.as_ref().ok().and_then(OauthError::of);
    let body = match (&refusal, &read) {
        (Some(refusal), _) => Body::OauthError {
            temporary: refusal.is_temporary(),
        },
        (None, Ok(_)) => Body::Object,
        (None, Err(_)) => Body::Other,
    };
    let Classification { class, temporary } =
        classification::classify(status, body, context.known_endpoint);
    let error = match (class, refusal, read) {
        (Class::RateLimited, ..) => failures::rate_limited(context),
        (Class::Unavailable, ..) => failures::unavailable(status, context),
        (Class::Redirect, ..) => failures::redirected(response, context, temporary),
        (_, Some(refusal), _) => refusal.into_error(status, &context.redactor()),
        (Class::Token, None, Ok(fields)) => {
            return grant(fields, context)
                .map_err(|problem| failures::unusable(problem, status, temporary));
        }
        (_, None, Ok(_)) => {
            failures::unreadable(response, Unreadable::OtherJson, context, temporary)
        }
        (_, None, Err(what)) => failures::unreadable(response, what, context, temporary),
    };
    let retry_after = response.retry_after.as_deref();
    let retry_after = retry_after.and_then(|text| retry_after::parse(text, context.now));
    Err(RequestFailure {
        error: error.with_retry_after(retry_after),
        transient: temporary,
    })
}

/// The JSON object of a body. A byte order mark before it is ignored, as RFC 8259 section 8.1 permits.
fn read_object(response: &Response) -> Result<Map<String, Value>, Unreadable> {
    if response.cut_at_limit {
        return Err(Unreadable::TooLarge);
    }
    let body = response.body.as_slice();
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Unreadable::OtherJson),
        Err(error) => Err(match body.trim_ascii_start() {
            [] => Unreadable::Empty,
            [0x1F, 0x8B, ..] => Unreadable::Gzip,
            [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, _, ..] | [_, 0, ..] => Unreadable::Utf16,
            [b'<', ..] => Unreadable::Html,
            _ if error.is_eof() => Unreadable::Cut,
            _ => Unreadable::Other,
        }),
    }
}

fn grant(mut fields: Map<String, Value>, context: &ResponseContext<'_>) -> Result<Grant, Error> {
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
    let signature = text("signature")?;
    let issued_at = match fields.remove("issued_at") {
        // Documented as a string.
        Some(Value::Number(number)) => Some(number.to_string()),
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err(wrong("issued_at", "is not a count of milliseconds")),
    };

    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err(wrong("token_type", "is not Bearer"));
    }
    let signature_matches = signature.map(|signature| {
        let message = [identity_url.as_deref(), issued_at.as_deref()];
        verify_signature(
            context.credentials.expose_client_secret(),
            &message,
            &signature,
        )
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
    // The removed fields leave unused capacity, which every token would keep.
    let extra = if fields.is_empty() {
        Map::new()
    } else {
        fields
    };
    let check = |field, url: &str| {
        let hide = || context.redactor().hide(access_token.expose());
        let url = check_instance_url(field, url, context.trust, &hide)?;
        // Logs show it.
        let secrets = [
            access_token.expose(),
            context.credentials.expose_client_secret(),
        ];
        let holds = |secret: &str| secret.len() >= 16 && url.contains(&secret.to_ascii_lowercase());
        if secrets.into_iter().any(holds) {
            return Err(wrong(field, "holds a secret"));
        }
        Ok(url)
    };
    let instance_url = check("instance_url", &instance_url)?;
    let api_instance_url = api_instance_url
        .map(|url| check("api_instance_url", &url))
        .transpose()?;
    Ok(Grant {
        access_token,
        token_format,
        instance_url,
        api_instance_url,
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

/// Milliseconds since 1970 (documented).
fn parse_issued_at(text: &str) -> Result<SystemTime, Error> {
    let text = text.trim();
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    whole
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

/// The times in a JWT, without verifying it: it came over TLS from the token endpoint, and the APIs verify it.
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

#[cfg(test)]
mod tests;
