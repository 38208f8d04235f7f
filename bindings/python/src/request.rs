//! What the core asks of a function in Python: credentials, or a call of a store.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forcegrant::ffi::{self, CallbackStore, CredentialsRequest, StoreCall};
use forcegrant::store::{Acquired, Lease, Put, StoreError, Stored};
use forcegrant::{ClientCredentials, CredentialSet, OrgCredentials};
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::connection_value::PyConnection;
use crate::error::raise;
use crate::hooks;
use crate::options::{environment, is_store};
use crate::process_queue::ProcessQueue;
use crate::python_call;
use crate::values::{credentials, text};

pub(crate) enum CallbackRequest {
    Credentials(CredentialsRequest),
    Store(StoreCall),
}

/// A request of the core that waits for its answer. One that is dropped tells the core so.
#[pyclass(frozen, name = "Request", module = "forcegrant._native")]
pub(crate) struct PyRequest(Mutex<Option<CallbackRequest>>);

/// Has all the requests that wait answered, on this thread.
pub(crate) fn answer_all(
    py: Python<'_>,
    requests: &ProcessQueue<CallbackRequest>,
    handler: &Py<PyAny>,
) -> PyResult<()> {
    while let Some(request) = requests.pop() {
        let request = PyRequest(Mutex::new(Some(request)));
        python_call::call(handler.bind(py), (request,), None)?;
    }
    Ok(())
}

impl PyRequest {
    fn replace(&self, request: Option<CallbackRequest>) -> Option<CallbackRequest> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, request)
    }
}

#[pymethods]
impl PyRequest {
    /// Call the function that the request is for: the credentials callback, with the key if a pool asks, or
    /// a method of the store. `lease` is the class of a lease.
    fn call<'py>(
        &self,
        credentials_callback: &Bound<'py, PyAny>,
        store: &Bound<'py, PyAny>,
        lease: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let request = self.replace(None);
        let target = match &request {
            Some(CallbackRequest::Credentials(request)) => {
                let key = request.key().map(|key| (key,).into_pyobject(py));
                let args = key.transpose()?.unwrap_or_else(|| PyTuple::empty(py));
                Ok((credentials_callback.clone(), args))
            }
            Some(CallbackRequest::Store(call)) => store
                .getattr(call.method())
                .and_then(|method| Ok((method, arguments(call, lease)?))),
            None => Err(PyRuntimeError::new_err("this request is answered")),
        };
        self.replace(request);
        let (function, args) = target?;
        python_call::call(&function, args, None)
    }

    /// Answer with what the function returned. A value that is of no use is told to the core, too.
    fn answer(&self, value: &Bound<'_, PyAny>) {
        match self.replace(None) {
            Some(CallbackRequest::Credentials(request)) if request.key().is_some() => {
                match org_of(value) {
                    Ok(Ok(org)) => request.answer_org(org),
                    Ok(Err(error)) => request.fail(error),
                    Err(error) => request.fail(error.to_string()),
                }
            }
            Some(CallbackRequest::Credentials(request)) => match credential_set_of(value) {
                Ok(Ok(set)) => request.answer("", set),
                Ok(Err(error)) => request.fail(error),
                Err(error) => request.fail(error.to_string()),
            },
            Some(CallbackRequest::Store(call)) => answer_store(call, value),
            None => {}
        }
    }

    /// Say why there is no answer.
    fn fail(&self, reason: String) {
        match self.replace(None) {
            Some(CallbackRequest::Credentials(request)) => request.fail(reason),
            Some(CallbackRequest::Store(call)) => call.fail(reason),
            None => {}
        }
    }
}

/// Two texts, or a dict of `current` and, if there is one, `next`.
fn credential_set_of(
    value: &Bound<'_, PyAny>,
) -> PyResult<Result<CredentialSet, forcegrant::Error>> {
    let name = "credentials_callback";
    let (current, next) = match value.cast::<PyDict>() {
        Ok(pairs) => (pairs.get_item("current")?, pairs.get_item("next")?),
        Err(_) => (None, None),
    };
    let current = credentials(name, current.as_ref().unwrap_or(value))?;
    let next = next.filter(|next| !next.is_none());
    let next = next.map(|next| credentials(name, &next)).transpose()?;
    Ok(credential_set(current, next))
}

fn credential_set(
    (id, secret): (String, String),
    next: Option<(String, String)>,
) -> Result<CredentialSet, forcegrant::Error> {
    let set = CredentialSet::new(ClientCredentials::new(id, secret)?);
    Ok(match next {
        Some((id, secret)) => set.with_next(ClientCredentials::new(id, secret)?),
        None => set,
    })
}

/// Three texts, a dict that names them, or a connection; `None` says that there is no such key.
fn org_of(value: &Bound<'_, PyAny>) -> PyResult<Result<Option<OrgCredentials>, forcegrant::Error>> {
    if value.is_none() {
        return Ok(Ok(None));
    }
    if let Ok(connection) = value.cast::<PyConnection>() {
        let (connection, environment) = (connection.get().0.clone(), environment(value.py())?);
        return Ok(ffi::org_of_connection(connection, environment).map(Some));
    }
    let (login_url, set) = named_or_in_order(value)?;
    Ok(Ok(Some(OrgCredentials::new(login_url, set))))
}

