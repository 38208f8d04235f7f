//! `ClientPool`, for threads, and what it has in common with `AsyncClientPool`.

use forcegrant::ffi::{self, Pending, Start};
use forcegrant::{ClientPool, OrgCredentials};
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::callbacks::Callbacks;
use crate::client::{PyClient, PyClientBase};
use crate::connections::PyConnectionsBase;
use crate::error::raise;
use crate::hooks;
use crate::options::{apply_to_pool, environment};
use crate::python_call;
use crate::report::PyStatus;
use crate::request::org;
use crate::token::{PyToken, access_token_of};
use crate::values::duration;
use crate::wait::{Outcome, PyWait, TokenStart, wait};

/// What `ClientPool` and `AsyncClientPool` have in common.
#[pyclass(
    frozen,
    subclass,
    weakref,
    name = "PoolBase",
    module = "forcegrant._native"
)]
pub(crate) struct PyPoolBase {
    pool: ClientPool,
    callbacks: Callbacks,
}

impl PyPoolBase {
    /// Waits on this thread.
    fn wait<T: Outcome>(&self, py: Python<'_>, pending: Pending<T>) -> PyResult<Py<PyAny>> {
        wait(py, pending, None, &self.callbacks, None)
    }

    /// What the core says.
    fn ask(&self, py: Python<'_>, key: &str) -> PyResult<TokenStart> {
        let start = ffi::start_of_pool(&self.pool, key);
        self.callbacks.deliver(py)?;
        Ok(match start {
            Start::Ready(token) => TokenStart::Ready(Py::new(py, PyToken::new(token))?),
            Start::Pending(pending) => TokenStart::Pending(pending),
        })
    }
}

#[pymethods]
impl PyPoolBase {
    /// `pool` may be another pool, which is shared then.
    #[new]
    #[pyo3(signature = (*pool, **options))]
    fn new(pool: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let py = pool.py();
        if let Ok(other) = pool.get_item(0) {
            let other = other
                .cast_into::<Self>()
                .map_err(|_| PyTypeError::new_err("a pool takes keyword arguments only"))?;
            return Ok(Self {
                pool: other.get().pool.clone(),
                callbacks: other.get().callbacks.clone_ref(py),
            });
        }
        let callbacks = Callbacks::from_options(py, options)?;
        let environment = environment(py)?;
        let builder = ClientPool::builder().options(|client| client.environment(environment));
        let mut builder = callbacks.functions().attach_pool(builder);
        let connections = options.map(|options| options.get_item("connections"));
        let connections = connections.transpose()?.flatten();
        if let Some(connections) = connections.filter(|given| !given.is_none()) {
            builder = builder.connections(PyConnectionsBase::of(&connections)?);
        }
        let pool = apply_to_pool(builder, options)?
            .build()
            .map_err(|error| raise(py, &error))?;
        Ok(Self { pool, callbacks })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.callbacks.traverse(&visit)
    }

    /// Give the pool an org.
    ///
    /// For a key that it knows, this replaces the credentials: the token at hand stays if they are
    /// for the same login host, and for another host the key starts afresh. The same credentials
    /// again change nothing. `next_credentials` are a second pair, client id and secret, that is
    /// live as well. What was inserted is forgotten when the pool is full and the key was not used
    /// lately; where that may happen, use `credentials_callback`. Raises `ConfigurationError`.
    #[pyo3(signature = (key, login_url, client_id, client_secret, *, next_credentials=None))]
    fn insert(
        &self,
        py: Python<'_>,
        key: &str,
        login_url: &Bound<'_, PyAny>,
        client_id: &Bound<'_, PyAny>,
        client_secret: &Bound<'_, PyAny>,
        next_credentials: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (url, set) = org(login_url, client_id, client_secret, next_credentials)?;
        let org = OrgCredentials::new(url, set);
        let inserted = self.pool.insert_credentials(key, org);
        inserted.map(drop).map_err(|error| raise(py, &error))
    }

    /// The same for a key that the pool knows. Raises `ConfigurationError` with the code
    /// `unknown_key` for another.
    #[pyo3(signature = (key, login_url, client_id, client_secret, *, next_credentials=None))]
    fn set_credentials(
        &self,
        py: Python<'_>,
        key: &str,
        login_url: &Bound<'_, PyAny>,
        client_id: &Bound<'_, PyAny>,
        client_secret: &Bound<'_, PyAny>,
        next_credentials: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (url, set) = org(login_url, client_id, client_secret, next_credentials)?;
        let org = OrgCredentials::new(url, set);
        let set = self.pool.set_credentials(key, org);
        set.map_err(|error| raise(py, &error))
    }

    /// Forget a key, its credentials and its token. True if the pool knew it.
    fn remove(&self, key: &str) -> bool {
        self.pool.remove(key)
    }

    /// Return the key's token if one can be used now, else None. Never waits, and never asks
    /// Salesforce.
    fn cached(&self, py: Python<'_>, key: &str) -> PyResult<Option<Py<PyToken>>> {
        let token = self.pool.cached(key);
        token
            .map(|token| Py::new(py, PyToken::new(token)))
            .transpose()
    }

    /// Report that Salesforce rejected a key's token (a `Token`, or its text): it is not given out
    /// again. True if it was the current token.
    fn invalidate(&self, key: &str, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let wrong = "invalidate() takes a key, and a Token or the text of an access token";
        let text = access_token_of(token, wrong)?;
        let was_current = self.pool.invalidate_access_token(key, &text);
        self.callbacks.deliver(token.py())?;
        Ok(was_current)
    }

