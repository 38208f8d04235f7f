//! `Client`, for threads, and what it has in common with `AsyncClient`. It is a native class through and
//! through, because a method that is inherited by a class written in Python costs a third more on the hot path.

use std::sync::Arc;

use forcegrant::ffi::{self, Pending, Start};
use forcegrant::{Client, ClientBuilder};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::callbacks::Callbacks;
use crate::connections::connection_builder;
use crate::error::raise;
use crate::hooks;
use crate::options::{OptionSetters, environment};
use crate::python_call;
use crate::report::PyStatus;
use crate::request::given_set;
use crate::token::{PyToken, access_token_of};
use crate::token_cache::TokenCache;
use crate::values::{duration, text};
use crate::wait::{Outcome, PyWait, TokenStart, wait};

/// What `Client` and `AsyncClient` have in common.
#[pyclass(
    frozen,
    subclass,
    weakref,
    name = "ClientBase",
    module = "forcegrant._native"
)]
pub(crate) struct PyClientBase {
    client: Client,
    cache: Arc<TokenCache>,
    callbacks: Callbacks,
}

impl PyClientBase {
    /// A client of a pool, whose callbacks are the pool's.
    pub(crate) fn of(client: Client, callbacks: Callbacks) -> Self {
        Self {
            client,
            cache: Arc::default(),
            callbacks,
        }
    }

    fn build(
        py: Python<'_>,
        builder: ClientBuilder,
        callbacks: Callbacks,
        is_given: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        if is_given {
            callbacks.refuse_credentials(py)?;
        }
        let builder = OptionSetters::read(options)?.apply(callbacks.functions().attach(builder));
        let built = py.detach(|| builder.build());
        let client = built.map_err(|error| raise(py, &error))?;
        Ok(Self::of(client, callbacks))
    }

    /// A client of a class, whose credentials are somewhere else.
    fn build_class<'py>(
        cls: &Bound<'py, PyType>,
        builder: Result<ClientBuilder, forcegrant::Error>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let builder = builder.map_err(|error| raise(py, &error))?;
        let callbacks = Callbacks::from_options(py, options)?;
        let client = Self::build(py, builder, callbacks, true, options)?;
        python_call::call(&cls.getattr("_share")?, (client,), None)
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            client: self.client.clone(),
            cache: Arc::clone(&self.cache),
            callbacks: self.callbacks.clone_ref(py),
        }
    }

    /// The core's client, for what changes nothing.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The core's client, for what may change the token.
    pub(crate) fn changing(&self) -> &Client {
        self.cache.end_view();
        &self.client
    }

    /// Waits on this thread.
    fn wait<T: Outcome>(&self, py: Python<'_>, pending: Pending<T>) -> PyResult<Py<PyAny>> {
        wait(py, pending, None, &self.callbacks, Some(&self.cache))
    }

    /// What the core says.
    #[cold]
    fn ask(&self, py: Python<'_>) -> PyResult<TokenStart> {
        let start = match ffi::view(&self.client) {
            Some(view) => TokenStart::Ready(self.cache.take_view(py, &view)?),
            None => match ffi::start(&self.client) {
                Start::Ready(token) => TokenStart::Ready(self.cache.object(py, &token)?),
                Start::Pending(pending) => TokenStart::Pending(pending),
            },
        };
        self.callbacks.deliver(py)?;
        Ok(start)
    }
}

