//! What happened, for `on_event` and `logging`.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use forcegrant::ffi::{EventFields, event_level};
use forcegrant::{Event, Measurement, MeasurementKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::exception;
use crate::time::Utc;
use crate::token::PyExpiry;

/// An event on its way to Python.
pub(crate) struct CoreEvent {
    pub(crate) at: SystemTime,
    pub(crate) event: Event,
    pub(crate) login_host: String,
    /// The key of a pool's client.
    pub(crate) key: Option<String>,
    /// How many events were dropped before this one.
    pub(crate) missed: u64,
}

/// Something that happened in a client. It holds no secret and no token, so it can be logged.
///
/// `name` says what; the attributes that events of this name do not have are None.
#[pyclass(frozen, get_all, name = "Event", module = "forcegrant")]
pub(crate) struct PyEvent {
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
    expiry: Option<Py<PyExpiry>>,
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

impl PyEvent {
    pub(crate) fn new(py: Python<'_>, queued: CoreEvent) -> PyResult<Self> {
        let event = &queued.event;
        let fields = EventFields::of(event);
        let error = fields.error.map(|error| exception(py, error)).transpose()?;
        let expiry = fields.expiry.map(|expiry| Py::new(py, PyExpiry(expiry)));
        let measurements = event
            .measurements()
            .iter()
            .map(|measurement| PyMeasurement::new(py, measurement))
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self {
            name: event.name(),
            level: event_level(event),
            at: Utc(queued.at),
            login_host: queued.login_host,
            key: queued.key,
            missed: queued.missed,
            background: fields.background,
            attempts: fields.attempts,
            pause: fields.pause,
            took: fields.took,
            age: fields.age,
            fingerprint: fields.fingerprint.map(str::to_owned),
            expiry: expiry.transpose()?,
            lifetime: fields.lifetime,
            client_id: fields.client_id.map(str::to_owned),
            used: fields.used,
            stop: fields.stop,
            error: error.map(Bound::unbind),
            measurements: PyTuple::new(py, measurements)?.unbind(),
        })
    }
}

#[pymethods]
impl PyEvent {
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
#[pyclass(frozen, get_all, name = "Measurement", module = "forcegrant")]
pub(crate) struct PyMeasurement {
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

impl PyMeasurement {
    fn new(py: Python<'_>, measured: &Measurement) -> PyResult<Py<Self>> {
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
impl PyMeasurement {
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