    /// Say what is known of a key at this instant, without asking anyone; None for one that the
    /// pool does not know.
    fn status(&self, py: Python<'_>, key: &str) -> PyResult<Option<PyStatus>> {
        self.callbacks.deliver(py)?;
        let status = self.pool.status(key);
        status.map(|status| PyStatus::new(py, &status)).transpose()
    }

    /// Say the same of all keys, in a new dict.
    fn statuses<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.callbacks.deliver(py)?;
        let all = PyDict::new(py);
        for (key, status) in self.pool.statuses() {
            all.set_item(key, PyStatus::new(py, &status)?)?;
        }
        Ok(all)
    }

    /// Tell `on_event` and `logging` what has happened since they were last told, on this thread.
    fn deliver_events(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.deliver(py)
    }

    fn __len__(&self) -> usize {
        self.pool.len()
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> bool {
        key.extract::<&str>()
            .is_ok_and(|key| self.pool.contains(key))
    }

    /// What a client of one key is made over.
    #[pyo3(name = "_client")]
    fn client(&self, py: Python<'_>, key: &str) -> PyResult<PyClientBase> {
        let client = self.pool.client(key).map_err(|error| raise(py, &error))?;
        Ok(PyClientBase::of(client, self.callbacks.clone_ref(py)))
    }

    /// Whether the core may have requests.
    fn _has_requests(&self) -> bool {
        self.callbacks.has_requests()
    }

    /// Have the requests of the core answered that wait.
    fn _serve_requests(&self, py: Python<'_>) -> PyResult<()> {
        self.callbacks.serve(py)
    }

    /// The token of a key, or a `Wait` for it.
    fn _start(&self, py: Python<'_>, key: &str) -> PyResult<Py<PyAny>> {
        self.ask(py, key)?.into_python(py, None)
    }

    fn _start_prewarm(&self, keys: &Bound<'_, PyAny>) -> PyResult<PyWait> {
        let pending = ffi::start_prewarm(&self.pool, texts(keys)?);
        Ok(PyWait::new(pending, None))
    }

    fn _start_wait_idle(&self) -> PyWait {
        PyWait::new(ffi::start_wait_idle_of_pool(&self.pool), None)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let count = slf.get().pool.len();
        Ok(format!("<{} of {count} clients>", slf.get_type().name()?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Err(PyTypeError::new_err(format!(
            "a {} cannot be pickled, because it holds secrets: let the other process make its own",
            slf.get_type().name()?
        )))
    }
}

/// Tokens of many Salesforce orgs, each under a key of yours, for threads.
///
/// ```python
/// pool = ClientPool(credentials_callback=lookup)
/// token = pool.token("tenant-42")
/// ```
///
/// Credentials come from `insert`; or from the option `credentials_callback`, which is called with
/// a key and returns `(login_url, client_id, client_secret)`; or with the option `connections` from
/// a folder, whose ids are the keys then. The options are those of
/// `forcegrant.options.PoolOptions`. Each key has a client of its own, so that one org's failures
/// and delays are no other's; the pace of logins is shared.
///
/// One pool serves any number of threads, and works on in a forked child.
#[pyclass(frozen, subclass, extends = PyPoolBase, name = "ClientPool", module = "forcegrant")]
pub(crate) struct PyClientPool;

#[pymethods]
impl PyClientPool {
    #[new]
    #[pyo3(signature = (*pool, **options), text_signature = "(**options)")]
    fn new(
        pool: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = PyPoolBase::new(pool, options)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Return a token of this key that is good to use now, asking Salesforce only if it must.
    ///
    /// `timeout` (seconds or a `timedelta`) limits how long this caller waits; the request goes on
    /// for the others. Raises what `Client.token` raises, and `ConfigurationError` with the code
    /// `unknown_key` where nobody gave credentials for the key.
    #[pyo3(signature = (key, timeout=None))]
    fn token(
        slf: &Bound<'_, Self>,
        key: &str,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let limit = timeout
            .map(|timeout| duration("timeout", timeout))
            .transpose()?;
        let base = slf.as_super().get();
        let start = base.ask(slf.py(), key)?;
        start.wait(slf.py(), limit, &base.callbacks, None)
    }

    /// Give the `Client` of a key, to use by itself. It goes on working when the pool lets go of it.
    fn client(slf: &Bound<'_, Self>, key: &str) -> PyResult<Py<PyClient>> {
        let py = slf.py();
        let base = slf.as_super().get().client(py, key)?;
        Py::new(py, PyClassInitializer::from(base).add_subclass(PyClient))
    }

    /// Log in for every key that has no usable token, behind the logins that callers wait for, and
    /// wait until all are done.
    fn prewarm(slf: &Bound<'_, Self>, keys: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let base = slf.as_super().get();
        let pending = ffi::start_prewarm(&base.pool, texts(keys)?);
        base.wait(slf.py(), pending)
    }

    /// Wait until no request for a token is on its way.
    fn wait_idle(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let base = slf.as_super().get();
        base.wait(slf.py(), ffi::start_wait_idle_of_pool(&base.pool))
    }

    /// Give an `AsyncClientPool` that shares this one's clients and everything else.
    fn async_pool<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python_call::call(&hooks::function(slf.py(), "make_async_pool")?, (slf,), None)
    }

    /// Do nothing: nothing is open between calls, and no token is ever revoked.
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

/// Keys from any iterable of `str` but a `str`.
fn texts(keys: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let wrong = || PyTypeError::new_err("prewarm() takes an iterable of str");
    if keys.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    let keys = keys.try_iter().map_err(|_| wrong())?;
    keys.map(|key| key?.extract().map_err(|_| wrong()))
        .collect()
}
