//! Answers that go wrong on purpose, by rule.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Delivery};
use crate::request::{Endpoint, Request};

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
    /// Nothing is sent for a while, then the answer. Goes together with other faults.
    SlowHead {
        /// Milliseconds of real time.
        ms: u64,
    },
    /// Head and half of the body, a pause, the rest. Goes together with other faults.
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
    /// 200 and `application/json`, but the body is none.
    NotJson,
    /// The right JSON as `text/html`.
    WrongContentType,
    /// The connection is reset instead of an answer.
    Reset,
    /// The request waits until a `release`. Goes together with other faults.
    Hold,
    /// A redirect.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location` header.
        location: String,
    },
    /// The right answer with another `instance_url`.
    ForeignInstanceUrl {
        /// That URL.
        url: String,
    },
    /// The right answer without `access_token`.
    MissingToken,
    /// The right answer with a field of an unexpected type.
    WrongType {
        /// The field's name.
        field: String,
        /// What stands there instead.
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
    /// Any answer.
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
    /// The right answer with these fields set.
    SetFields {
        /// Names and values.
        fields: Map<String, Value>,
    },
    /// A token is issued whose session is dead already.
    DeadToken,
}

/// A rule: which requests meet which fault. Without `first` or `every` all do.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "hand it to `Emulator::fault`"]
pub struct Fault {
    pub(crate) endpoint: Endpoint,
    pub(crate) kind: FaultKind,
    pub(crate) first: Option<u64>,
    pub(crate) every: Option<u64>,
    pub(crate) skip: u64,
    pub(crate) my_domain: Option<String>,
}

impl Fault {
    /// Every request for `endpoint` meets `kind`.
    pub fn new(endpoint: Endpoint, kind: FaultKind) -> Self {
        Self {
            endpoint,
            kind,
            first: None,
            every: None,
            skip: 0,
            my_domain: None,
        }
    }

    /// Only the first `count` requests.
    pub fn first(mut self, count: u64) -> Self {
        self.first = Some(count);
        self
    }

    /// Only each `period`th request.
    pub fn every(mut self, period: u64) -> Self {
        self.every = Some(period);
        self
    }

    /// Leaves `count` requests alone before it starts counting.
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Only requests for that host.
    pub fn my_domain(mut self, host: impl Into<String>) -> Self {
        self.my_domain = Some(host.into());
        self
    }

    /// A rule from the fields of a `fault` operation. Parameters may stand
    /// beside the other fields or in an object `params`.
    pub(crate) fn from_json(mut fields: Map<String, Value>) -> Result<Self, String> {
        let endpoint = match fields.remove("endpoint") {
            Some(value) => parsed("endpoint", value)?,
            None => {
                return Err(
                    "`endpoint` is missing; give \"token\", \"data\" or \"any\", say".to_owned(),
                );
            }
        };
        let Some(kind) = fields.remove("kind") else {
            return Err("`kind` is missing; give \"503_html\" or \"hold\", say".to_owned());
        };
        let first = optional("first", &mut fields)?;
        let every: Option<u64> = optional("every", &mut fields)?;
        let skip = optional("skip", &mut fields)?.unwrap_or_default();
        let my_domain = optional("my_domain", &mut fields)?;
        if let Some(Value::Object(more)) = fields.remove("params") {
            fields.extend(more);
        }
        if first.is_some() && every.is_some() {
            return Err("`first` and `every` are both given; give one of them".to_owned());
        }
        if every == Some(0) {
            return Err("`every` is 0; give 1 or more".to_owned());
        }
        Ok(Self {
            endpoint,
            kind: kind_from_json(&kind, &fields)?,
            first,
            every,
            skip,
            my_domain,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let (kind, params) = self.kind.as_json();
        json!({
            "endpoint": self.endpoint, "kind": kind, "params": params, "first": self.first,
            "every": self.every, "skip": self.skip, "my_domain": self.my_domain,
        })
    }
}

impl FaultKind {
    /// The name that the control API and the log use.
    pub(crate) fn label(&self) -> String {
        self.as_json().0
    }

    fn as_json(&self) -> (String, Value) {
        match json!(self) {
            Value::Object(object) => object.into_iter().next().unwrap_or_default(),
            name => (name.as_str().unwrap_or_default().to_owned(), json!({})),
        }
    }

    /// The answer that stands in for the endpoint's own, if the endpoint is not to be asked.
    pub(crate) fn stand_in(&self) -> Option<Answer> {
        Some(match self {
            Self::Html503 => Answer::html(503, "Service Unavailable"),
            Self::Html502 => Answer::html(502, "Bad Gateway"),
            Self::Html504 => Answer::html(504, "Gateway Timeout"),
            Self::Empty500 => Answer::empty(500),
            Self::Empty406 => Answer::empty(406),
            Self::Html420 => Answer::html(420, "Setting things up"),
            Self::TooMany => Answer::html(429, "Too Many Requests"),
            Self::TooManyRetryAfter { seconds } => {
                Answer::html(429, "Too Many Requests").with("retry-after", &seconds.to_string())
            }
            Self::HugeBody { bytes, chunked } => {
                let mut answer = Answer::new(200, "application/json;charset=UTF-8", "");
                answer.delivery = Delivery::Huge {
                    bytes: *bytes,
                    chunked: *chunked,
                };
                answer
            }
            Self::NotJson => Answer::new(
                200,
                "application/json;charset=UTF-8",
                "<html>no JSON</html>",
            ),
            Self::Redirect { status, location } => Answer::redirect(*status, location),
            Self::Refusal {
                error,
                description,
                status,
            } => Answer::oauth_error(*status, error, description),
            Self::Status {
                status,
                body,
                content_type,
                headers,
            } => {
                let answer = Answer::new(*status, content_type, body.clone());
                headers.iter().fold(answer, |answer, (name, value)| {
                    answer.with(name, value.as_str().unwrap_or(&value.to_string()))
                })
            }
            _ => return None,
        })
    }

    /// Changes the endpoint's own answer.
    pub(crate) fn edit(&self, answer: &mut Answer) {
        match self {
            Self::CutBody => answer.delivery = Delivery::Cut,
            Self::WrongContentType => {
                answer.set(hyper::header::CONTENT_TYPE, "text/html;charset=UTF-8");
            }
            Self::ForeignInstanceUrl { url } => answer.edit_object(|object| {
                object.insert("instance_url".to_owned(), url.clone().into());
            }),
            Self::MissingToken => answer.edit_object(|object| {
                object.remove("access_token");
            }),
            Self::WrongType { field, value } => answer.edit_object(|object| {
                object.insert(field.clone(), value.clone());
            }),
            Self::SetFields { fields } => answer.edit_object(|object| {
                object.extend(fields.clone());
            }),
            _ => {}
        }
    }
}

/// What one request meets.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) hold: bool,
    pub(crate) head_delay: Option<Duration>,
    pub(crate) body_delay: Option<Duration>,
    pub(crate) act: Option<FaultKind>,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        !self.hold && self.head_delay.is_none() && self.body_delay.is_none() && self.act.is_none()
    }
}

