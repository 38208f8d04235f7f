//! What `Client` and `AsyncClient` have in common.

use std::sync::Arc;

use forcegrant::{ClientBuilder, ClientCredentials, CredentialSet, ffi};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::callback_queue::CallbackQueue;
use crate::calls::{Call, numbers};
use crate::error::{invalid_option, raise};
use crate::event_queue::EventQueue;
use crate::options::{apply, callable, credentials, environment, text};
use crate::python_call;
use crate::report::Status;
use crate::store::{PythonStore, store_of};
use crate::token::Token;
use crate::token_cache::{Found, Shared};
use crate::wait::Wait;

/// A client that is built; the classes are made over it.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Core {
    shared: Arc<Shared>,
    listener: Option<Py<PyAny>>,
    /// The credentials callback and the store, a tuple, if there is either.
    answers: Option<Py<PyAny>>,
}

impl Core {
    fn build(
        py: Python<'_>,
        mut builder: ClientBuilder,
        given: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let function = |name| match options {
            Some(options) => callable(options, name),
            None => Ok(None),
        };
        let (listener, callback) = (function("on_event")?, function("credentials_callback")?);
        let store = store_of(options)?;
        let callback_queue = (callback.is_some() || store.is_some()).then(CallbackQueue::new);
        if callback_queue.is_some() {
            CallbackQueue::import(py)?;
        }
        if let (Some(callback_queue), Some(_)) = (&callback_queue, &callback) {
            if given {
                return Err(invalid_option(
                    py,
                    "credentials_callback",
                    "it stands beside credentials that are given",
                    "Give the one or the other: with a callback leave client_id and client_secret out, and do not use from_env.",
                ));
            }
            builder = callback_queue.attach(builder);
        }
        if let (Some(callback_queue), Some(store)) = (&callback_queue, &store) {
            builder = builder.store(PythonStore::new(callback_queue, store.bind(py))?);
        }
        if let Some(options) = options {
            builder = apply(builder, options)?;
        }
        let event_queue = EventQueue::new();
        let client = event_queue
            .attach(builder)
            .build()
            .map_err(|error| raise(py, &error))?;
        Ok(Self {
            answers: callback_queue
                .as_ref()
                .map(|_| (callback, store).into_py_any(py))
                .transpose()?,
            shared: Arc::new(Shared::new(client, event_queue, callback_queue)),
            listener,
        })
    }

    /// Over a client that is built: one of a pool.
    pub(crate) fn of(
        shared: Arc<Shared>,
        listener: Option<Py<PyAny>>,
        answers: Option<Py<PyAny>>,
    ) -> Self {
        Self {
            shared,
            listener,
            answers,
        }
    }

    pub(crate) fn into_handle(self) -> Handle {
        Handle {
            shared: self.shared,
            listener: self.listener,
            answers: self.answers,
        }
    }
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (login_url, client_id=None, client_secret=None, options=None))]
    pub(crate) fn new(
        login_url: &Bound<'_, PyAny>,
        client_id: Option<&Bound<'_, PyAny>>,
        client_secret: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        // Without them an option says where they are; else the core says that they are missing.
        let client_id = client_id.map(|id| text("client_id", id)).transpose()?;
        let client_secret = client_secret
            .map(|secret| text("client_secret", secret))
            .transpose()?;
        let given = client_id.is_some() || client_secret.is_some();
        let builder = forcegrant::Client::builder(
            text("login_url", login_url)?,
            client_id.unwrap_or_default(),
            client_secret.unwrap_or_default(),
        );
        let builder = builder.environment(environment(login_url.py())?);
        Self::build(login_url.py(), builder, given, options)
    }

    /// Take the org and the credentials from the environment.
    #[staticmethod]
    #[pyo3(signature = (options=None))]
    pub(crate) fn from_env(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let builder =
            ClientBuilder::from_environment(environment(py)?).map_err(|error| raise(py, &error))?;
        Self::build(py, builder, true, options)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.listener)?;
        visit.call(&self.answers)
    }
}

