//! Compares expectations, which are names and values, with what happened.

use std::collections::BTreeMap;
use std::time::SystemTime;

use forcegrant::{Error, Event, InputField, SetupStep, Status, Token, TokenFormat, Verified};
use serde_json::{Map, Value, json};

use crate::calls::ReadResponse;
use crate::scenario::Expectations;

/// Tokens that were saved, by name.
pub(crate) type SavedTokens = BTreeMap<String, Token>;

pub(crate) type CheckResult = Result<(), String>;

pub(crate) fn token(
    token: &Token,
    expected: &Expectations,
    saved: &SavedTokens,
    now: SystemTime,
) -> CheckResult {
    let expiry = token.expiry();
    let actual = json!({
        "access_token": token.access_token(),
        "instance_url": token.instance_url(),
        "api_instance_url": token.api_instance_url(),
        "org_id": token.org_id(),
        "user_id": token.user_id(),
        "identity_url": token.identity_url(),
        "scopes": token.scopes(),
        "token_format": match token.token_format() { TokenFormat::Jwt => "jwt", _ => "opaque" },
        "token_type": token.token_type(),
        "has_issued_at": token.issued_at().is_some(),
        "expiry_source": expiry.source().as_str(),
        "expiry_certainty": expiry.certainty().as_str(),
    });
    each(expected, &actual, |name, wanted| {
        let named = || lookup(saved, wanted);
        Some(match name {
            "same_as" => named().and_then(|other| {
                differ_if(token.access_token() != other.access_token(), name, wanted)
            }),
            "differs_from" => named().and_then(|other| {
                differ_if(token.access_token() == other.access_token(), name, wanted)
            }),
            "expires_in_seconds" => {
                let left = seconds_until(expiry.at(), now);
                differ_if(
                    (left - wanted.as_f64()?).abs() > 5.0,
                    name,
                    &json!([left, wanted]),
                )
            }
            "extra" => subset("extra", &Value::Object(token.extra().clone()), wanted),
            "extra_lacks" => {
                let found = texts(wanted)
                    .into_iter()
                    .find(|key| token.extra().contains_key(*key));
                differ_if(found.is_some(), name, &json!(found))
            }
            _ => return None,
        })
    })
}

/// Also checks that neither a secret nor a saved token is in the text.
pub(crate) fn error(
    error: &Error,
    expected: &Expectations,
    saved: &SavedTokens,
    secrets: &[String],
) -> CheckResult {
    let text = error.help().map_or_else(
        || error.message().to_owned(),
        |help| format!("{}\n{help}", error.message()),
    );
    let in_text = |needle: &str| text.to_lowercase().contains(&needle.to_lowercase());
    let actual = json!({
        "code": error.code().as_str(),
        "kind": error.kind().as_str(),
        "retryable": error.is_retryable(),
        "http_status": error.http_status(),
        "oauth_error": error.oauth_error(),
        "oauth_description": error.oauth_description(),
        "setup_step": error.setup_step().map(SetupStep::as_str),
        "field": error.field().map(InputField::as_str),
        "has_retry_after": error.retry_after().is_some(),
    });
    each(expected, &actual, |name, wanted| {
        Some(match name {
            "retry_after_at_least" => {
                let wait = error.retry_after().map(|wait| wait.as_secs_f64());
                let least = wanted.as_f64().unwrap_or(f64::INFINITY);
                differ_if(wait.is_none_or(|wait| wait < least), name, &json!(wait))
            }
            "retry_after_at_most" => {
                let wait = error.retry_after().map(|wait| wait.as_secs_f64());
                differ_if(
                    wait.is_none_or(|wait| wait > wanted.as_f64().unwrap_or(0.0)),
                    name,
                    &json!(wait),
                )
            }
            "message_contains" => {
                let missing = texts(wanted).into_iter().find(|needle| !in_text(needle));
                differ_if(missing.is_some(), name, &json!(missing))
            }
            "message_lacks" => {
                let found = texts(wanted).into_iter().find(|needle| in_text(needle));
                differ_if(found.is_some(), name, &json!(found))
            }
            _ => return None,
        })
    })
    .map_err(|problem| format!("{problem}; the error is {}: {text}", error.code()))?;
    let leaks = saved
        .values()
        .any(|token| text.contains(token.access_token()))
        || secrets
            .iter()
            .map(|secret| secret.trim())
            .any(|secret| secret.len() >= 8 && text.contains(secret));
    if leaks || text.len() <= 10 {
        return Err(format!(
            "the text of {} contains a secret or is too short: {text}",
            error.code()
        ));
    }
    Ok(())
}

