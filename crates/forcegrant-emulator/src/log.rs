//! The log of requests.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::request::{Endpoint, ReceivedRequest};

/// Older entries are dropped when there are more, so that load tests do not use much memory.
const MAX_LOGGED_REQUESTS: usize = 20_000;

/// The requests since the start or the last reset.
#[derive(Default)]
pub(crate) struct RequestLog {
    entries: VecDeque<LogEntry>,
    total: u64,
}

struct LogEntry {
    n: u64,
    endpoint: Endpoint,
    line: Value,
}

impl RequestLog {
    /// Logs an arrival and returns its number, counted from 1.
    pub(crate) fn arrived(&mut self, request: &ReceivedRequest, at_ms: u64) -> u64 {
        self.total += 1;
        let endpoint = request.endpoint();
        let line = json!({
            "n": self.total,
            "at_ms": at_ms,
            "endpoint": endpoint,
            "listener": request.listener,
            "via_proxy": request.via_proxy,
            "host": request.host,
            "sni": request.sni,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers_as_json(),
            "form": request.form_as_json(),
            "body_bytes": request.body.len(),
            "answered": null,
        });
        if self.entries.len() == MAX_LOGGED_REQUESTS {
            self.entries.pop_front();
        }
        self.entries.push_back(LogEntry {
            n: self.total,
            endpoint,
            line,
        });
        self.total
    }

    /// Notes the status of the response, or the name of the fault.
    pub(crate) fn answered(&mut self, n: u64, answered: Value) {
        // Requests of one test are few, and this one is near the end.
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.n == n) {
            entry.line["answered"] = answered;
        }
    }

    pub(crate) fn lines(&self, endpoint: Option<Endpoint>) -> Vec<Value> {
        let wanted =
            |entry: &&LogEntry| endpoint.is_none_or(|wanted| wanted.covers(entry.endpoint));
        self.entries
            .iter()
            .filter(wanted)
            .map(|entry| entry.line.clone())
            .collect()
    }
}
