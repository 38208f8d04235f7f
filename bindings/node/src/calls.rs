//! API calls: the core's call state machine and its classification of responses, for adapters in TypeScript.

use std::time::SystemTime;

use forcegrant::calls::{self, Action, ApiCall, CallResponse};
use forcegrant::{ApiResponse, Client, ffi, grpc_response_class};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use serde_json::{Value, json};

use crate::data::{self, Result, milliseconds, throw};

/// Where a request goes.
#[napi(object, object_from_js = false)]
pub struct NativeResolvedUrl {
    /// The URL to connect to.
    pub url: String,
    /// Whether the request carries the token.
    pub carries_token: bool,
}

/// The parts of a response that its class depends on.
#[napi(object, object_to_js = false)]
pub struct NativeApiResponse {
    /// The HTTP status.
    pub status: u16,
    /// The first bytes of the body.
    pub body: Option<Uint8Array>,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The header `Sforce-Limit-Info`.
    pub limit_info: Option<String>,
}

impl NativeApiResponse {
    fn core(&self) -> ApiResponse<'_> {
        ApiResponse {
            status: self.status,
            body: self.body.as_deref().unwrap_or_default(),
            retry_after: self.retry_after.as_deref(),
            limit_info: self.limit_info.as_deref(),
        }
    }
}

/// One API call, however many requests it takes.
#[napi]
pub struct NativeApiCall {
    client: Client,
    call: ApiCall,
}

impl NativeApiCall {
    pub(crate) fn new(client: Client, method: String, repeats_when_busy: bool) -> Self {
        let mut call = ApiCall::new(method);
        if !repeats_when_busy {
            call = call.without_retries();
        }
        Self { client, call }
    }
}

#[napi]
impl NativeApiCall {
    /// Takes the token of the next request. Throws if it is the one that was refused.
    #[napi(catch_unwind)]
    pub fn use_token(&mut self, access_token: String) -> Result<()> {
        self.call.use_token(&access_token).map_err(throw)
    }

    /// Notes that a request to this URL was served. Returns whether the next such note is of use too.
    #[napi(catch_unwind)]
    pub fn note_served(&self, url: String) -> bool {
        ffi::note_served(&self.call, &self.client, &url)
    }

    /// Takes the response to a request that carried the token. Returns undefined if the response is delivered, or how
    /// many milliseconds later the request is sent again. Throws if the call ends in an error.
    #[napi(catch_unwind)]
    pub fn handle_response(
        &mut self,
        access_token: String,
        url: String,
        replayable: bool,
        response: NativeApiResponse,
    ) -> Result<Option<f64>> {
        let response = CallResponse {
            access_token: &access_token,
            url: &url,
            replayable,
            response: response.core(),
        };
        match self.call.handle_response(&self.client, &response) {
            Action::Deliver => Ok(None),
            Action::Resend(pause) => Ok(Some(milliseconds(pause))),
            Action::Fail(error) => Err(throw(error)),
        }
    }
}

/// How many bytes of a body are classified.
#[allow(clippy::cast_possible_truncation)]
#[napi]
pub const CLASSIFIED_BYTES: u32 = calls::CLASSIFIED_BYTES as u32;

/// Whether the body decides what a response of this status means.
#[napi]
pub fn body_counts(status: u16) -> bool {
    calls::body_counts(status)
}

/// Throws if a renewal returned the token that was refused.
#[napi(catch_unwind)]
pub fn check_renewed(before: String, now: String) -> Result<()> {
    ffi::renewed(&before, &now).map_err(throw)
}

/// The class of an HTTP response and what else it says.
#[napi(catch_unwind, ts_return_type = "object")]
pub fn classify_response(response: NativeApiResponse) -> Value {
    let response = response.core();
    let usage = response.api_usage();
    data::object(json!({
        "responseClass": response.class().as_str(),
        "retryAfter": response.retry_after(SystemTime::now()).map(milliseconds),
        "apiUsage": usage.map(|usage| data::api_usage(usage.used, usage.limit)),
    }))
}

/// The class of the status of a gRPC call.
#[napi(catch_unwind)]
pub fn classify_grpc_status(code: u32) -> String {
    grpc_response_class(code).as_str().to_owned()
}
