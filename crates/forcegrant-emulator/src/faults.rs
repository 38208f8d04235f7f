//! Which requests meet which fault.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::fault_kind::{FaultKind, kind_from_json};
use crate::request::{Endpoint, ReceivedRequest};

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
                    "`endpoint` is missing; give \"token\", \"data\" or \"any\", for example"
                        .to_owned(),
                );
            }
        };
        let Some(kind) = fields.remove("kind") else {
            return Err("`kind` is missing; give \"503_html\" or \"hold\", for example".to_owned());
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

/// What one request meets.
#[derive(Debug, Default)]
pub(crate) struct FaultPlan {
    pub(crate) hold: bool,
    pub(crate) head_delay: Option<Duration>,
    pub(crate) body_delay: Option<Duration>,
    pub(crate) act: Option<FaultKind>,
}

impl FaultPlan {
    pub(crate) fn is_empty(&self) -> bool {
        !self.hold && self.head_delay.is_none() && self.body_delay.is_none() && self.act.is_none()
    }
}

/// The rules in force, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct FaultRules {
    rules: Vec<FaultRule>,
    last_id: u64,
}

#[derive(Debug)]
struct FaultRule {
    fault: Fault,
    met: u64,
}

impl FaultRules {
    pub(crate) fn add(&mut self, fault: Fault) -> u64 {
        self.last_id += 1;
        self.rules.push(FaultRule { fault, met: 0 });
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
    pub(crate) fn plan(&mut self, request: &ReceivedRequest) -> FaultPlan {
        let mut plan = FaultPlan::default();
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

impl FaultRule {
    fn fires(&mut self, request: &ReceivedRequest) -> bool {
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

fn optional<T: DeserializeOwned>(
    field: &str,
    fields: &mut Map<String, Value>,
) -> Result<Option<T>, String> {
    let given = fields.remove(field).filter(|value| !value.is_null());
    given.map_or(Ok(None), |value| parsed(field, value))
}

fn parsed<T: DeserializeOwned>(field: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| format!("`{field}`: {error}"))
}
