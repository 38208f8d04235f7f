//! What an API's answer says about the token.

use std::time::SystemTime;

use forcegrant::{ApiResponse, ApiUsage, ResponseClass, grpc_response_class};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;

use crate::data::{count, milliseconds};

/// The parts of an answer that matter.
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

/// What they say.
#[napi(object, object_from_js = false)]
pub struct NativeClassification {
    /// A stable word.
    pub response_class: String,
    /// Whether a new token helps.
    pub session_expired: bool,
    /// How long to wait.
    pub retry_after: Option<f64>,
    /// API requests of the last 24 hours.
    pub used: Option<f64>,
    /// How many are allowed.
    pub limit: Option<f64>,
}

/// The class of a response over HTTP.
#[napi(catch_unwind)]
pub fn classify_response(answer: NativeApiResponse) -> NativeClassification {
    let parts = ApiResponse {
        status: answer.status,
        body: answer.body.as_deref().unwrap_or_default(),
        retry_after: answer.retry_after.as_deref(),
        limit_info: answer.limit_info.as_deref(),
    };
    let usage = parts.api_usage();
    let numbers = |number: fn(ApiUsage) -> u64| usage.map(|usage| count(number(usage)));
    NativeClassification {
        retry_after: parts.retry_after(SystemTime::now()).map(milliseconds),
        used: numbers(|usage| usage.used),
        limit: numbers(|usage| usage.limit),
        ..judged(parts.class())
    }
}

/// The class of the status of a gRPC call.
#[napi(catch_unwind)]
pub fn classify_grpc_status(code: u32) -> NativeClassification {
    judged(grpc_response_class(code))
}

fn judged(class: ResponseClass) -> NativeClassification {
    NativeClassification {
        response_class: class.as_str().to_owned(),
        session_expired: class == ResponseClass::SessionExpired,
        retry_after: None,
        used: None,
        limit: None,
    }
}
