//! What a client tells about itself.

use std::time::SystemTime;

use pyo3::prelude::*;

use crate::error::exception;
use crate::handle::Shared;
use crate::token::{Expiry, Token};

/// What a client knows at one instant, without asking anyone.
#[pyclass(frozen, get_all, module = "forcegrant")]
pub(crate) struct Status {
    /// `empty` (no usable token), `fresh`, `aging` (used, and renewed in the background), `lapsed`
    /// (past an estimated end, used while it cannot be renewed) or `cooling` (no usable token, and
    /// a recent failure is answered again without asking Salesforce).
    state: &'static str,
    /// Whether a request for a token is on its way.
    in_flight: bool,
    /// When the current token ends.
    expiry: Option<Py<Expiry>>,
    /// When it is renewed in the background (UTC).
    refresh_at: Option<SystemTime>,
    /// Which token it is.
    fingerprint: Option<String>,
    /// How many tokens were got.
    mints: u64,
    /// How many tries to get one failed.
    failures: u64,
    /// Why the last one failed, if none succeeded since.
    last_error: Option<Py<PyAny>>,
    /// When (UTC).
    last_failure_at: Option<SystemTime>,
    /// Until when failures are answered from memory (UTC).
    cooling_until: Option<SystemTime>,
    /// The host that tokens are asked from.
    login_host: String,
}

impl Status {
    pub(crate) fn new(py: Python<'_>, status: &forcegrant::Status) -> PyResult<Self> {
        Ok(Self {
            state: status.state.as_str(),
            in_flight: status.in_flight,
            expiry: status
                .expiry
                .map(|expiry| Py::new(py, Expiry(expiry)))
                .transpose()?,
            refresh_at: status.refresh_at,
            fingerprint: status.fingerprint.clone(),
            mints: status.mints,
            failures: status.failures,
            last_error: status
                .last_error
                .as_ref()
                .map(|error| exception(py, error).map(Bound::unbind))
                .transpose()?,
            last_failure_at: status.last_failure_at,
            cooling_until: status.cooling_until,
            login_host: status.login_host.clone(),
        })
    }
}

#[pymethods]
impl Status {
    fn __repr__(&self) -> String {
        format!(
            "<Status {} at {}: {} mints, {} failures>",
            self.state, self.login_host, self.mints, self.failures
        )
    }
}

/// A token that was got afresh and has been used for one harmless API call.
#[pyclass(frozen, get_all, module = "forcegrant")]
pub(crate) struct Verified {
    /// The token.
    token: Py<Token>,
    /// The 18-character id of the org.
    org_id: Option<String>,
    /// The 18-character id of the user that the app runs as.
    user_id: Option<String>,
    /// API calls used and allowed in 24 hours, where Salesforce said so.
    api_usage: Option<(u64, u64)>,
    /// The host that the token was asked from.
    login_host: String,
}

impl Verified {
    pub(crate) fn new(
        py: Python<'_>,
        shared: &Shared,
        verified: &forcegrant::Verified,
    ) -> PyResult<Py<Self>> {
        Py::new(
            py,
            Self {
                token: shared.keep(py, verified.token.clone())?,
                org_id: verified.token.org_id().map(str::to_owned),
                user_id: verified.token.user_id().map(str::to_owned),
                api_usage: verified.api_usage,
                login_host: shared.login_host().to_owned(),
            },
        )
    }
}

#[pymethods]
impl Verified {
    fn __repr__(&self) -> String {
        format!(
            "<Verified {}: org {}, user {}>",
            self.login_host,
            self.org_id.as_deref().unwrap_or("unknown"),
            self.user_id.as_deref().unwrap_or("unknown"),
        )
    }
}

/// A time as people and log files read it.
pub(crate) fn iso(py: Python<'_>, time: SystemTime) -> PyResult<String> {
    time.into_pyobject(py)?
        .call_method1("isoformat", (" ", "seconds"))?
        .extract()
}
