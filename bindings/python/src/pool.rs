//! `ClientPool`, and what it has in common with `AsyncClientPool`.

use std::sync::Arc;

use forcegrant::ffi::{self, Start};
use forcegrant::{ClientCredentials, CredentialSet, OrgCredentials};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::callback_queue::CallbackQueue;
use crate::client::Client;
use crate::error::{exception, raise, timed_out};
use crate::event_queue::EventQueue;
use crate::handle::Core;
use crate::options::{apply_to_pool, callable, credentials, duration, environment, text};
use crate::report::Status;
use crate::store::{PythonStore, store_of};
use crate::token::Token;
use crate::token_cache::Shared;
use crate::wait::{Wait, in_slices, until_there};

/// A pool that is built; the classes are made over it.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct PoolCore {
    inside: Arc<Inside>,
    listener: Option<Py<PyAny>>,
    /// The credentials callback and the store, a tuple, if there is either.
    answers: Option<Py<PyAny>>,
}

struct Inside {
    pool: forcegrant::ClientPool,
    event_queue: Arc<EventQueue>,
    callback_queue: Option<Arc<CallbackQueue>>,
}

#[pymethods]
impl PoolCore {
    #[new]
    #[pyo3(signature = (options=None))]
    fn new(py: Python<'_>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
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
        let event_queue = EventQueue::new();
        let mut builder = event_queue.attach_pool(forcegrant::ClientPool::builder());
        let environment = environment(py)?;
        builder = builder.options(|client| client.environment(environment));
        if let Some(callback_queue) = &callback_queue {
            if callback.is_some() {
                builder = callback_queue.attach_pool(builder);
            }
            if let Some(store) = &store {
                let store = PythonStore::new(callback_queue, store.bind(py))?;
                builder = builder.options(|client| client.store(store));
            }
        }
        if let Some(options) = options {
            builder = apply_to_pool(builder, options)?;
        }
        let pool = builder.build().map_err(|error| raise(py, &error))?;
        Ok(Self {
            answers: callback_queue
                .as_ref()
                .map(|_| (callback, store).into_py_any(py))
                .transpose()?,
            inside: Arc::new(Inside {
                pool,
                event_queue,
                callback_queue,
            }),
            listener,
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.listener)?;
        visit.call(&self.answers)
    }
}

/// What `ClientPool` and `AsyncClientPool` have in common.
#[pyclass(frozen, subclass, weakref, module = "forcegrant._native")]
pub(crate) struct PoolHandle {
    inside: Arc<Inside>,
    listener: Option<Py<PyAny>>,
    /// The credentials callback and the store, a tuple, if there is either.
    answers: Option<Py<PyAny>>,
}

/// A token, or something to wait for.
enum Found {
    Token(Py<Token>),
    Pending(ffi::Pending<forcegrant::Token>),
}

impl PoolHandle {
    fn of(py: Python<'_>, core: &PoolCore) -> Self {
        let copy = |function: &Option<Py<PyAny>>| function.as_ref().map(|one| one.clone_ref(py));
        Self {
            inside: Arc::clone(&core.inside),
            listener: copy(&core.listener),
            answers: copy(&core.answers),
        }
    }

    fn pool(&self) -> &forcegrant::ClientPool {
        &self.inside.pool
    }

    fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py)?;
        let event_queue = &self.inside.event_queue;
        event_queue.deliver(py, "", self.listener.as_ref())
    }

    fn answer(&self, py: Python<'_>) -> PyResult<()> {
        match (&self.inside.callback_queue, &self.answers) {
            (Some(callback_queue), Some(answers)) => callback_queue.serve(py, answers),
            _ => Ok(()),
        }
    }

    fn find(&self, py: Python<'_>, key: &str) -> PyResult<Found> {
        let start = ffi::start_of_pool(self.pool(), key);
        self.deliver(py)?;
        Ok(match start {
            Start::Ready(token) => Found::Token(Py::new(py, Token::new(token))?),
            Start::Pending(pending) => Found::Pending(pending),
        })
    }

    fn core(&self, py: Python<'_>, key: &str) -> PyResult<Core> {
        let client = self.pool().client(key).map_err(|error| raise(py, &error))?;
        let copy = |function: &Option<Py<PyAny>>| function.as_ref().map(|one| one.clone_ref(py));
        let (event_queue, callback_queue) = (
            Arc::clone(&self.inside.event_queue),
            self.inside.callback_queue.clone(),
        );
        let shared = Arc::new(Shared::new(client, event_queue, callback_queue));
        Ok(Core::of(shared, copy(&self.listener), copy(&self.answers)))
    }
}