pub(crate) fn verified(
    verified: &Verified,
    expected: &Expectations,
    saved: &SavedTokens,
    now: SystemTime,
) -> CheckResult {
    let actual = json!({
        "has_api_usage": verified.api_usage.is_some(),
    });
    each(expected, &actual, |name, wanted| {
        Some(match name {
            "token" => token(&verified.token, wanted.as_object()?, saved, now),
            _ => return None,
        })
    })
}

pub(crate) fn status(
    status: &Status,
    expected: &Expectations,
    saved: &SavedTokens,
    now: SystemTime,
) -> CheckResult {
    let actual = json!({
        "state": status.state.as_str(),
        "in_flight": status.in_flight,
        "logins": status.logins,
        "failures": status.failures,
        "last_error_code": status.last_error.as_ref().map(|error| error.code().as_str()),
        "login_host": status.login_host,
        "expiry_source": status.expiry.map(|expiry| expiry.source().as_str()),
        "expiry_certainty": status.expiry.map(|expiry| expiry.certainty().as_str()),
        "backing_off": status.backing_off_until.is_some_and(|until| until > now),
    });
    each(expected, &actual, |name, wanted| {
        Some(match name {
            "fingerprint_of" if wanted.is_null() => differ_if(
                status.fingerprint.is_some(),
                name,
                &json!(status.fingerprint),
            ),
            "fingerprint_of" => lookup(saved, wanted).and_then(|token| {
                let same = status.fingerprint.as_deref() == Some(token.fingerprint());
                differ_if(!same, name, wanted)
            }),
            _ => return None,
        })
    })
}

pub(crate) fn event(
    key: &str,
    event: &Event,
    expected: &Expectations,
    saved: &SavedTokens,
) -> CheckResult {
    let mut actual = json!({
        "name": event.name(),
        "key": Some(key).filter(|key| !key.is_empty()),
        "background": null,
        "attempts": null,
        "code": null,
        "expiry_source": null,
        "client_id": null,
        "used": null,
        "stop": null,
    });
    let mut print = None;
    match event {
        Event::LoginStarted { background, .. } => actual["background"] = json!(background),
        Event::LoginRetried {
            error, attempts, ..
        }
        | Event::LoginFailed {
            error, attempts, ..
        } => {
            actual["code"] = json!(error.code().as_str());
            actual["attempts"] = json!(attempts);
        }
        Event::LoginSucceeded {
            fingerprint,
            expiry,
            attempts,
            ..
        } => {
            print = Some(fingerprint);
            actual["expiry_source"] = json!(expiry.source().as_str());
            actual["attempts"] = json!(attempts);
        }
        Event::TokenAdopted {
            fingerprint,
            expiry,
            ..
        } => {
            print = Some(fingerprint);
            actual["expiry_source"] = json!(expiry.source().as_str());
        }
        Event::StoreFailed { error, .. }
        | Event::IntrospectionFailed { error, .. }
        | Event::CredentialsReloadFailed { error, .. } => {
            actual["code"] = json!(error.code().as_str());
        }
        Event::RefreshDue { fingerprint, .. }
        | Event::ServingStale { fingerprint, .. }
        | Event::Invalidated { fingerprint, .. }
        | Event::SameTokenReturned { fingerprint, .. }
        | Event::SignatureMismatch { fingerprint, .. } => print = Some(fingerprint),
        Event::LoginBudgetWarning { used, stop, .. } => {
            actual["used"] = json!(used);
            actual["stop"] = json!(stop);
        }
        Event::CredentialsRotated { client_id, .. } => actual["client_id"] = json!(client_id),
        other => return Err(format!("no expectation knows the event {}", other.name())),
    }
    each(expected, &actual, |name, wanted| {
        (name == "fingerprint_of").then(|| {
            let token = lookup(saved, wanted)?;
            let same = print.is_some_and(|print| print == token.fingerprint());
            differ_if(!same, name, wanted)
        })
    })
}

