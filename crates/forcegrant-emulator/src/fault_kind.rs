//! What can go wrong with a response.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::echo::{EchoEncoding, EchoPlace, echo};
use crate::request::ReceivedRequest;
use crate::response::{BodyDelivery, OutgoingResponse};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// 503 with an HTML page.
    #[serde(rename = "503_html")]
    Html503,
    /// 502 with an HTML page.
    #[serde(rename = "502_html")]
    Html502,
    /// 504 with an HTML page.
    #[serde(rename = "504_html")]
    Html504,
    /// 500 with an empty body.
    #[serde(rename = "500_empty")]
    Empty500,
    /// 406 with an empty body.
    #[serde(rename = "406_empty")]
    Empty406,
    /// 420 with an HTML page: the org is being set up.
    #[serde(rename = "420_html")]
    Html420,
    /// 429 without `Retry-After`.
    #[serde(rename = "429")]
    TooMany,
    /// 429 with `Retry-After`.
    #[serde(rename = "429_retry_after")]
    TooManyRetryAfter {
        /// The header's value.
        seconds: u64,
    },
    /// Nothing is sent for a while, then the response. Can be combined with other faults.
    SlowHead {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Head and half of the body, a pause, the rest. Can be combined with other faults.
    SlowBody {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Head and half of the body, then the connection is closed.
    CutBody,
    /// 200 with a JSON object of that size.
    HugeBody {
        /// Size of the body.
        bytes: u64,
        /// Chunked instead of `Content-Length`.
        #[serde(default)]
        chunked: bool,
    },
    /// 200 and `application/json`, but the body is not JSON.
    NotJson,
    /// The right JSON as `text/html`.
    WrongContentType,
    /// The connection is reset instead of a response.
    Reset,
    /// The request waits until a `release`. Can be combined with other faults.
    Hold,
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location` header.
        location: String,
    },
    /// The right response with another `instance_url`.
    ForeignInstanceUrl {
        /// That URL.
        url: String,
    },
    /// The right response without `access_token`.
    MissingToken,
    /// The right response with a field of an unexpected type.
    WrongType {
        /// The field's name.
        field: String,
        /// The value that is sent instead.
        value: Value,
    },
    /// An OAuth error.
    Refusal {
        /// `error`.
        error: String,
        /// `error_description`.
        description: String,
        /// The status, 400 if left out.
        #[serde(default = "bad_request")]
        status: u16,
    },
    /// Any response.
    Status {
        /// The status.
        status: u16,
        /// The body.
        #[serde(default)]
        body: String,
        /// `text/plain` if left out.
        #[serde(default = "text_plain")]
        content_type: String,
        /// More headers.
        #[serde(default)]
        headers: Map<String, Value>,
    },
    /// The right response with these fields set.
    SetFields {
        /// Names and values.
        fields: Map<String, Value>,
    },
    /// A token is issued whose session has already ended.
    DeadToken,
    /// The whole request comes back: its headers, `Authorization` included, and its body.
    Echo {
        /// Where.
        place: EchoPlace,
        /// In which encoding; raw if left out.
        #[serde(default)]
        encoding: EchoEncoding,
    },
}

impl FaultKind {
    /// The name that the control API and the log use.
    pub(crate) fn label(&self) -> String {
        self.as_json().0
    }

    /// Its name and its parameters.
    pub(crate) fn as_json(&self) -> (String, Value) {
        match json!(self) {
            Value::Object(object) => object.into_iter().next().unwrap_or_default(),
            name => (name.as_str().unwrap_or_default().to_owned(), json!({})),
        }
    }

    /// The response that is sent without asking the endpoint, if this fault has one.
    pub(crate) fn replacement(&self, request: &ReceivedRequest) -> Option<OutgoingResponse> {
        Some(match self {
            Self::Echo { place, encoding } => echo(request, *place, *encoding),
            Self::Html503 => OutgoingResponse::html(503, "Service Unavailable"),
            Self::Html502 => OutgoingResponse::html(502, "Bad Gateway"),
            Self::Html504 => OutgoingResponse::html(504, "Gateway Timeout"),
            Self::Empty500 => OutgoingResponse::empty(500),
            Self::Empty406 => OutgoingResponse::empty(406),
            Self::Html420 => OutgoingResponse::html(420, "Setting things up"),
            Self::TooMany => OutgoingResponse::html(429, "Too Many Requests"),
            Self::TooManyRetryAfter { seconds } => OutgoingResponse::html(429, "Too Many Requests")
                .with("retry-after", &seconds.to_string()),
            Self::HugeBody { bytes, chunked } => {
                let mut response = OutgoingResponse::new(200, "application/json;charset=UTF-8", "");
                response.delivery = BodyDelivery::Huge {
                    bytes: *bytes,
                    chunked: *chunked,
                };
                response
            }
            Self::NotJson => OutgoingResponse::new(
                200,
                "application/json;charset=UTF-8",
                "<html>no JSON</html>",
            ),
            Self::Redirect { status, location } => OutgoingResponse::redirect(*status, location),
            Self::Refusal {
                error,
                description,
                status,
            } => OutgoingResponse::oauth_error(*status, error, description),
            Self::Status {
                status,
                body,
                content_type,
                headers,
            } => {
                let response = OutgoingResponse::new(*status, content_type, body.clone());
                headers.iter().fold(response, |response, (name, value)| {
                    response.with(name, value.as_str().unwrap_or(&value.to_string()))
                })
            }
            _ => return None,
        })
    }

    /// Changes the endpoint's own response.
    pub(crate) fn edit(&self, response: &mut OutgoingResponse) {
        match self {
            Self::CutBody => response.delivery = BodyDelivery::Cut,
            Self::WrongContentType => {
                response.set(hyper::header::CONTENT_TYPE, "text/html;charset=UTF-8");
            }
            Self::ForeignInstanceUrl { url } => response.edit_object(|object| {
                object.insert("instance_url".to_owned(), url.clone().into());
            }),
            Self::MissingToken => response.edit_object(|object| {
                object.remove("access_token");
            }),
            Self::WrongType { field, value } => response.edit_object(|object| {
                object.insert(field.clone(), value.clone());
            }),
            Self::SetFields { fields } => response.edit_object(|object| {
                object.extend(fields.clone());
            }),
            _ => {}
        }
    }
}

/// A kind from its name and its parameters.
pub(crate) fn kind_from_json(
    kind: &Value,
    params: &Map<String, Value>,
) -> Result<FaultKind, String> {
    let Some(name) = kind.as_str() else {
        return Err(format!(
            "`kind` is {kind}; give a name such as \"503_html\""
        ));
    };
    if let Ok(simple) = serde_json::from_value::<FaultKind>(kind.clone()) {
        return match params.keys().next() {
            None => Ok(simple),
            Some(field) => Err(format!(
                "`{name}` takes no parameter, and `{field}` was given"
            )),
        };
    }
    let kind: FaultKind = serde_json::from_value(json!({ name: params }))
        .map_err(|error| format!("`kind`: {error}"))?;
    match kind {
        FaultKind::Redirect { status, .. } if !(300..400).contains(&status) => {
            Err(format!("`status` is {status}; give 300 to 399"))
        }
        FaultKind::Status { status, .. } | FaultKind::Refusal { status, .. }
            if !(200..600).contains(&status) =>
        {
            Err(format!("`status` is {status}; give 200 to 599"))
        }
        kind => Ok(kind),
    }
}

fn bad_request() -> u16 {
    400
}

fn text_plain() -> String {
    "text/plain;charset=UTF-8".to_owned()
}