#[pymethods]
impl PoolHandle {
    #[new]
    fn new(core: &Bound<'_, PoolCore>) -> Self {
        Self::of(core.py(), core.get())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.listener)?;
        visit.call(&self.answers)
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
        let org = org(login_url, client_id, client_secret, next_credentials)?;
        let inserted = self.pool().insert_credentials(key, org);
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
        let org = org(login_url, client_id, client_secret, next_credentials)?;
        let set = self.pool().set_credentials(key, org);
        set.map_err(|error| raise(py, &error))
    }

    /// Forget a key, its credentials and its token. True if the pool knew it.
    fn remove(&self, key: &str) -> bool {
        self.pool().remove(key)
    }

    /// Return the key's token if one can be used now, else None. Never waits, and never asks
    /// Salesforce.
    fn cached(&self, py: Python<'_>, key: &str) -> PyResult<Option<Py<Token>>> {
        let token = self.pool().cached(key);
        token
            .map(|token| Py::new(py, Token::new(token)))
            .transpose()
    }

    /// Report that Salesforce rejected a key's token (a `Token`, or its text): it is not given out
    /// again. True if it was the current token.
    fn invalidate(&self, key: &str, token: &Bound<'_, PyAny>) -> PyResult<bool> {
        let was_current = if let Ok(token) = token.cast::<Token>() {
            self.pool().invalidate(key, &token.get().core)
        } else {
            let text = token.cast::<PyString>().map_err(|_| {
                PyTypeError::new_err(
                    "invalidate() takes a key, and a Token or the text of an access token",
                )
            })?;
            let text = text.to_string_lossy();
            self.pool().invalidate_access_token(key, &text)
        };
        self.deliver(token.py())?;
        Ok(was_current)
    }

    /// Say what is known of a key at this instant, without asking anyone; None for one that the
    /// pool does not know.
    fn status(&self, py: Python<'_>, key: &str) -> PyResult<Option<Status>> {
        self.deliver(py)?;
        let status = self.pool().status(key);
        status.map(|status| Status::new(py, &status)).transpose()
    }

    /// Say the same of all keys, in a new dict.
    fn statuses<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.deliver(py)?;
        let all = PyDict::new(py);
        for (key, status) in self.pool().statuses() {
            all.set_item(key, Status::new(py, &status)?)?;
        }
        Ok(all)
    }

    /// Tell `on_event` and `logging` what has happened since they were last told, on this thread.
    fn deliver_events(&self, py: Python<'_>) -> PyResult<()> {
        self.deliver(py)
    }

    fn __len__(&self) -> usize {
        self.pool().len()
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> bool {
        key.extract::<&str>()
            .is_ok_and(|key| self.pool().contains(key))
    }

    #[getter]
    fn _core(&self, py: Python<'_>) -> PoolCore {
        let copy = |function: &Option<Py<PyAny>>| function.as_ref().map(|one| one.clone_ref(py));
        PoolCore {
            inside: Arc::clone(&self.inside),
            listener: copy(&self.listener),
            answers: copy(&self.answers),
        }
    }

    /// What a client of one key is made over.
    fn _core_of(&self, py: Python<'_>, key: &str) -> PyResult<Core> {
        self.core(py, key)
    }

    /// Whether a callback brings credentials.
    fn _asks(&self) -> bool {
        self.inside.callback_queue.is_some()
    }

    /// Have the callback answer the core's questions for credentials, if any wait.
    fn _answer(&self, py: Python<'_>) -> PyResult<()> {
        self.answer(py)
    }

    /// The token of a key, or a `Wait` for it.
    fn _find<'py>(&self, py: Python<'py>, key: &str) -> PyResult<Bound<'py, PyAny>> {
        match self.find(py, key)? {
            Found::Token(token) => Ok(token.into_bound(py).into_any()),
            Found::Pending(pending) => Ok(Bound::new(py, Wait::of_pool(pending))?.into_any()),
        }
    }

    fn _start_prewarm(&self, keys: &Bound<'_, PyAny>) -> PyResult<Wait> {
        Ok(Wait::of_pool(ffi::start_prewarm(self.pool(), texts(keys)?)))
    }

    fn _start_wait_idle(&self) -> Wait {
        Wait::of_pool(ffi::start_wait_idle_of_pool(self.pool()))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let count = slf.get().pool().len();
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
/// Credentials come from `insert`, or from the option `credentials_callback`, which is called with
/// a key and returns `(login_url, client_id, client_secret)`. The options are those of
/// `forcegrant.options.PoolOptions`. Each key has a client of its own, so that one org's failures
/// and delays are no other's; the pace of logins is shared.
///
/// One pool serves any number of threads, and works on in a forked child.
#[pyclass(frozen, subclass, extends = PoolHandle, module = "forcegrant")]
pub(crate) struct ClientPool;

#[pymethods]
impl ClientPool {
    #[new]
    #[pyo3(signature = (*core, **options), text_signature = "(**options)")]
    fn new(
        core: &Bound<'_, PyTuple>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let py = core.py();
        let handle = if core.is_empty() {
            PoolHandle::of(py, &PoolCore::new(py, options)?)
        } else {
            let given = core.get_item(0)?;
            let core = given
                .cast::<PoolCore>()
                .map_err(|_| PyTypeError::new_err("a pool takes keyword arguments only"))?;
            PoolHandle::of(py, core.get())
        };
        Ok(PyClassInitializer::from(handle).add_subclass(Self))
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
    ) -> PyResult<Py<Token>> {
        let py = slf.py();
        let limit = match timeout {
            Some(timeout) => Some(duration("timeout", timeout)?),
            None => None,
        };
        let handle = slf.as_super().get();
        let mut pending = match handle.find(py, key)? {
            Found::Token(token) => return Ok(token),
            Found::Pending(pending) => pending,
        };
        let outcome = in_slices(py, &mut pending, limit, || handle.answer(py))?;
        handle.deliver(py)?;
        match outcome {
            Some(Ok(token)) => Py::new(py, Token::new(token)),
            Some(Err(error)) => Err(raise(py, &error)),
            None => Err(timed_out(py, limit.unwrap_or_default().as_secs_f64())),
        }
    }

    /// Give the `Client` of a key, to use by itself. It goes on working when the pool lets go of it.
    fn client(slf: &Bound<'_, Self>, key: &str) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let core = slf.as_super().get().core(py, key)?;
        Ok(py.get_type::<Client>().call1((core,))?.unbind())
    }

    /// Log in for every key that has no usable token, behind the logins that callers wait for, and
    /// wait until all are done.
    fn prewarm(slf: &Bound<'_, Self>, keys: &Bound<'_, PyAny>) -> PyResult<Prewarmed> {
        let py = slf.py();
        let handle = slf.as_super().get();
        let mut pending = ffi::start_prewarm(handle.pool(), texts(keys)?);
        let outcome = until_there(py, &mut pending, || handle.answer(py))?;
        handle.deliver(py)?;
        match outcome {
            Ok(warm) => Prewarmed::new(py, &warm),
            Err(error) => Err(raise(py, &error)),
        }
    }

    /// Wait until no request for a token is on its way.
    fn wait_idle(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let handle = slf.as_super().get();
        let mut pending = ffi::start_wait_idle_of_pool(handle.pool());
        let outcome = until_there(py, &mut pending, || handle.answer(py))?;
        handle.deliver(py)?;
        outcome.map_err(|error| raise(py, &error))
    }

    /// Give an `AsyncClientPool` that shares this one's clients and everything else.
    fn async_pool<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("forcegrant")?
            .getattr("AsyncClientPool")?
            .call_method1("from_pool", (slf,))
    }

    /// Do nothing: nothing is open between calls, and no token is ever revoked.
    #[expect(clippy::unused_self)] // Python passes it
    fn close(&self) {}

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_args))]
    fn __exit__(slf: &Bound<'_, Self>, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        slf.call_method0("close").map(drop)
    }
}

