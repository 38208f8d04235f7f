//! What a client or a pool tells about itself.

use std::time::Duration;

use forcegrant::{Prewarmed, Status};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::exception;
use crate::time::Utc;
use crate::token::{PyExpiry, PyToken};

/// What a client knows at one instant, without asking anyone.
#[pyclass(frozen, get_all, name = "Status", module = "forcegrant")]
pub(crate) struct PyStatus {
    /// `empty` (no usable token), `fresh`, `refresh_due` (used, and renewed in the background), `stale`
    /// (past an estimated end, used while it cannot be renewed) or `backing_off` (no usable token, and
    /// a recent failure is answered again without asking Salesforce).
    state: &'static str,
    /// Whether a request for a token is on its way.
    in_flight: bool,
    /// When the current token ends.
    expiry: Option<Py<PyExpiry>>,
    /// When it is renewed in the background (UTC).
    refresh_at: Option<Utc>,
    /// Which token it is.
    fingerprint: Option<String>,
    /// How many tokens were got.
    logins: u64,
    /// How many tries to get one failed.
    failures: u64,
    /// Why the last one failed, if none succeeded since.
    last_error: Option<Py<PyAny>>,
    /// When (UTC).
    last_failure_at: Option<Utc>,
    /// Until when failures are answered from memory (UTC).
    backing_off_until: Option<Utc>,
    /// How old the last token was that was reported as rejected.
    last_rejected_age: Option<Duration>,
    /// The lifetime that rejections taught, while it is in force.
    learned_lifetime: Option<Duration>,
    /// The host that tokens are asked from.
    login_host: String,
}

impl PyStatus {
    pub(crate) fn new(py: Python<'_>, status: &Status) -> PyResult<Self> {
        Ok(Self {
            state: status.state.as_str(),
            in_flight: status.in_flight,
            expiry: status
                .expiry
                .map(|expiry| Py::new(py, PyExpiry(expiry)))
                .transpose()?,
            refresh_at: status.refresh_at.map(Utc),
            fingerprint: status.fingerprint.clone(),
            logins: status.logins,
            failures: status.failures,
            last_error: status
                .last_error
                .as_ref()
                .map(|error| exception(py, error).map(Bound::unbind))
                .transpose()?,
            last_failure_at: status.last_failure_at.map(Utc),
            backing_off_until: status.backing_off_until.map(Utc),
            last_rejected_age: status.last_rejected_age,
            learned_lifetime: status.learned_lifetime,
            login_host: status.login_host.clone(),
        })
    }
}

#[pymethods]
impl PyStatus {
    fn __repr__(&self) -> String {
        format!(
            "<Status {} at {}: {} logins, {} failures>",
            self.state, self.login_host, self.logins, self.failures
        )
    }
}

/// A token that was got afresh and has been used for one harmless API call.
#[pyclass(frozen, get_all, name = "Verified", module = "forcegrant")]
pub(crate) struct PyVerified {
    /// The new token, which the client gives out from now on.
    token: Py<PyToken>,
    /// API calls used and allowed in 24 hours, where Salesforce said so.
    api_usage: Option<(u64, u64)>,
}

impl PyVerified {
    pub(crate) fn new(token: Py<PyToken>, api_usage: Option<(u64, u64)>) -> Self {
        Self { token, api_usage }
    }
}

#[pymethods]
impl PyVerified {
    fn __repr__(&self) -> String {
        let token = &self.token.get().core;
        format!(
            "<Verified {}: org {}, user {}>",
            token.instance_url(),
            token.org_id().unwrap_or("unknown"),
            token.user_id().unwrap_or("unknown"),
        )
    }
}

/// What came of logging in ahead.
#[pyclass(frozen, get_all, name = "Prewarmed", module = "forcegrant")]
pub(crate) struct PyPrewarmed {
    /// How many keys have a usable token now.
    ready: usize,
    /// The keys whose login failed, and the `ForcegrantError` of each.
    failed: Py<PyDict>,
}

impl PyPrewarmed {
    pub(crate) fn new(py: Python<'_>, warm: &Prewarmed) -> PyResult<Self> {
        let failed = PyDict::new(py);
        for (key, error) in &warm.failed {
            failed.set_item(key, exception(py, error)?)?;
        }
        Ok(Self {
            ready: warm.ready,
            failed: failed.unbind(),
        })
    }
}

#[pymethods]
impl PyPrewarmed {
    fn __repr__(&self, py: Python<'_>) -> String {
        let failed = self.failed.bind(py).len();
        format!("<Prewarmed: {} ready, {failed} failed>", self.ready)
    }
}