#[pymethods]
impl PyClientBase {
    /// `login_url` may be another client, which is shared then.
    #[new]
    #[pyo3(signature = (login_url, client_id=None, client_secret=None, **options))]
    fn new(
        login_url: &Bound<'_, PyAny>,
        client_id: Option<&Bound<'_, PyAny>>,
        client_secret: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let py = login_url.py();
        if let Ok(other) = login_url.cast::<Self>() {
            return Ok(other.get().clone_ref(py));
        }
        let callbacks = Callbacks::from_options(py, options)?;
        if client_id.is_none() && !callbacks.has_credentials {
            return Err(PyTypeError::new_err(
                "a client takes login_url, client_id and client_secret; from_env() reads the environment",
            ));
        }
        let is_given = client_id.is_some() || client_secret.is_some();
        // Without them an option says where they are; else the core says that they are missing.
        let text_of = |name, value: Option<&Bound<'_, PyAny>>| {
            value.map_or_else(|| Ok(String::new()), |value| text(name, value))
        };
        let builder = Client::builder(
            text("login_url", login_url)?,
            text_of("client_id", client_id)?,
            text_of("client_secret", client_secret)?,
        );
        let builder = builder.environment(environment(py)?);
        Self::build(py, builder, callbacks, is_given, options)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callbacks.traverse(&visit)
    }

    /// Take the org and the credentials from the environment.
    ///
    /// That is SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET, or the
    /// file that SALESFORCE_CLIENT_SECRET_FILE names; or FORCEGRANT_CONNECTION, which names a saved
    /// connection. Raises `ConfigurationError` naming what is missing.
    #[classmethod]
    #[pyo3(signature = (**options))]
    #[expect(clippy::doc_markdown)] // read in Python
    fn from_env<'py>(
        cls: &Bound<'py, PyType>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let environment = environment(py)?;
        let builder = py.detach(|| ClientBuilder::from_environment(environment));
        Self::build_class(cls, builder, options)
    }

    /// Take the org and the credentials of a saved connection, and none of the environment's
    /// credentials.
    ///
    /// `connection` is its id, and `connections` are `Connections` or `AsyncConnections` of a folder;
    /// else those of the user. A `Connection` itself is taken as it is, and not read again. The
    /// file is read now, again when it changes, and when a login is refused. For the same login host
    /// the token stays; for another the client starts afresh. When the connection is removed, the
    /// token serves on, and the next login fails with `unknown_connection`. Raises
    /// `ConfigurationError` with that code, or `connection_unreadable`.
    #[classmethod]
    #[pyo3(signature = (connection, connections=None, **options))]
    fn from_connection<'py>(
        cls: &Bound<'py, PyType>,
        connection: &Bound<'py, PyAny>,
        connections: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let builder = connection_builder(connection, connections)?;
        Self::build_class(cls, builder, options)
    }

    /// Make a client of this class that shares another's token and everything else.
    #[classmethod]
    fn _share<'py>(
        cls: &Bound<'py, PyType>,
        client: &Bound<'py, Self>,
    ) -> PyResult<Bound<'py, PyAny>> {
        python_call::call(&cls.getattr("__new__")?, (cls, client), None)
    }

    /// Tell `on_event` and `logging` what has happened since they were last told, on this thread.
    ///
    /// Calls that wait, look at the status or begin a new second of reading do the same, so this
    /// is for programs that make none of them for a long time. Never waits for anything but the
    /// listeners.
    pub(crate) fn deliver_events(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.deliver(py)
    }

    /// Whether a token may be sent to a URL: only over https, to the token's instance or API
    /// instance, or to a host that the option `trusted_hosts` names. Asks nobody.
    fn is_allowed_for(&self, token: &Bound<'_, PyToken>, url: &str) -> bool {
        self.client.is_allowed_for(&token.get().core, url)
    }

    /// The org's API requests in the last 24 hours, used and allowed, as the last response told that
    /// came through an adapter of this client; None before the first.
    fn limits(&self) -> Option<(u64, u64)> {
        self.client.limits().map(|usage| (usage.used, usage.limit))
    }

    /// Return the token if one can be used now, else None. Never waits, and never asks Salesforce,
    /// not even in the background.
    fn cached(&self, py: Python<'_>) -> PyResult<Option<Py<PyToken>>> {
        if let Some(token) = self.cache.read(py) {
            return Ok(Some(token));
        }
        let token = self.client.cached();
        token.map(|token| self.cache.object(py, &token)).transpose()
    }

    /// Report that Salesforce rejected a token (a `Token`, or its text): it is not given out again.
    ///
    /// True if it was the current token. A late report about an older one changes nothing and
    /// returns False, so every worker may report what it saw.
    fn invalidate(&self, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let wrong = "invalidate() takes a Token or the text of an access token";
        let text = access_token_of(token, wrong)?;
        let was_current = self.changing().invalidate_access_token(&text);
        self.callbacks.deliver(token.py())?;
        Ok(was_current)
    }

    /// Say what is known at this instant, without asking anyone.
    fn status(&self, py: Python<'_>) -> PyResult<PyStatus> {
        self.callbacks.deliver(py)?;
        PyStatus::new(py, &self.client.status())
    }

    /// Forget the token and all remembered failures.
    fn reset(&self) {
        self.changing().reset();
    }

    /// Use other credentials from the next login on.
    ///
    /// `next_credentials` are a second pair, client id and secret, that is live as well. The token
    /// at hand goes on serving. Raises `ConfigurationError` for what cannot be right.
    #[pyo3(signature = (client_id, client_secret, *, next_credentials=None))]
    fn set_credentials(
        &self,
        client_id: &Bound<'_, PyAny>,
        client_secret: &Bound<'_, PyAny>,
        next_credentials: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let set = given_set(client_id, client_secret, next_credentials)?;
        self.changing().set_credentials(set);
        Ok(())
    }

    /// Drop the token at hand if it was issued to credentials that are not in use any more: after
    /// a leak, say. True if it was dropped.
    ///
    /// Salesforce is not told: to end the session there, revoke it in the org.
    fn invalidate_if_rotated(&self) -> bool {
        self.changing().invalidate_if_rotated()
    }

    /// Give an `httpx.Auth`, for `httpx.Client` and `httpx.AsyncClient`.
    ///
    /// It sends the token to the token's instance, its API instance and `trusted_hosts`, over https
    /// only. When a response says that the session is dead, it gets a new token and repeats the
    /// call once; a body that can be read only once is a `ReplayError`. Needs httpx:
    /// `pip install 'forcegrant[httpx]'`.
    fn httpx_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::_adapter(slf, "httpx", "HttpxAuth", None)
    }

    /// Give a `requests.auth.AuthBase`, which does what that of `httpx_auth` does. Needs requests:
    /// `pip install 'forcegrant[requests]'`.
    fn requests_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::_adapter(slf, "requests", "RequestsAuth", None)
    }

    /// Give a middleware for `aiohttp.ClientSession`, which does what `httpx_auth` does. Needs
    /// aiohttp: `pip install 'forcegrant[aiohttp]'`.
    fn aiohttp_middleware<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::_adapter(slf, "aiohttp", "AiohttpMiddleware", None)
    }

    /// Give a `grpc.AuthMetadataPlugin` that brings `accesstoken`, `instanceurl` and `tenantid`, as
    /// the Pub/Sub API wants them. The host of the API has to be among `trusted_hosts`.
    ///
    /// It does not see what comes of a call: `grpc_interceptors` do. Needs grpcio:
    /// `pip install 'forcegrant[grpc]'`.
    fn grpc_auth<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::_adapter(slf, "grpc", "GrpcAuth", None)
    }

    /// The host that tokens are asked from.
    #[getter]
    fn login_host(&self) -> String {
        self.client.login_host()
    }

    /// Make what adapts the client to another library, which is imported now.
    #[pyo3(signature = (extra, name, options=None))]
    fn _adapter<'py>(
        slf: &Bound<'py, Self>,
        extra: &str,
        name: &str,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        // One of its own: the caller's may be of a class that does other things.
        let client = PyClassInitializer::from(slf.get().clone_ref(py)).add_subclass(PyClient);
        let client = Bound::new(py, client)?;
        python_call::call(
            &hooks::function(py, "make_adapter")?,
            (extra, name, client, options),
            None,
        )
    }

    /// Whether the core may have requests.
    fn _has_requests(&self) -> bool {
        self.callbacks.has_requests()
    }

    /// Have the requests of the core answered that wait.
    fn _serve_requests(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.serve(py)
    }

    /// The token if the last view of it covers the present, which is nearly always; else None.
    fn _read(&self, py: Python<'_>) -> Option<Py<PyToken>> {
        self.cache.read(py)
    }

    /// The token, or a `Wait` for it.
    fn _start(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.ask(py)?.into_python(py, Some(&self.cache))
    }

    fn _start_verify(&self) -> PyWait {
        PyWait::new(ffi::start_verify(self.changing()), Some(&self.cache))
    }

    fn _start_wait_idle(&self) -> PyWait {
        PyWait::new(ffi::start_wait_idle(&self.client), None)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let host = slf.get().client.login_host();
        Ok(format!("<{} of {host}>", slf.get_type().name()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a {} cannot be pickled, because it holds a secret: let the other process make its own",
            slf.get_type().name()?
        )))
    }
}

