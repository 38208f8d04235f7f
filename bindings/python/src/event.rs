//! What happened, for `on_event` and `logging`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use forcegrant::MeasurementKind;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::exception;
use crate::time::Utc;
use crate::token::Expiry;

/// Something that happened in a client. It holds no secret and no token, so it can be logged.
///
/// `name` says what; the attributes that events of this name do not have are None.
#[pyclass(frozen, get_all, module = "forcegrant")]
pub(crate) struct Event {
    /// A stable word: `login_started`, `login_retried`, `login_succeeded`, `login_failed`,
    /// `refresh_due`, `serving_stale`, `invalidated`, `same_token_returned`,
    /// `token_adopted`, `store_failed`, `introspection_failed`, `login_budget_warning`, `credentials_rotated`,
    /// `credentials_reload_failed` or `signature_mismatch`.
    name: &'static str,
    /// How much it matters: `debug`, `info` or `warning`.
    level: &'static str,
    /// When it happened (UTC). It may be told later.
    at: Utc,
    /// The host that the client asks for tokens.
    login_host: String,
    /// The client's key in its pool; None for a client by itself.
    key: Option<String>,
    /// How many events were lost before this one, because nobody came to fetch them.
    missed: u64,
    /// Whether nobody waits for the login: a usable token is served meanwhile.
    background: Option<bool>,
    /// Attempts of the login so far.
    attempts: Option<u32>,
    /// The pause before the next attempt.
    pause: Option<Duration>,
    /// From the first request of the login to its end.
    took: Option<Duration>,
    /// How long ago the rejected token was requested.
    age: Option<Duration>,
    /// Which token it is about, or which pair of credentials.
    fingerprint: Option<String>,
    /// When the new token ends.
    expiry: Option<Py<Expiry>>,
    /// What the new token had left to live when it arrived.
    lifetime: Option<Duration>,
    /// The client id now in use.
    client_id: Option<String>,
    /// Logins of this process in the last hour.
    used: Option<u32>,
    /// None is started from here on.
    stop: Option<u32>,
    /// What went wrong: a `ForcegrantError`.
    error: Option<Py<PyAny>>,
    /// The event as numbers, for metrics.
    measurements: Py<PyTuple>,
}

impl Event {
    /// The same of a client in a pool.
    pub(crate) fn of_key(self, key: Option<&String>) -> Self {
        Self {
            key: key.cloned(),
            ..self
        }
    }

    pub(crate) fn new(
        py: Python<'_>,
        event: &forcegrant::Event,
        host: &str,
        at: SystemTime,
        missed: u64,
    ) -> PyResult<Self> {
        use forcegrant::Event as Core;
        let mut data = Self::bare(py, event, host, at, missed)?;
        let failed = |error| exception(py, error).map(|error| Some(error.unbind()));
        match event {
            Core::LoginStarted { background, .. } => data.background = Some(*background),
            Core::LoginRetried {
                error,
                attempts,
                pause,
                ..
            } => {
                data.error = failed(error)?;
                data.attempts = Some(*attempts);
                data.pause = Some(*pause);
            }
            Core::LoginSucceeded {
                fingerprint,
                expiry,
                lifetime,
                attempts,
                took,
                ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.expiry = Some(Py::new(py, Expiry(*expiry))?);
                data.lifetime = Some(*lifetime);
                data.attempts = Some(*attempts);
                data.took = Some(*took);
            }
            Core::LoginFailed {
                error,
                attempts,
                took,
                ..
            } => {
                data.error = failed(error)?;
                data.attempts = Some(*attempts);
                data.took = Some(*took);
            }
            Core::TokenAdopted {
                fingerprint,
                expiry,
                lifetime,
                ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.expiry = Some(Py::new(py, Expiry(*expiry))?);
                data.lifetime = Some(*lifetime);
            }
            Core::Invalidated {
                fingerprint, age, ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.age = Some(*age);
            }
            Core::LoginBudgetWarning { used, stop, .. } => {
                data.used = Some(*used);
                data.stop = Some(*stop);
            }
            Core::CredentialsRotated {
                client_id,
                fingerprint,
                ..
            } => {
                data.client_id = Some(client_id.clone());
                data.fingerprint = Some(fingerprint.clone());
            }
            Core::IntrospectionFailed { error, .. }
            | Core::StoreFailed { error, .. }
            | Core::CredentialsReloadFailed { error, .. } => data.error = failed(error)?,
            Core::RefreshDue { fingerprint, .. }
            | Core::ServingStale { fingerprint, .. }
            | Core::SameTokenReturned { fingerprint, .. }
            | Core::SignatureMismatch { fingerprint, .. } => {
                data.fingerprint = Some(fingerprint.clone());
            }
            // An event that this version does not know goes by its name alone.
            _ => {}
        }
        Ok(data)
    }

