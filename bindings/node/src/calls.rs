//! Calls of APIs through HTTP clients: the core's decisions as plain data.

use forcegrant::calls::{self, Action, ApiCall, CallResponse};
use forcegrant::{ApiResponse, Client, ffi};
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

/// The response to a request that carried a token.
#[napi(object, object_to_js = false)]
pub struct NativeCallResponse {
    /// The token.
    pub access_token: String,
    /// Where the request went.
    pub url: String,
    /// Whether it can be sent again.
    pub replayable: bool,
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
pub struct NativeAction {
    /// What to do.
    #[napi(ts_type = "'deliver' | 'resend' | 'fail'")]
    pub step: &'static str,
    /// How long to wait before that.
    pub pause: Option<f64>,
    /// The failure.
    pub error: Option<NativeError>,
    /// Whether the token is not the one at hand any more.
    pub gone: bool,
    /// Whether renewals are counted, so that it matters when a host accepts a token.
    pub counts_renewals: bool,
}

/// One call of an API, however many requests it takes. Made when it meets a refusal or waits for a token.
#[napi]
pub struct NativeApiCall {
    client: Client,
    call: ApiCall,
}

impl NativeApiCall {
    pub(crate) fn new(client: Client, method: String, repeats_when_busy: bool) -> Self {
        let call = ApiCall::new(method);
        let call = if repeats_when_busy {
            call
        } else {
            call.without_retries()
        };
        Self { client, call }
    }
}

#[napi]
impl NativeApiCall {
    /// Takes in the token of the next request: the failure, if it is the one that was refused.
    #[napi(catch_unwind)]
    pub fn use_token(&mut self, access_token: String) -> Option<NativeError> {
        let used = self.call.use_token(&access_token);
        used.err().as_ref().map(Into::into)
    }

    /// A request to this URL, with its token, was served. Whether it matters still when a host accepts one.
    #[napi(catch_unwind)]
    pub fn note_served(&self, url: String) -> bool {
        ffi::note_served(&self.call, &self.client, &url)
    }

    /// Takes in the response to a request that carried the token.
    #[napi(catch_unwind)]
    pub fn handle_response(&mut self, response: NativeCallResponse) -> NativeAction {
        let client = &self.client;
        let action = self.call.handle_response(
            client,
            &CallResponse {
                access_token: &response.access_token,
                url: &response.url,
                replayable: response.replayable,
                response: ApiResponse {
                    status: response.status,
                    body: response.body.as_deref().unwrap_or_default(),
                    retry_after: response.retry_after.as_deref(),
                    limit_info: response.limit_info.as_deref(),
                },
            },
        );
        let at_hand = client.cached();
        let is_at_hand = at_hand.is_some_and(|token| token.access_token() == response.access_token);
        let (step, pause, error) = match action {
            Action::Deliver => ("deliver", None, None),
            Action::Resend(pause) => ("resend", Some(milliseconds(pause)), None),
            Action::Fail(error) => ("fail", None, Some((&error).into())),
        };
        NativeAction {
            step,
            pause,
            error,
            gone: !is_at_hand,
            counts_renewals: ffi::counts_renewals(client),
        }
    }
}

/// How many bytes of a body are looked at.
#[allow(clippy::cast_possible_truncation)]
#[napi]
pub const ENOUGH: u32 = calls::CLASSIFIED_BYTES as u32;

/// Whether the body decides what a response of this status means.
#[napi]
pub fn body_counts(status: u16) -> bool {
    calls::body_counts(status)
}

/// The failure of a renewal that brought the same token.
#[napi(catch_unwind)]
pub fn renewed(before: String, now: String) -> Option<NativeError> {
    ffi::renewed(&before, &now).err().as_ref().map(Into::into)
}

pub(crate) fn route(
    client: &Client,
    instance_url: &str,
    api_instance_url: Option<&str>,
    path_or_url: &str,
) -> NativeRoute {
    match ffi::resolve_url(client, instance_url, api_instance_url, path_or_url) {
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

pub(crate) fn limits(client: &Client) -> Option<NativeApiUsage> {
    let usage = client.limits()?;
    Some((usage.used, usage.limit).into())
}
