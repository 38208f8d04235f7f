//! The token and its end.

use std::time::SystemTime;

use forcegrant::{Expiry, Token};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::python_call;
use crate::time::Utc;

/// An access token together with the instance it is for and the identity behind it.
///
/// Its text forms show the fingerprint and never the token; it cannot be pickled.
/// Two are equal when they hold the same access token.
#[pyclass(frozen, name = "Token", module = "forcegrant")]
pub(crate) struct PyToken {
    pub(crate) core: Token,
    // Read with every request that a program makes: made into Python strings once.
    access_token: PyOnceLock<Py<PyString>>,
    authorization: PyOnceLock<Py<PyString>>,
    instance_url: PyOnceLock<Py<PyString>>,
}

impl PyToken {
    pub(crate) fn new(core: Token) -> Self {
        Self {
            core,
            access_token: PyOnceLock::new(),
            authorization: PyOnceLock::new(),
            instance_url: PyOnceLock::new(),
        }
    }

    /// Whether both come from one response, and have not merely the same text: then they point at one
    /// place in memory.
    pub(crate) fn is_of(&self, other: &Token) -> bool {
        std::ptr::eq(self.core.access_token(), other.access_token())
    }
}

/// The text of a token that is given as a `Token` or as that text.
pub(crate) fn access_token_of(token: &Bound<'_, PyAny>, wrong: &'static str) -> PyResult<String> {
    if let Ok(token) = token.cast::<PyToken>() {
        return Ok(token.get().core.access_token().to_owned());
    }
    let text = token.cast::<PyString>();
    let text = text.map_err(|_| PyTypeError::new_err(wrong))?;
    Ok(text.to_string_lossy().into_owned())
}

#[pymethods]
impl PyToken {
    /// The token itself. Do not print it.
    #[getter]
    fn access_token(&self, py: Python<'_>) -> Py<PyString> {
        text(py, &self.access_token, self.core.access_token())
    }

    /// The value of an `Authorization` header: `Bearer ...`. Do not print it.
    #[getter]
    fn authorization(&self, py: Python<'_>) -> Py<PyString> {
        text(py, &self.authorization, self.core.authorization())
    }

    /// Where API calls go, without a trailing slash.
    #[getter]
    fn instance_url(&self, py: Python<'_>) -> Py<PyString> {
        text(py, &self.instance_url, self.core.instance_url())
    }

    /// Where calls to `api.salesforce.com` APIs go; None unless the app has such a scope.
    #[getter]
    fn api_instance_url(&self) -> Option<&str> {
        self.core.api_instance_url()
    }

    /// The identity URL, on the login host.
    #[getter]
    fn identity_url(&self) -> Option<&str> {
        self.core.identity_url()
    }

    /// The 18-character id of the org.
    #[getter]
    fn org_id(&self) -> Option<&str> {
        self.core.org_id()
    }

    /// The 18-character id of the user that the app runs as.
    #[getter]
    fn user_id(&self) -> Option<&str> {
        self.core.user_id()
    }

    /// The scopes that Salesforce granted; empty when the response did not say.
    #[getter]
    fn scopes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.core.scopes())
    }

    /// `opaque` (a session id) or `jwt`.
    #[getter]
    fn token_format(&self) -> &'static str {
        self.core.token_format().as_str()
    }

    /// The token type of the response: `Bearer`.
    #[getter]
    fn token_type(&self) -> &str {
        self.core.token_type()
    }

    /// When the response was signed (UTC). It says nothing about when the session began or ends.
    #[getter]
    fn issued_at(&self) -> Option<Utc> {
        self.core.issued_at().map(Utc)
    }

    /// When the token ends, and how that is known.
    #[getter]
    fn expiry(&self) -> PyExpiry {
        PyExpiry(self.core.expiry())
    }

    /// 16 hexadecimal digits that tell tokens apart; safe to log.
    #[getter]
    fn fingerprint(&self) -> &str {
        self.core.fingerprint()
    }

    /// Fields of the response that have no attribute here, in a new dict.
    #[getter]
    fn extra<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fields = PyDict::new(py);
        for (name, value) in self.core.extra() {
            fields.set_item(name, json(py, value)?)?;
        }
        Ok(fields)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| self.core.access_token() == other.get().core.access_token())
    }

    fn __hash__(&self) -> u64 {
        u64::from_str_radix(self.core.fingerprint(), 16).unwrap_or_default()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<Token {} for {}, ends {} ({})>",
            self.core.fingerprint(),
            self.core.instance_url(),
            Utc(self.core.expiry().at()).text(py)?,
            self.core.expiry().certainty().as_str(),
        ))
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    #[expect(clippy::unused_self)] // Python passes it
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Token cannot be pickled, because it is a secret: let the other process ask its own client",
        ))
    }
}

/// When a token ends, and how that is known.
#[pyclass(frozen, name = "Expiry", module = "forcegrant")]
pub(crate) struct PyExpiry(pub(crate) Expiry);

#[pymethods]
impl PyExpiry {
    /// The instant of the end, by this machine's wall clock (UTC).
    #[getter]
    fn at(&self) -> Utc {
        Utc(self.0.at())
    }

    /// Where it comes from: `jwt`, `expires_in`, `introspection`, `learned`, `configured` or
    /// `default`.
    #[getter]
    fn source(&self) -> &'static str {
        self.0.source().as_str()
    }

    /// `known` (stated by Salesforce) or `estimated`.
    #[getter]
    fn certainty(&self) -> &'static str {
        self.0.certainty().as_str()
    }

    /// Whether the end was stated by Salesforce.
    #[getter]
    fn is_known(&self) -> bool {
        self.0.is_known()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| self.0 == other.get().0)
    }

    fn __hash__(&self) -> u64 {
        self.0
            .at()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!(
            "<Expiry {} ({}, {})>",
            Utc(self.0.at()).text(py)?,
            self.0.certainty().as_str(),
            self.0.source().as_str(),
        ))
    }
}

fn text(py: Python<'_>, slot: &PyOnceLock<Py<PyString>>, text: &str) -> Py<PyString> {
    slot.get_or_init(py, || PyString::new(py, text).unbind())
        .clone_ref(py)
}

fn json<'py>(py: Python<'py>, value: &serde_json::Value) -> PyResult<Bound<'py, PyAny>> {
    // Rare and small: Python's own parser saves a second mapping of types.
    let loads = python_call::module(py, "json")?.getattr("loads")?;
    python_call::call(&loads, (value.to_string(),), None)
}