    /// What every event has.
    fn bare(
        py: Python<'_>,
        event: &forcegrant::Event,
        host: &str,
        at: SystemTime,
        missed: u64,
    ) -> PyResult<Self> {
        let measurements = event
            .measurements()
            .iter()
            .map(|measured| Measurement::new(py, measured))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            name: event.name(),
            level: level(event),
            at: Utc(at),
            login_host: host.to_owned(),
            key: None,
            missed,
            background: None,
            attempts: None,
            pause: None,
            took: None,
            age: None,
            fingerprint: None,
            expiry: None,
            lifetime: None,
            client_id: None,
            used: None,
            stop: None,
            error: None,
            measurements: PyTuple::new(py, measurements)?.unbind(),
        })
    }
}

#[pymethods]
impl Event {
    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        let mut text = format!("{} at {}", self.name, self.login_host);
        let seconds =
            |time: Option<Duration>| time.map(|time| format!("{:.3} s", time.as_secs_f64()));
        let details = [
            ("background", self.background.map(|yes| yes.to_string())),
            ("attempts", self.attempts.map(|number| number.to_string())),
            ("pause", seconds(self.pause)),
            ("took", seconds(self.took)),
            ("age", seconds(self.age)),
            ("lifetime", seconds(self.lifetime)),
            ("fingerprint", self.fingerprint.clone()),
            ("client_id", self.client_id.clone()),
            ("used", self.used.map(|number| number.to_string())),
            ("stop", self.stop.map(|number| number.to_string())),
            ("missed", (self.missed > 0).then(|| self.missed.to_string())),
        ];
        let given = details
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        for (index, (name, value)) in given.enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            let _ = write!(text, "{before}{name} {value}");
        }
        if let Some(error) = &self.error {
            let (code, message): (String, String) = (
                error.getattr(py, "code")?.extract(py)?,
                error.getattr(py, "message")?.extract(py)?,
            );
            let _ = write!(text, "; {code}: {message}");
        }
        Ok(text)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Event {}>", self.__str__(py)?))
    }
}

/// One number about one event. The catalogue of them is in docs/metrics.md.
#[pyclass(frozen, get_all, module = "forcegrant")]
pub(crate) struct Measurement {
    /// The instrument, such as `forcegrant.logins`.
    name: &'static str,
    /// `counter` (the value is added) or `histogram` (it is recorded).
    kind: &'static str,
    /// In UCUM's notation: `s`, or `{login}` and the like for counts.
    unit: &'static str,
    /// The value.
    value: f64,
    /// Keys and values, all from small fixed sets: error codes and sources of an expiry.
    attributes: Py<PyDict>,
}

impl Measurement {
    fn new(py: Python<'_>, measured: &forcegrant::Measurement) -> PyResult<Py<Self>> {
        let attributes = PyDict::new(py);
        for (key, value) in &measured.attributes {
            attributes.set_item(key, value)?;
        }
        Py::new(
            py,
            Self {
                name: measured.name,
                kind: match measured.kind {
                    MeasurementKind::Counter => "counter",
                    MeasurementKind::Histogram => "histogram",
                },
                unit: measured.unit,
                value: measured.value,
                attributes: attributes.unbind(),
            },
        )
    }
}

#[pymethods]
impl Measurement {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<Measurement {} {} {} {}>",
            self.name,
            self.value,
            self.unit,
            self.attributes.bind(py).repr()?
        ))
    }
}

/// As the core's own records for `tracing` have it.
fn level(event: &forcegrant::Event) -> &'static str {
    use forcegrant::Event as Core;
    match event {
        Core::LoginStarted { .. } | Core::RefreshDue { .. } => "debug",
        Core::LoginSucceeded { .. }
        | Core::TokenAdopted { .. }
        | Core::Invalidated { .. }
        | Core::CredentialsRotated { .. } => "info",
        _ => "warning",
    }
}