/// The rules in force, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
    last_id: u64,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    met: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.rules.push(Rule { fault, met: 0 });
        self.last_id
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn clear_holds(&mut self) {
        self.rules.retain(|rule| rule.fault.kind != FaultKind::Hold);
    }

    /// What this request meets: delays add up, and the first rule with anything
    /// else wins. Rules behind that one do not see (or count) the request.
    pub(crate) fn plan(&mut self, request: &Request) -> Plan {
        let mut plan = Plan::default();
        for rule in &mut self.rules {
            if !rule.fires(request) {
                continue;
            }
            match &rule.fault.kind {
                FaultKind::Hold => plan.hold = true,
                FaultKind::SlowHead { ms } => add(&mut plan.head_delay, *ms),
                FaultKind::SlowBody { ms } => add(&mut plan.body_delay, *ms),
                other => {
                    plan.act = Some(other.clone());
                    break;
                }
            }
        }
        plan
    }
}

impl Rule {
    fn fires(&mut self, request: &Request) -> bool {
        let fault = &self.fault;
        let elsewhere = fault
            .my_domain
            .as_ref()
            .is_some_and(|host| *host != request.host);
        if elsewhere || !fault.endpoint.covers(request.endpoint()) {
            return false;
        }
        self.met += 1;
        let Some(place) = self.met.checked_sub(fault.skip).filter(|place| *place > 0) else {
            return false;
        };
        match (fault.first, fault.every) {
            (Some(first), _) => place <= first,
            (None, Some(every)) => place.is_multiple_of(every),
            (None, None) => true,
        }
    }
}

fn add(delay: &mut Option<Duration>, ms: u64) {
    *delay = Some(delay.unwrap_or_default() + Duration::from_millis(ms));
}

fn kind_from_json(kind: &Value, params: &Map<String, Value>) -> Result<FaultKind, String> {
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
    serde_json::from_value(json!({ name: params })).map_err(|error| format!("`kind`: {error}"))
}

fn optional<T: serde::de::DeserializeOwned>(
    field: &str,
    fields: &mut Map<String, Value>,
) -> Result<Option<T>, String> {
    let given = fields.remove(field).filter(|value| !value.is_null());
    given.map_or(Ok(None), |value| parsed(field, value))
}

fn parsed<T: serde::de::DeserializeOwned>(field: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("`{field}`: {error}"))
}

fn bad_request() -> u16 {
    400
}

fn text_plain() -> String {
    "text/plain;charset=UTF-8".to_owned()
}