/// Each of these is equal.
pub(crate) fn fields(actual: &Value, expected: &Expectations) -> CheckResult {
    each(expected, actual, |_, _| None)
}

pub(crate) fn response(response: &ReadResponse, expected: &Expectations) -> CheckResult {
    let actual = json!({
        "status": response.status,
        "response_class": response.response_class.as_str(),
    });
    each(expected, &actual, |name, wanted| {
        Some(match name {
            "body_contains" => {
                let missing = texts(wanted)
                    .into_iter()
                    .find(|needle| !response.body.contains(needle));
                differ_if(missing.is_some(), name, &json!(missing))
            }
            _ => return None,
        })
    })
}

pub(crate) fn request(logged: &Value, expected: &Expectations) -> CheckResult {
    each(expected, logged, |name, wanted| {
        let lacks = |part: &str| {
            let found = texts(wanted)
                .into_iter()
                .find(|key| !logged[part][key].is_null());
            differ_if(found.is_some(), name, &json!(found))
        };
        Some(match name {
            "form" | "headers" => subset(name, &logged[name], wanted),
            "form_lacks" => lacks("form"),
            "headers_lack" => lacks("headers"),
            _ => return None,
        })
    })
}

/// Objects by key, lists by position and length, all else by value.
pub(crate) fn subset(at: &str, actual: &Value, wanted: &Value) -> CheckResult {
    match (actual, wanted) {
        (Value::Object(actual), Value::Object(wanted)) => {
            wanted.iter().try_for_each(|(key, value)| {
                let at = format!("{at}.{key}");
                subset(&at, actual.get(key).unwrap_or(&Value::Null), value)
            })
        }
        (Value::Array(actual), Value::Array(wanted)) if actual.len() == wanted.len() => {
            let pairs = actual.iter().zip(wanted);
            pairs
                .enumerate()
                .try_for_each(|(n, (actual, wanted))| subset(&format!("{at}[{n}]"), actual, wanted))
        }
        _ if actual == wanted => Ok(()),
        _ => Err(format!("{at}: expected {wanted}, found {actual}")),
    }
}

/// Every expected name: by `special`, else equal to what stands under that name in `actual`.
fn each(
    expected: &Map<String, Value>,
    actual: &Value,
    special: impl Fn(&str, &Value) -> Option<CheckResult>,
) -> CheckResult {
    for (name, wanted) in expected {
        match special(name, wanted) {
            Some(checked) => checked?,
            None => match actual.get(name) {
                Some(found) if found == wanted => {}
                Some(found) => return Err(format!("{name}: expected {wanted}, found {found}")),
                None => return Err(format!("{name}: no such expectation")),
            },
        }
    }
    Ok(())
}

fn differ_if(differs: bool, name: &str, value: &Value) -> CheckResult {
    if differs {
        Err(format!("{name} is not met: {value}"))
    } else {
        Ok(())
    }
}

fn lookup<'a>(saved: &'a SavedTokens, name: &Value) -> Result<&'a Token, String> {
    let name = name.as_str().unwrap_or_default();
    saved
        .get(name)
        .ok_or_else(|| format!("no token was saved as {name}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn seconds_until(at: SystemTime, now: SystemTime) -> f64 {
    match at.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(past) => -past.duration().as_secs_f64(),
    }
}
