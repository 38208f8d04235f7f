//! Calls of APIs through HTTP clients: the core's decisions as plain data.

use forcegrant::calls::{self, CallAnswer, Next};
use forcegrant::{ApiAnswer, Client};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::data::{NativeApiUsage, NativeError, milliseconds};

/// Where a call goes.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeRoute {
    /// The address.
    pub url: Option<String>,
    /// Whether the token goes along.
    pub carries: bool,
    /// Why there is no address.
    pub error: Option<NativeError>,
}

/// The answer to a call that carried a token.
#[napi(object, object_to_js = false)]
pub struct NativeCall {
    /// The token.
    pub access_token: String,
    /// The method of the request.
    pub method: String,
    /// Whether it can be sent again.
    pub replayable: bool,
    /// Whether it was, with a renewed token.
    pub replayed: bool,
    /// How many were sent.
    pub attempts: u32,
    /// The HTTP status.
    pub status: u16,
    /// The first bytes of the body.
    pub body: Option<Uint8Array>,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Sforce-Limit-Info`.
    pub limit_info: Option<String>,
}

/// What comes next.
#[napi(object, object_from_js = false)]
pub struct NativeNext {
    /// What to do.
    #[napi(ts_type = "'deliver' | 'replay' | 'retry' | 'fail'")]
    pub step: &'static str,
    /// How long to wait before that.
    pub pause: Option<f64>,
    /// The failure.
    pub error: Option<NativeError>,
    /// Whether the token is not the one at hand any more.
    pub gone: bool,
}

/// How many bytes of a body are looked at.
#[allow(clippy::cast_possible_truncation)]
#[napi]
pub const ENOUGH: u32 = calls::ENOUGH as u32;

/// Whether the body decides what an answer of this status means.
#[napi]
pub fn body_counts(status: u16) -> bool {
    calls::body_counts(status)
}

/// The failure of a renewal that brought the same token.
#[napi(catch_unwind)]
pub fn renewed(before: String, now: String) -> Option<NativeError> {
    calls::renewed(&before, &now).err().as_ref().map(Into::into)
}

pub(crate) fn route(
    client: &Client,
    instance_url: &str,
    api_instance_url: Option<&str>,
    path_or_url: &str,
) -> NativeRoute {
    match client.resolve_url_on(instance_url, api_instance_url, path_or_url) {
        Ok(resolved) => NativeRoute {
            url: Some(resolved.url),
            carries: resolved.carries_token,
            error: None,
        },
        Err(error) => NativeRoute {
            error: Some((&error).into()),
            ..NativeRoute::default()
        },
    }
}

pub(crate) fn judge(client: &Client, call: &NativeCall) -> NativeNext {
    let answer = CallAnswer {
        method: &call.method,
        replayable: call.replayable,
        replayed: call.replayed,
        attempts: call.attempts,
        answer: ApiAnswer {
            status: call.status,
            body: call.body.as_deref().unwrap_or_default(),
            retry_after: call.retry_after.as_deref(),
            limit_info: call.limit_info.as_deref(),
        },
    };
    let next = client.judge(&call.access_token, &answer);
    let at_hand = client.cached();
    let is_at_hand = at_hand.is_some_and(|token| token.access_token() == call.access_token);
    let (step, pause, error) = match next {
        Next::Deliver => ("deliver", None, None),
        Next::Replay => ("replay", None, None),
        Next::Retry(pause) => ("retry", Some(milliseconds(pause)), None),
        Next::Fail(error) => ("fail", None, Some((&error).into())),
    };
    NativeNext {
        step,
        pause,
        error,
        gone: !is_at_hand,
    }
}

pub(crate) fn limits(client: &Client) -> Option<NativeApiUsage> {
    let usage = client.limits()?;
    Some((usage.used, usage.limit).into())
}