/// What came of logging in ahead.
#[pyclass(frozen, get_all, module = "forcegrant")]
pub(crate) struct Prewarmed {
    /// How many keys have a usable token now.
    ready: usize,
    /// The keys whose login failed, and the `ForcegrantError` of each.
    failed: Py<PyDict>,
}

impl Prewarmed {
    pub(crate) fn new(py: Python<'_>, warm: &forcegrant::Prewarmed) -> PyResult<Self> {
        let failed = PyDict::new(py);
        for (key, error) in &warm.failed {
            failed.set_item(key, exception(py, error)?)?;
        }
        Ok(Self {
            ready: warm.ready,
            failed: failed.unbind(),
        })
    }
}

#[pymethods]
impl Prewarmed {
    fn __repr__(&self, py: Python<'_>) -> String {
        let failed = self.failed.bind(py).len();
        format!("<Prewarmed: {} ready, {failed} failed>", self.ready)
    }
}

fn org(
    login_url: &Bound<'_, PyAny>,
    client_id: &Bound<'_, PyAny>,
    client_secret: &Bound<'_, PyAny>,
    next: Option<&Bound<'_, PyAny>>,
) -> PyResult<OrgCredentials> {
    let url = text("login_url", login_url)?;
    let pair = |id: String, secret: String| {
        ClientCredentials::new(id, secret).map_err(|error| raise(login_url.py(), &error))
    };
    let current = pair(
        text("client_id", client_id)?,
        text("client_secret", client_secret)?,
    )?;
    let pairs = CredentialSet::new(current);
    let pairs = match next.filter(|next| !next.is_none()) {
        Some(next) => {
            let (id, secret) = credentials("next_credentials", next)?;
            pairs.with_next(pair(id, secret)?)
        }
        None => pairs,
    };
    Ok(OrgCredentials::new(url, pairs))
}

/// The org in what a callback returned: three texts, or a dict that names them.
pub(crate) fn org_of(answer: &Bound<'_, PyAny>) -> PyResult<OrgCredentials> {
    if let Ok(named) = answer.cast::<PyDict>() {
        let get = |name: &str| {
            named.get_item(name)?.ok_or_else(|| {
                PyTypeError::new_err(format!("credentials_callback: the dict has no '{name}'"))
            })
        };
        let next = named.get_item("next_credentials")?;
        return org(
            &get("login_url")?,
            &get("client_id")?,
            &get("client_secret")?,
            next.as_ref(),
        );
    }
    let (url, id, secret): (Bound<'_, PyAny>, Bound<'_, PyAny>, Bound<'_, PyAny>) =
        answer.extract().map_err(|_| {
            PyTypeError::new_err(
                "credentials_callback: expected a tuple of login URL, client id and client secret, or a dict",
            )
        })?;
    org(&url, &id, &secret, None)
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
