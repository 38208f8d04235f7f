//! The client: what `Client` and `AsyncClient` have in common, and what only threads need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcegrant::{Client, ClientBuilder, Pending, Start};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::{raise, timed_out};
use crate::options::{apply, duration};
use crate::report::{Status, Verified};
use crate::token::Token;
use crate::wait::{Wait, in_slices};

/// The core's client and the Python object of its current token.
pub(crate) struct Shared {
    client: Client,
    // Never held while Python code can run: making and dropping objects happens outside.
    kept: Mutex<Option<Py<Token>>>,
}

impl Shared {
    fn build(py: Python<'_>, builder: ClientBuilder) -> PyResult<Core> {
        // Reading certificates can take a while.
        let client = py.detach(|| builder.build());
        let client = client.map_err(|error| raise(py, &error))?;
        Ok(Core(Arc::new(Self {
            client,
            kept: Mutex::new(None),
        })))
    }

    /// The Python object of a token: the same one as long as it is the same answer.
    #[inline]
    pub(crate) fn keep(&self, py: Python<'_>, token: forcegrant::Token) -> PyResult<Py<Token>> {
        if let Some(kept) = &*self.kept.lock().unwrap_or_else(PoisonError::into_inner)
            && kept.get().is(&token)
        {
            return Ok(kept.clone_ref(py));
        }
        self.replace(py, token)
    }

    #[cold]
    fn replace(&self, py: Python<'_>, token: forcegrant::Token) -> PyResult<Py<Token>> {
        let new = Py::new(py, Token::new(token))?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let old = kept.replace(new.clone_ref(py));
        drop(kept);
        drop(old);
        Ok(new)
    }
}

/// A client that is built; `Handle` and its subclasses are made over it.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Core(Arc<Shared>);

#[pymethods]
impl Core {
    #[new]
    fn new(
        py: Python<'_>,
        login_url: String,
        client_id: String,
        client_secret: String,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let builder = Client::builder(login_url, client_id, client_secret);
        Shared::build(py, apply(builder, options)?)
    }

    /// Take the org and the credentials from the environment.
    #[staticmethod]
    fn from_env(py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let builder = ClientBuilder::from_env().map_err(|error| raise(py, &error))?;
        Shared::build(py, apply(builder, options)?)
    }
}

/// What `Client` and `AsyncClient` have in common.
#[pyclass(frozen, subclass, module = "forcegrant._native")]
pub(crate) struct Handle(Arc<Shared>);

#[pymethods]
impl Handle {
    #[new]
    fn new(core: &Bound<'_, Core>) -> Self {
        Self(Arc::clone(&core.get().0))
    }

    /// Return the token if one can be used now, else None. Never waits, and never asks Salesforce,
    /// not even in the background.
    fn cached(&self, py: Python<'_>) -> PyResult<Option<Py<Token>>> {
        let token = self.0.client.cached();
        token.map(|token| self.0.keep(py, token)).transpose()
    }

    /// Report that Salesforce rejected a token (a `Token`, or its text): it is not given out again.
    ///
    /// True if it was the current token. A late report about an older one changes nothing and
    /// returns False, so every worker may report what it saw.
    fn invalidate(&self, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Ok(token) = token.cast::<Token>() {
            return Ok(self.0.client.invalidate(&token.get().core));
        }
        let text = token.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err("invalidate() takes a Token or the text of an access token")
        })?;
        Ok(self
            .0
            .client
            .invalidate_access_token(&text.to_string_lossy()))
    }

    /// Say what is known at this instant, without asking anyone.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        Status::new(py, &self.0.client.status())
    }

    /// Forget the token and all remembered failures.
    fn reset(&self) {
        self.0.client.reset();
    }

    /// The host that tokens are asked from.
    #[getter]
    fn login_host(&self) -> &str {
        self.0.client.login_host()
    }

    #[getter]
    fn _core(&self) -> Core {
        Core(Arc::clone(&self.0))
    }

    /// The token, or a `Wait` for it.
    fn _find<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.0.client.start() {
            Start::Ready(token) => Ok(self.0.keep(py, token)?.into_bound(py).into_any()),
            Start::Pending(pending) => Ok(Bound::new(py, Wait::new(&self.0, pending))?.into_any()),
        }
    }

    fn _start_verify(&self) -> Wait {
        Wait::new(&self.0, self.0.client.start_verify())
    }

    fn _start_wait_idle(&self) -> Wait {
        Wait::new(&self.0, self.0.client.start_wait_idle())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let host = slf.get().0.client.login_host();
        Ok(format!("<{} of {host}>", slf.get_type().name()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a {} cannot be pickled, because it holds a secret: let the other process make its own",
            slf.get_type().name()?
        )))
    }
}

/// What threads can do besides: wait.
#[pyclass(frozen, subclass, extends = Handle, module = "forcegrant._native")]
pub(crate) struct Blocking;

#[pymethods]
impl Blocking {
    #[new]
    fn new(core: &Bound<'_, Core>) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Handle::new(core)).add_subclass(Self)
    }

    /// Return a token that is good to use now, asking Salesforce only if it must.
    ///
    /// `timeout` (seconds or a `timedelta`) limits how long this caller waits; the request goes on
    /// for the others. Other threads run meanwhile, and Ctrl-C ends the wait. Raises
    /// `RefusedError`, `TransportError`, `UnavailableError`, `ResponseError`,
    /// `TokenRejectedError` or `InternalError`, all of them `ForcegrantError`; and
    /// `RequestTimeoutError` when the time is over.
    #[pyo3(signature = (timeout=None))]
    fn token(slf: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<Token>> {
        let shared = &slf.as_super().get().0;
        let limit = timeout
            .map(|timeout| duration("timeout", timeout))
            .transpose()?;
        match shared.client.start() {
            Start::Ready(token) => shared.keep(slf.py(), token),
            Start::Pending(pending) => wait_for_token(slf.py(), shared, pending, limit),
        }
    }

    /// Get a new token and make one harmless API call with it. Raises what `token` raises.
    fn verify(slf: &Bound<'_, Self>) -> PyResult<Py<Verified>> {
        let py = slf.py();
        let shared = &slf.as_super().get().0;
        match in_slices(py, &mut shared.client.start_verify(), None)? {
            Some(Ok(verified)) => Verified::new(py, shared, &verified),
            Some(Err(error)) => Err(raise(py, &error)),
            None => Err(timed_out(py, 0.0)),
        }
    }

    /// Wait until no request for a token is on its way.
    fn wait_idle(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let client = &slf.as_super().get().0.client;
        match in_slices(py, &mut client.start_wait_idle(), None)? {
            Some(Err(error)) => Err(raise(py, &error)),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

#[cold]
fn wait_for_token(
    py: Python<'_>,
    shared: &Shared,
    mut pending: Pending<forcegrant::Token>,
    limit: Option<Duration>,
) -> PyResult<Py<Token>> {
    match in_slices(py, &mut pending, limit)? {
        Some(Ok(token)) => shared.keep(py, token),
        Some(Err(error)) => Err(raise(py, &error)),
        None => Err(timed_out(py, limit.unwrap_or_default().as_secs_f64())),
    }
}