/// Tokens of one app in one Salesforce org, for threads.
///
/// ```python
/// client = Client("acme.my.salesforce.com", client_id, client_secret)
/// token = client.token()
/// ```
///
/// `login_url` is the org's My Domain, in any of the forms that people copy out of a browser;
/// `client_secret` may be left out where the option `client_secret_file` says where it is, and both
/// it and `client_id` where `credentials_callback` brings them. The options are those of
/// `forcegrant.options.ClientOptions`. Nothing is sent, and no thread started, before a token is
/// asked for.
///
/// One client serves any number of threads, and works on in a forked child. It needs no closing:
/// `with` and `close()` are there for symmetry, and the token is never revoked, because Salesforce
/// gives the same one to other processes.
///
/// Raises `ConfigurationError` for an option that is wrong.
#[pyclass(frozen, subclass, extends = PyClientBase, name = "Client", module = "forcegrant")]
pub(crate) struct PyClient;

#[pymethods]
impl PyClient {
    #[new]
    #[pyo3(
        signature = (login_url, client_id=None, client_secret=None, **options),
        text_signature = "(login_url, client_id=None, client_secret=None, **options)"
    )]
    fn new(
        login_url: &Bound<'_, PyAny>,
        client_id: Option<&Bound<'_, PyAny>>,
        client_secret: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = PyClientBase::new(login_url, client_id, client_secret, options)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Return a token that is good to use now, asking Salesforce only if it must.
    ///
    /// `timeout` (seconds or a `timedelta`) limits how long this caller waits; the request goes on
    /// for the others. Other threads run meanwhile, and Ctrl-C ends the wait. Raises
    /// `RefusedError`, `TransportError`, `UnavailableError`, `ResponseError`,
    /// `TokenRejectedError` or `InternalError`, all of them `ForcegrantError`; and
    /// `RequestTimeoutError` when the time is over.
    #[pyo3(signature = (timeout=None))]
    fn token(slf: &Bound<'_, Self>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let limit = timeout
            .map(|timeout| duration("timeout", timeout))
            .transpose()?;
        let base = slf.as_super().get();
        if let Some(token) = base.cache.read(py) {
            return Ok(token.into_any());
        }
        let start = base.ask(py)?;
        start.wait(py, limit, &base.callbacks, Some(&base.cache))
    }

    /// Get a new token and make one harmless API call with it. Raises what `token` raises.
    fn verify(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let base = slf.as_super().get();
        base.wait(slf.py(), ffi::start_verify(base.changing()))
    }

    /// Wait until no request for a token is on its way.
    fn wait_idle(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let base = slf.as_super().get();
        base.wait(slf.py(), ffi::start_wait_idle(&base.client))
    }

    /// Give an `AsyncClient` that shares this one's token and everything else.
    fn async_client<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_call::call(
            &hooks::function(slf.py(), "make_async_client")?,
            (slf,),
            None,
        )
    }

    /// Give interceptors for `grpc.intercept_channel`: they bring what `grpc_auth` brings, and drop
    /// the very token that a call was refused for.
    ///
    /// A unary call is then made once more with a new token; of one that streams, or is a future,
    /// the next call gets it. Needs grpcio: `pip install 'forcegrant[grpc]'`.
    fn grpc_interceptors<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        PyClientBase::_adapter(slf.as_super(), "grpc", "interceptors", None)
    }

    /// Give a `simple_salesforce.Salesforce` whose session renews itself.
    ///
    /// `options` are those of `Salesforce` but for the ones about credentials and the instance:
    /// `version`, `session`, `proxies`, `parse_float`, `object_pairs_hook`. Gets a token, and
    /// raises what `token` raises. Needs simple-salesforce:
    /// `pip install 'forcegrant[simple-salesforce]'`.
    #[pyo3(signature = (**options))]
    fn simple_salesforce<'py>(
        slf: &Bound<'py, Self>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        PyClientBase::_adapter(slf.as_super(), "simple-salesforce", "connect", options)
    }

    /// Do nothing: nothing is open between calls, and the token is never revoked.
    #[expect(clippy::unused_self)] // Python passes it
    fn close(&self) {}

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(slf: &Bound<'_, Self>, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        python_call::call(&slf.getattr("close")?, (), None).map(drop)
    }
}
