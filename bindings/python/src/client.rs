//! `Client`: for threads. It is a native class through and through, because a method that is
//! inherited by a class written in Python costs a third more on the hot path.

use std::time::Duration;

use forcegrant::ffi::{self, Pending};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::error::{raise, timed_out};
use crate::handle::{Core, Handle, adapter};
use crate::options::duration;
use crate::python_call;
use crate::report::Verified;
use crate::token::Token;
use crate::token_cache::Found;
use crate::wait::{in_slices, until_there};

/// Tokens of one app in one Salesforce org, for threads.
///
/// ```python
/// client = Client("acme.my.salesforce.com", client_id, client_secret)
/// token = client.token()
/// ```
///
/// `login_url` is the org's My Domain, in any of the forms that people copy out of a browser;
/// `client_secret` may be left out where the option `client_secret_file` says where it is, and both
/// it and `client_id` where `credentials_callback` brings them. The options are those of `forcegrant.options.ClientOptions`. Nothing is sent, and no thread
/// started, before a token is asked for.
///
/// One client serves any number of threads, and works on in a forked child. It needs no closing:
/// `with` and `close()` are there for symmetry, and the token is never revoked, because Salesforce
/// gives the same one to other processes.
///
/// Raises `ConfigurationError` for an option that is wrong.
#[pyclass(frozen, subclass, extends = Handle, module = "forcegrant")]
pub(crate) struct Client;

#[pymethods]
impl Client {
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
        // From `from_env`: it is built.
        if let Ok(core) = login_url.cast::<Core>() {
            return Ok(PyClassInitializer::from(Handle::new(core)).add_subclass(Self));
        }
        let asked = options
            .is_some_and(|options| options.contains("credentials_callback").unwrap_or(false));
        if client_id.is_none() && !asked {
            return Err(PyTypeError::new_err(
                "a client takes login_url, client_id and client_secret; Client.from_env() reads the environment",
            ));
        }
        let core = Core::new(login_url, client_id, client_secret, options)?;
        Ok(PyClassInitializer::from(core.into_handle()).add_subclass(Self))
    }

    /// Take the org and the credentials from the environment.
    ///
    /// That is SALESFORCE_LOGIN_URL, SALESFORCE_CLIENT_ID and SALESFORCE_CLIENT_SECRET, or the
    /// file that SALESFORCE_CLIENT_SECRET_FILE names. Raises `ConfigurationError` naming what is
    /// missing.
    #[classmethod]
    #[pyo3(signature = (**options))]
    #[expect(clippy::doc_markdown)] // read in Python
    fn from_env<'py>(
        cls: &Bound<'py, PyType>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let core = Core::from_env(cls.py(), options)?;
        python_call::call(&cls.getattr("__new__")?, (cls, core), None)
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
        let limit = match timeout {
            Some(timeout) => Some(duration("timeout", timeout)?),
            None => None,
        };
        let handle = slf.as_super().get();
        match handle.find(slf.py())? {
            Found::Token(token) => Ok(token),
            Found::Pending(pending) => wait_for_token(slf.py(), handle, pending, limit),
        }
    }

    /// Get a new token and make one harmless API call with it. Raises what `token` raises.
    fn verify(slf: &Bound<'_, Self>) -> PyResult<Py<Verified>> {
        let py = slf.py();
        let handle = slf.as_super().get();
        let shared = &handle.shared;
        let outcome = until_there(py, &mut ffi::start_verify(shared.changing()), || {
            handle.answer(py)
        })?;
        handle.deliver(py)?;
        match outcome {
            Ok(verified) => Verified::new(py, shared, &verified),
            Err(error) => Err(raise(py, &error)),
        }
    }

    /// Wait until no request for a token is on its way.
    fn wait_idle(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let handle = slf.as_super().get();
        let outcome = until_there(
            py,
            &mut ffi::start_wait_idle(handle.shared.client()),
            || handle.answer(py),
        )?;
        handle.deliver(py)?;
        outcome.map_err(|error| raise(py, &error))
    }

    /// Give an `AsyncClient` that shares this one's token and everything else.
    fn async_client<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let class = python_call::module(slf.py(), "forcegrant")?.getattr("AsyncClient")?;
        python_call::call(&class.getattr("from_client")?, (slf,), None)
    }

    /// Give interceptors for `grpc.intercept_channel`: they bring what `grpc_auth` brings, and drop
    /// the very token that a call was refused for.
    ///
    /// A unary call is then made once more with a new token; of one that streams, or is a future,
    /// the next call gets it. Needs grpcio: `pip install 'forcegrant[grpc]'`.
    fn grpc_interceptors<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        adapter(slf.as_super(), "grpc", "interceptors", None)
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
        adapter(slf.as_super(), "simple-salesforce", "connect", options)
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

#[cold]
fn wait_for_token(
    py: Python<'_>,
    handle: &Handle,
    mut pending: Pending<forcegrant::Token>,
    limit: Option<Duration>,
) -> PyResult<Py<Token>> {
    let outcome = in_slices(py, &mut pending, limit, || handle.answer(py))?;
    handle.deliver(py)?;
    match outcome {
        Some(outcome) => handle.shared.outcome(py, outcome),
        None => Err(timed_out(py, limit.unwrap_or_default().as_secs_f64())),
    }
}