/// What `Client` and `AsyncClient` have in common.
#[pyclass(frozen, subclass, weakref, module = "forcegrant._native")]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    /// Each handle has a reference of its own, for the collector of cycles: a listener often is a
    /// method of what holds the client.
    listener: Option<Py<PyAny>>,
    /// The credentials callback and the store, a tuple, if there is either.
    answers: Option<Py<PyAny>>,
}

impl Handle {
    /// Tells the events that wait, on this thread.
    pub(crate) fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py)?;
        self.shared.deliver(py, self.listener.as_ref())
    }

    /// Has the callback answer the core's question for credentials, if one waits.
    pub(crate) fn answer(&self, py: Python<'_>) -> PyResult<()> {
        self.shared.answer(py, self.answers.as_ref())
    }

    /// A token that is good to use now, or a wait for one.
    pub(crate) fn find(&self, py: Python<'_>) -> PyResult<Found> {
        if let Some(token) = self.shared.in_view(py) {
            return Ok(Found::Token(token));
        }
        let found = self.shared.look(py)?;
        self.deliver(py)?;
        Ok(found)
    }
}

#[pymethods]
impl Handle {
    #[new]
    pub(crate) fn new(core: &Bound<'_, Core>) -> Self {
        let (py, core) = (core.py(), core.get());
        Self {
            shared: Arc::clone(&core.shared),
            listener: core
                .listener
                .as_ref()
                .map(|listener| listener.clone_ref(py)),
            answers: core.answers.as_ref().map(|answers| answers.clone_ref(py)),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.listener)?;
        visit.call(&self.answers)
    }

    /// Tell `on_event` and `logging` what has happened since they were last told, on this thread.
    ///
    /// Calls that wait, look at the status or begin a new second of reading do the same, so this
    /// is for programs that make none of them for a long time. Never waits for anything but the
    /// listeners.
    fn deliver_events(&self, py: Python<'_>) -> PyResult<()> {
        self.deliver(py)
    }

    /// Whether a callback brings the credentials.
    fn _asks(&self) -> bool {
        self.shared.asks()
    }

