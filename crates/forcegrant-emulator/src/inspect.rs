//! The control operations as methods, for tests that read well.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::Config;
use crate::counters::Counters;
use crate::emulator::Emulator;
use crate::faults::Fault;
use crate::request::Endpoint;

/// A request that the emulator received. Its `Debug` leaves out what may be secret.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// Its number since the start or the last reset, from 1.
    pub n: u64,
    /// When it arrived, in milliseconds on the emulator's clock.
    pub at_ms: u64,
    /// What it was for.
    pub endpoint: Endpoint,
    /// `https`, `http` or `proxy` (the CONNECT itself).
    pub listener: String,
    /// Whether it came through the proxy.
    pub via_proxy: bool,
    /// The host asked for, without port.
    pub host: String,
    /// The server name of the TLS handshake.
    pub sni: Option<String>,
    /// The method.
    pub method: String,
    /// The path; of a CONNECT: host and port.
    pub path: String,
    /// The query without question mark.
    pub query: String,
    /// Header fields by lower-case name.
    pub headers: Map<String, Value>,
    /// Form fields, if it carried a form.
    pub form: Option<Map<String, Value>>,
    /// Size of the body.
    pub body_bytes: u64,
    /// The status of the response or the name of the fault; null while the request waits.
    pub answered: Value,
}

/// A session that is alive. Its `Debug` leaves out the token.
#[derive(Clone, Deserialize)]
#[non_exhaustive]
pub struct LiveSession {
    /// The access token.
    pub token: String,
    /// The user's name.
    pub user: String,
    /// The consumer key it was issued to.
    pub client_id: String,
    /// Start in milliseconds on the emulator's clock.
    pub starts: u64,
    /// End in milliseconds on the emulator's clock, if nothing happens.
    pub ends: u64,
}

impl LoggedRequest {
    /// A header's value; the name is lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str()
    }

    /// A form field's value.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.as_ref()?.get(name)?.as_str()
    }
}

/// These panic where [`Emulator::control`] returns an error: the test asked for something impossible.
#[allow(clippy::missing_panics_doc, reason = "said once above")]
impl Emulator {
    /// Figures since the start or the last reset.
    #[must_use]
    pub fn counters(&self) -> Counters {
        read(self.must(json!({ "op": "counters" })))
    }

    /// The requests received, the oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        read(self.must(json!({ "op": "requests" }))["requests"].take())
    }

    /// The requests received for one endpoint, the oldest first.
    #[must_use]
    pub fn requests_for(&self, endpoint: Endpoint) -> Vec<LoggedRequest> {
        read(self.must(json!({ "op": "requests", "endpoint": endpoint }))["requests"].take())
    }

    /// The live sessions of all orgs, the oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<LiveSession> {
        read(self.must(json!({ "op": "sessions" }))["sessions"].take())
    }

    /// Back to the configuration that the emulator was started with, or to another one.
    pub fn reset(&self, config: Option<&Config>) {
        self.must(json!({ "op": "reset", "config": config }));
    }

    /// Changes the default org, its first app or its first user: give an object
    /// with `org`, `app` or `user` and the fields to change.
    pub fn configure(&self, mut change: Value) {
        change["op"] = json!("configure");
        self.must(change);
    }

    /// Ends one session, as an admin can; `false` if it was not alive.
    #[allow(clippy::must_use_candidate, reason = "mostly done for its effect")]
    pub fn kill_session(&self, token: &str) -> bool {
        read(self.must(json!({ "op": "kill_session", "token": token }))["killed"].take())
    }

    /// Ends all sessions of the default org and returns how many were alive.
    #[allow(clippy::must_use_candidate, reason = "mostly done for its effect")]
    pub fn kill_sessions(&self) -> u64 {
        read(self.must(json!({ "op": "kill_sessions" }))["killed"].take())
    }

    /// Moves the emulator's clock.
    pub fn advance(&self, by: Duration) {
        self.must(json!({ "op": "advance", "seconds": by.as_secs_f64() }));
    }

    /// Milliseconds since 1970 on the emulator's clock.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        read(self.must(json!({ "op": "now" }))["now_ms"].take())
    }

    /// Adds a fault rule.
    pub fn fault(&self, fault: &Fault) {
        let mut operation = fault.to_json();
        operation["op"] = json!("fault");
        self.must(operation);
    }

    /// Removes all fault rules.
    pub fn clear_faults(&self) {
        self.must(json!({ "op": "clear_faults" }));
    }

    /// Resumes the requests that a `Hold` has stopped.
    pub fn release(&self) {
        self.must(json!({ "op": "release" }));
    }

    /// Waits until that many requests for the endpoint have arrived since the start or the last reset, at most ten
    /// seconds. Blocks the calling thread, so the requests have to be sent from another one.
    pub fn wait_requests(&self, endpoint: Endpoint, count: u64) {
        self.must(json!({ "op": "wait_requests", "endpoint": endpoint, "count": count }));
    }

    fn must(&self, operation: Value) -> Value {
        self.control(operation)
            .unwrap_or_else(|error| panic!("the emulator refused: {error}"))
    }
}

impl fmt::Debug for LoggedRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LoggedRequest")
            .field("n", &self.n)
            .field("listener", &self.listener)
            .field("host", &self.host)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveSession {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveSession")
            .field("user", &self.user)
            .field("starts", &self.starts)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the control API responds as documented")
}
