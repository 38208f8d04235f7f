//! Logins that verify a connection: from what is given, under way, to the connection.

use forcegrant::ClientBuilder;
use forcegrant::connections::{Authorization, Connection};
use forcegrant::ffi::Pending;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::callbacks::Callbacks;
use crate::hooks;
use crate::options::OptionSetters;
use crate::python_call;
use crate::values::{labels, text};
use crate::wait::{PyWait, wait};

/// Sets options of the client that logs in.
type ApplyOptions = Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// What is given to `authorize` beside the id.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionArguments<'a, 'py> {
    pub(crate) login_url: Option<&'a Bound<'py, PyAny>>,
    pub(crate) client_id: Option<&'a Bound<'py, PyAny>>,
    pub(crate) client_secret: Option<&'a Bound<'py, PyAny>>,
    pub(crate) name: Option<&'a Bound<'py, PyAny>>,
    pub(crate) labels: Option<&'a Bound<'py, PyAny>>,
}

impl ConnectionArguments<'_, '_> {
    pub(crate) fn apply(&self, mut authorization: Authorization) -> PyResult<Authorization> {
        if let Some(value) = self.login_url {
            authorization = authorization.login_url(text("login_url", value)?);
        }
        if let Some(value) = self.client_id {
            authorization = authorization.client_id(text("client_id", value)?);
        }
        if let Some(value) = self.client_secret {
            authorization = authorization.client_secret(text("client_secret", value)?);
        }
        if let Some(value) = self.name {
            authorization = authorization.name(text("name", value)?);
        }
        if let Some(value) = self.labels {
            authorization = authorization.labels(labels("labels", value)?);
        }
        Ok(authorization)
    }
}

/// A login that verifies a connection, under way, for one caller.
pub(crate) struct StartedVerification {
    pending: Pending<Connection>,
    callbacks: Callbacks,
}

impl StartedVerification {
    /// Begins it with the options of its client, which are set on any thread.
    pub(crate) fn start(
        py: Python<'_>,
        options: Option<&Bound<'_, PyDict>>,
        start: impl FnOnce(ApplyOptions) -> Pending<Connection> + Send,
    ) -> PyResult<Self> {
        let callbacks = Callbacks::from_options(py, options)?;
        callbacks.refuse_credentials(py)?;
        let (setters, listen) = (OptionSetters::read(options)?, callbacks.listener());
        let set = Box::new(move |builder| setters.apply(listen(builder)));
        let pending = py.detach(|| start(set));
        Ok(Self { pending, callbacks })
    }

    /// Waits on this thread.
    pub(crate) fn wait(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        wait(py, self.pending, None, &self.callbacks, None)
    }

    /// A coroutine that waits.
    pub(crate) fn coroutine(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let verification = PyVerification {
            wait: Py::new(py, PyWait::new(self.pending, None))?,
            callbacks: self.callbacks,
        };
        let settle = hooks::function(py, "settle_verification")?;
        python_call::call(&settle, (verification,), None)
    }
}

/// A login that verifies a connection, under way: what a coroutine waits for.
#[pyclass(frozen, name = "Verification", module = "forcegrant._native")]
pub(crate) struct PyVerification {
    /// Brings the connection.
    #[pyo3(get)]
    wait: Py<PyWait>,
    callbacks: Callbacks,
}

#[pymethods]
impl PyVerification {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.wait)?;
        self.callbacks.traverse(&visit)
    }

    /// Tell `on_event` and `logging` what has happened.
    fn deliver_events(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.deliver(py)
    }

    /// Whether the core may have requests.
    fn _has_requests(&self) -> bool {
        self.callbacks.has_requests()
    }

    /// Have the requests of the core answered that wait.
    fn _serve_requests(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.serve(py)
    }
}