    /// Have the callback answer the core's question for credentials, if one waits.
    fn _answer(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py)
    }

    /// Whether a token may be sent to a URL: only over https, to the token's instance or API
    /// instance, or to a host that the option `trusted_hosts` names. Asks nobody.
    fn is_allowed_for(&self, token: &Bound<'_, Token>, url: &str) -> bool {
        self.shared.client().is_allowed_for(&token.get().core, url)
    }

    /// The org's API requests in the last 24 hours, used and allowed, as the last answer told that
    /// came through an adapter of this client; None before the first.
    fn limits(&self) -> Option<(u64, u64)> {
        self.shared.client().limits().map(numbers)
    }

    /// Return the token if one can be used now, else None. Never waits, and never asks Salesforce,
    /// not even in the background.
    fn cached(&self, py: Python<'_>) -> PyResult<Option<Py<Token>>> {
        self.shared.cached(py)
    }

    /// Report that Salesforce rejected a token (a `Token`, or its text): it is not given out again.
    ///
    /// True if it was the current token. A late report about an older one changes nothing and
    /// returns False, so every worker may report what it saw.
    fn invalidate(&self, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let was_current = if let Ok(token) = token.cast::<Token>() {
            self.shared.changing().invalidate(&token.get().core)
        } else {
            let text = token.cast::<PyString>().map_err(|_| {
                PyTypeError::new_err("invalidate() takes a Token or the text of an access token")
            })?;
            let client = self.shared.changing();
            client.invalidate_access_token(&text.to_string_lossy())
        };
        self.deliver(token.py())?;
        Ok(was_current)
    }

    /// Say what is known at this instant, without asking anyone.
    fn status(&self, py: Python<'_>) -> PyResult<Status> {
        self.deliver(py)?;
        Status::new(py, &self.shared.client().status())
    }

    /// Forget the token and all remembered failures.
    fn reset(&self) {
        self.shared.changing().reset();
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
            ClientCredentials::new(client_id, client_secret).map_err(|error| raise(py, &error))
        };
        let mut pairs = CredentialSet::new(pair(
            text("client_id", client_id)?,
            text("client_secret", client_secret)?,
        )?);
        if let Some(next) = next_credentials {
            let (client_id, client_secret) = credentials("next_credentials", next)?;
            pairs = pairs.with_next(pair(client_id, client_secret)?);
        }
        self.shared.changing().set_credentials(pairs);
        Ok(())
    }

    /// Drop the token at hand if it was issued to credentials that are not in use any more: after
    /// a leak, say. True if it was dropped.
    ///
    /// Salesforce is not told: to end the session there, revoke it in the org.
    fn invalidate_if_rotated(&self) -> bool {
        self.shared.changing().invalidate_if_rotated()
    }

    /// Give an `httpx.Auth`, for `httpx.Client` and `httpx.AsyncClient`.
    ///
    /// It sends the token to the token's instance, its API instance and `trusted_hosts`, over https
    /// only. When an answer says that the session is dead, it gets a new token and repeats the
    /// call once; a body that can be read only once is a `ReplayError`. Needs httpx:
    /// `pip install 'forcegrant[httpx]'`.
    fn httpx_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        adapter(slf, "httpx", "HttpxAuth", None)
    }

    /// Give a `requests.auth.AuthBase`, which does what that of `httpx_auth` does. Needs requests:
    /// `pip install 'forcegrant[requests]'`.
    fn requests_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        adapter(slf, "requests", "RequestsAuth", None)
    }

    /// Give a middleware for `aiohttp.ClientSession`, which does what `httpx_auth` does. Needs
    /// aiohttp: `pip install 'forcegrant[aiohttp]'`.
    fn aiohttp_middleware<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        adapter(slf, "aiohttp", "AiohttpMiddleware", None)
    }

    /// Give a `grpc.AuthMetadataPlugin` that brings `accesstoken`, `instanceurl` and `tenantid`, as
    /// the Pub/Sub API wants them. The host of the API has to be among `trusted_hosts`.
    ///
    /// It does not see what comes of a call: `grpc_interceptors` do. Needs grpcio:
    /// `pip install 'forcegrant[grpc]'`.
    fn grpc_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        adapter(slf, "grpc", "GrpcAuth", None)
    }

    /// The host that tokens are asked from.
    #[getter]
    fn login_host(&self) -> String {
        self.shared.client().login_host()
    }

    #[getter]
    fn _core(&self, py: Python<'_>) -> Core {
        Core {
            shared: Arc::clone(&self.shared),
            listener: self
                .listener
                .as_ref()
                .map(|listener| listener.clone_ref(py)),
            answers: self.answers.as_ref().map(|answers| answers.clone_ref(py)),
        }
    }

    /// Begin an API call with this method.
    fn _call(slf: &Bound<'_, Self>, method: String) -> Call {
        Call::new(slf.clone().unbind(), method)
    }

    /// The token if the last view of it covers the present, which is nearly always; else None.
    fn _read(&self, py: Python<'_>) -> Option<Py<Token>> {
        self.shared.in_view(py)
    }

    /// The token, or a `Wait` for it.
    fn _find<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.find(py)?.into_any(py, &self.shared)
    }

    fn _start_verify(&self) -> Wait {
        Wait::new(&self.shared, ffi::start_verify(self.shared.changing()))
    }

    fn _start_wait_idle(&self) -> Wait {
        Wait::new(&self.shared, ffi::start_wait_idle(self.shared.client()))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let host = slf.get().shared.client().login_host();
        Ok(format!("<{} of {host}>", slf.get_type().name()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a {} cannot be pickled, because it holds a secret: let the other process make its own",
            slf.get_type().name()?
        )))
    }
}

/// What adapts a client to another library, which is imported when somebody asks for it.
pub(crate) fn adapter<'py>(
    handle: &Bound<'py, Handle>,
    extra: &str,
    name: &str,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let core = handle.getattr("_core")?;
    let adapter = python_call::module(handle.py(), "forcegrant._extras")?.getattr("adapter")?;
    python_call::call(&adapter, (extra, name, core, options), None)
}
