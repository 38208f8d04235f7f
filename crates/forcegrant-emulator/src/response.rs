//! A response before it is sent.

use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// Status, headers and body, and how the body is delivered.
pub(crate) struct OutgoingResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) delivery: BodyDelivery,
}

/// How the body of a response is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyDelivery {
    Whole,
    /// The first half, a pause, the second half.
    Paused(Duration),
    /// The first half, then the connection is closed.
    Cut,
    /// A JSON object of this many bytes, generated while it is sent.
    Huge {
        bytes: u64,
        chunked: bool,
    },
}

impl OutgoingResponse {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut response = Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: HeaderMap::new(),
            body: body.into(),
            delivery: BodyDelivery::Whole,
        };
        if !content_type.is_empty() {
            response.set(CONTENT_TYPE, content_type);
        }
        response
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json;charset=UTF-8", body.to_string())
    }

    pub(crate) fn html(status: u16, title: &str) -> Self {
        let page = format!(
            "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        );
        Self::new(status, "text/html;charset=UTF-8", page)
    }

    pub(crate) fn text(status: u16, body: &'static str) -> Self {
        Self::new(status, "text/plain;charset=UTF-8", body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::new(status, "", "")
    }

    /// An OAuth error as the endpoints under `/services/oauth2` give it.
    pub(crate) fn oauth_error(status: u16, error: &str, description: &str) -> Self {
        let body = json!({ "error": error, "error_description": description });
        Self::json(status, &body)
    }

    /// An error of the REST APIs: an array of one object.
    pub(crate) fn rest_error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!([{ "message": message, "errorCode": code }]))
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::empty(status).with("location", location)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            self.set(name, value);
        }
        self
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    /// Changes the body if it is a JSON object.
    pub(crate) fn edit_object(&mut self, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        if let Ok(Value::Object(mut object)) = serde_json::from_slice(&self.body) {
            edit(&mut object);
            self.body = Value::Object(object).to_string().into();
        }
    }
}
