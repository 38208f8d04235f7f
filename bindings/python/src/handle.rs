//! What `Client` and `AsyncClient` have in common.

use std::sync::Arc;

use forcegrant::{ClientBuilder, KeyPair, KeyPairs};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::raise;
use crate::kept::Shared;
use crate::options::{apply, credentials, text};
use crate::report::Status;
use crate::token::Token;
use crate::wait::Wait;

/// A client that is built; the classes are made over it.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Core(pub(crate) Arc<Shared>);

impl Core {
    fn build(
        py: Python<'_>,
        builder: ClientBuilder,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let builder = match options {
            Some(options) => apply(builder, options)?,
            None => builder,
        };
        let client = builder.build().map_err(|error| raise(py, &error))?;
        Ok(Self(Arc::new(Shared::new(client))))
    }
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (login_url, client_id, client_secret=None, options=None))]
    pub(crate) fn new(
        login_url: &Bound<'_, PyAny>,
        client_id: &Bound<'_, PyAny>,
        client_secret: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        // Without a secret an option says where it is; else the core says that it is missing.
        let client_secret = client_secret
            .map(|secret| text("client_secret", secret))
            .transpose()?;
        let builder = forcegrant::Client::builder(
            text("login_url", login_url)?,
            text("client_id", client_id)?,
            client_secret.unwrap_or_default(),
        );
        Self::build(login_url.py(), builder, options)
    }

    /// Take the org and the credentials from the environment.
    #[staticmethod]
    #[pyo3(signature = (options=None))]
    pub(crate) fn from_env(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let builder = ClientBuilder::from_env().map_err(|error| raise(py, &error))?;
        Self::build(py, builder, options)
    }
}

/// What `Client` and `AsyncClient` have in common.
#[pyclass(frozen, subclass, weakref, module = "forcegrant._native")]
pub(crate) struct Handle(pub(crate) Arc<Shared>);

#[pymethods]
impl Handle {
    #[new]
    pub(crate) fn new(core: &Bound<'_, Core>) -> Self {
        Self(Arc::clone(&core.get().0))
    }

    /// Return the token if one can be used now, else None. Never waits, and never asks Salesforce,
    /// not even in the background.
    fn cached(&self, py: Python<'_>) -> PyResult<Option<Py<Token>>> {
        self.0.cached(py)
    }

    /// Report that Salesforce rejected a token (a `Token`, or its text): it is not given out again.
    ///
    /// True if it was the current token. A late report about an older one changes nothing and
    /// returns False, so every worker may report what it saw.
    fn invalidate(&self, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        if let Ok(token) = token.cast::<Token>() {
            return Ok(self.0.changing().invalidate(&token.get().core));
        }
        let text = token.cast::<PyString>().map_err(|_| {
            PyTypeError::new_err("invalidate() takes a Token or the text of an access token")
        })?;
        let client = self.0.changing();
        Ok(client.invalidate_access_token(&text.to_string_lossy()))
    }

    /// Say what is known at this instant, without asking anyone.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        Status::new(py, &self.0.client().status())
    }

    /// Forget the token and all remembered failures.
    fn reset(&self) {
        self.0.changing().reset();
    }

    /// Use other credentials from the next login on.
    ///
    /// `next_credentials` are a second pair, client id and secret, that is live as well. The token
    /// at hand goes on serving. Raises `ConfigurationError` for what cannot be right.
    #[pyo3(signature = (client_id, client_secret, *, next_credentials=None))]
    fn set_credentials(
        &self,
        py: Python<'_>,
        client_id: &Bound<'_, PyAny>,
        client_secret: &Bound<'_, PyAny>,
        next_credentials: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let pair = |client_id: String, client_secret: String| {
            KeyPair::new(client_id, client_secret).map_err(|error| raise(py, &error))
        };
        let mut pairs = KeyPairs::new(pair(
            text("client_id", client_id)?,
            text("client_secret", client_secret)?,
        )?);
        if let Some(next) = next_credentials {
            let (client_id, client_secret) = credentials("next_credentials", next)?;
            pairs = pairs.with_next(pair(client_id, client_secret)?);
        }
        self.0.changing().set_credentials(pairs);
        Ok(())
    }

    /// Drop the token at hand if it was issued to credentials that are not in use any more: after
    /// a leak, say. True if it was dropped.
    ///
    /// Salesforce is not told: to end the session there, revoke it in the org.
    fn drop_retired(&self) -> bool {
        self.0.changing().drop_retired()
    }

    /// The host that tokens are asked from.
    #[getter]
    fn login_host(&self) -> &str {
        self.0.client().login_host()
    }

    #[getter]
    fn _core(&self) -> Core {
        Core(Arc::clone(&self.0))
    }

    /// The token if the last view of it covers the present, which is nearly always; else None.
    fn _read(&self, py: Python<'_>) -> Option<Py<Token>> {
        self.0.in_view(py)
    }

    /// The token, or a `Wait` for it.
    fn _find<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.find(py)?.into_any(py, &self.0)
    }

    fn _start_verify(&self) -> Wait {
        Wait::new(&self.0, self.0.changing().start_verify())
    }

    fn _start_wait_idle(&self) -> Wait {
        Wait::new(&self.0, self.0.client().start_wait_idle())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let host = slf.get().0.client().login_host();
        Ok(format!("<{} of {host}>", slf.get_type().name()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a {} cannot be pickled, because it holds a secret: let the other process make its own",
            slf.get_type().name()?
        )))
    }
}