fn named_or_in_order(value: &Bound<'_, PyAny>) -> PyResult<(String, CredentialSet)> {
    if let Ok(named) = value.cast::<PyDict>() {
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
        value.extract().map_err(|_| {
            PyTypeError::new_err(
                "credentials_callback: expected a tuple of login URL, client id and client secret, a dict, a Connection, or None",
            )
        })?;
    org(&url, &id, &secret, None)
}

/// The login URL and the credentials of one org of a pool.
pub(crate) fn org(
    login_url: &Bound<'_, PyAny>,
    client_id: &Bound<'_, PyAny>,
    client_secret: &Bound<'_, PyAny>,
    next: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, CredentialSet)> {
    let url = text("login_url", login_url)?;
    Ok((url, given_set(client_id, client_secret, next)?))
}

/// The credentials that the arguments of a method name.
pub(crate) fn given_set(
    client_id: &Bound<'_, PyAny>,
    client_secret: &Bound<'_, PyAny>,
    next: Option<&Bound<'_, PyAny>>,
) -> PyResult<CredentialSet> {
    let current = (
        text("client_id", client_id)?,
        text("client_secret", client_secret)?,
    );
    let next = next.filter(|next| !next.is_none());
    let next = next
        .map(|next| credentials("next_credentials", next))
        .transpose()?;
    credential_set(current, next).map_err(|error| raise(client_id.py(), &error))
}

fn arguments<'py>(call: &StoreCall, class: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTuple>> {
    let py = class.py();
    let held = |lease: &Lease| python_call::call(class, (&lease.owner, lease.fence), None);
    match call {
        StoreCall::Get { key, .. } => (key,).into_pyobject(py),
        StoreCall::Put {
            key,
            entry,
            time_to_live,
            lease,
            ..
        } => {
            let entry = PyBytes::new(py, entry);
            (key, entry, time_to_live.as_secs_f64(), held(lease)?).into_pyobject(py)
        }
        StoreCall::Acquire {
            key, owner, time, ..
        } => (key, owner, time.as_secs_f64()).into_pyobject(py),
        StoreCall::Release { key, lease, .. } => (key, held(lease)?).into_pyobject(py),
        StoreCall::Watch {
            key, fence, limit, ..
        } => (key, *fence, limit.as_secs_f64()).into_pyobject(py),
        StoreCall::Count { key, logins, .. } => (key, *logins).into_pyobject(py),
    }
}

/// The named tuples of `forcegrant.stores` are told apart by their length.
fn answer_store(call: StoreCall, value: &Bound<'_, PyAny>) {
    let failed = |error: PyErr| StoreError::new(error.to_string());
    match call {
        StoreCall::Get { reply, .. } => reply.send(stored_of(value).map_err(failed)),
        StoreCall::Put { reply, .. } => {
            let put = |stored: bool| if stored { Put::Stored } else { Put::Outdated };
            reply.send(value.extract().map(put).map_err(failed));
        }
        StoreCall::Acquire { reply, .. } => reply.send(acquired_of(value).map_err(failed)),
        StoreCall::Release { reply, .. } | StoreCall::Watch { reply, .. } => reply.send(Ok(())),
        StoreCall::Count { reply, .. } => reply.send(value.extract().map_err(failed)),
    }
}

fn stored_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Stored>> {
    let stored: Option<(Vec<u8>, Option<f64>)> = value.extract()?;
    let Some((entry, left)) = stored else {
        return Ok(None);
    };
    let left = left.map(seconds).transpose()?;
    Ok(Some(Stored { entry, left }))
}

fn acquired_of(value: &Bound<'_, PyAny>) -> PyResult<Acquired> {
    if let Ok((fence,)) = value.extract::<(u64,)>() {
        return Ok(Acquired::Granted { fence });
    }
    let (fence, left): (u64, f64) = value.extract()?;
    let left = seconds(left)?;
    Ok(Acquired::Held { fence, left })
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err("this is no length of time in seconds"))
}

/// A check of the contract of a store that is written in Python, under way on a thread of its
/// own. Raises `TypeError` for what is no store.
#[pyclass(frozen, name = "StoreCheck", module = "forcegrant._native")]
pub(crate) struct PyStoreCheck {
    requests: Arc<ProcessQueue<CallbackRequest>>,
    request_handler: Py<PyAny>,
    violations: Arc<OnceLock<Vec<String>>>,
}

#[pymethods]
impl PyStoreCheck {
    #[new]
    fn new(store: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = store.py();
        if !is_store(store)? {
            return Err(PyTypeError::new_err(
                "a store has the methods get, put, acquire, release and count",
            ));
        }
        let handler = python_call::call(
            &hooks::function(py, "make_request_handler")?,
            (py.None(), store),
            None,
        )?;
        let requests = Arc::new(ProcessQueue::default());
        let violations = Arc::new(OnceLock::new());
        let (asked, found) = (Arc::clone(&requests), Arc::clone(&violations));
        let checked = CallbackStore::new(store.hasattr("watch")?, move |call| {
            asked.push(CallbackRequest::Store(call), |_| ());
        });
        std::thread::Builder::new()
            .name("forcegrant-check".to_owned())
            .spawn(move || {
                let _ = found.set(ffi::check_store(&checked));
            })?;
        Ok(Self {
            requests,
            request_handler: handler.unbind(),
            violations,
        })
    }

    /// Have the store carry out the calls that wait, on this thread. Give what it does not keep, one
    /// line each, when the check is over; None before.
    fn serve(&self, py: Python<'_>) -> PyResult<Option<Vec<String>>> {
        answer_all(py, &self.requests, &self.request_handler)?;
        Ok(self.violations.get().cloned())
    }
}
