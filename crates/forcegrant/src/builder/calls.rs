//! The options of calls through HTTP clients.

use std::time::Duration;

use super::ClientBuilder;

impl ClientBuilder {
    /// Attempts of one API call through this client's adapters, 1 to 10. With more than one, calls are repeated after
    /// a response with 503, 429 and the like, if their method may be repeated (not POST or PATCH) and their body can be
    /// sent again. Default 1: off.
    pub fn call_attempts(mut self, attempts: u32) -> Self {
        self.calls.max_attempts = attempts;
        self
    }

    /// The longest first pause between two such attempts, and the longest of all; it doubles in
    /// between, and is drawn at random from nothing to that. Default 500 ms and 10 s.
    pub fn call_backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.calls.first = first;
        self.calls.cap = cap;
        self
    }

    /// A `Retry-After` up to this is waited for between two such attempts; a longer one ends the call
    /// with the response that has it. Default 30 s.
    pub fn call_retry_after_cap(mut self, cap: Duration) -> Self {
        self.calls.retry_after_cap = cap;
        self
    }
}
