//! Waiting outside the interpreter: in slices for threads, at a socket for event loops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forcegrant::ffi::{Pending, Subscription};
use forcegrant::{Error, Prewarmed, Token, Verified};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::callbacks::Callbacks;
use crate::error::{raise, timed_out};
use crate::python_call;
use crate::report::{PyPrewarmed, PyVerified};
use crate::token::PyToken;
use crate::token_cache::TokenCache;
use crate::wake;

/// How often a waiting thread looks whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_millis(50);
/// How long a waiting greenlet leaves the thread to others: at first, doubling, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// What can be waited for.
pub(crate) trait Outcome: Clone + Send + 'static {
    /// For Python. A client has a cache of its token; a pool has none.
    fn into_python(self, py: Python<'_>, cache: Option<&TokenCache>) -> PyResult<Py<PyAny>>;
}

impl Outcome for Token {
    fn into_python(self, py: Python<'_>, cache: Option<&TokenCache>) -> PyResult<Py<PyAny>> {
        let token = match cache {
            Some(cache) => cache.object(py, &self)?,
            None => Py::new(py, PyToken::new(self))?,
        };
        Ok(token.into_any())
    }
}

impl Outcome for Verified {
    fn into_python(self, py: Python<'_>, cache: Option<&TokenCache>) -> PyResult<Py<PyAny>> {
        let token = self.token.into_python(py, cache)?;
        let token = token.into_bound(py).cast_into()?.unbind();
        Ok(Py::new(py, PyVerified::new(token, self.api_usage))?.into_any())
    }
}

impl Outcome for Prewarmed {
    fn into_python(self, py: Python<'_>, _: Option<&TokenCache>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, PyPrewarmed::new(py, &self)?)?.into_any())
    }
}

impl Outcome for () {
    fn into_python(self, py: Python<'_>, _: Option<&TokenCache>) -> PyResult<Py<PyAny>> {
        Ok(py.None())
    }
}

fn converted<T: Outcome>(
    py: Python<'_>,
    outcome: Result<T, Error>,
    cache: Option<&TokenCache>,
) -> PyResult<Py<PyAny>> {
    match outcome {
        Ok(outcome) => outcome.into_python(py, cache),
        Err(error) => Err(raise(py, &error)),
    }
}

/// A token that is good to use now, or a wait for one.
pub(crate) enum TokenStart {
    Ready(Py<PyToken>),
    Pending(Pending<Token>),
}

impl TokenStart {
    /// The token, or a `Wait` for it.
    pub(crate) fn into_python(
        self,
        py: Python<'_>,
        cache: Option<&Arc<TokenCache>>,
    ) -> PyResult<Py<PyAny>> {
        Ok(match self {
            Self::Ready(token) => token.into_any(),
            Self::Pending(pending) => Py::new(py, PyWait::new(pending, cache))?.into_any(),
        })
    }

    /// The token, after a wait on this thread if it must be.
    pub(crate) fn wait(
        self,
        py: Python<'_>,
        limit: Option<Duration>,
        callbacks: &Callbacks,
        cache: Option<&TokenCache>,
    ) -> PyResult<Py<PyAny>> {
        match self {
            Self::Ready(token) => Ok(token.into_any()),
            Self::Pending(pending) => wait(py, pending, limit, callbacks, cache),
        }
    }
}

/// Waits on this thread, and delivers what has happened. Returns or raises the outcome.
pub(crate) fn wait<T: Outcome>(
    py: Python<'_>,
    pending: Pending<T>,
    limit: Option<Duration>,
    callbacks: &Callbacks,
    cache: Option<&TokenCache>,
) -> PyResult<Py<PyAny>> {
    let outcome = in_slices(py, pending, limit, callbacks)?;
    callbacks.deliver(py)?;
    match outcome {
        Some(outcome) => converted(py, outcome, cache),
        None => Err(timed_out(py, limit.unwrap_or_default())),
    }
}

/// Waits on this thread with the interpreter released, and has requests answered between the slices. `None`: the
/// time is over.
fn in_slices<T: Clone + Send>(
    py: Python<'_>,
    mut pending: Pending<T>,
    limit: Option<Duration>,
    callbacks: &Callbacks,
) -> PyResult<Option<Result<T, Error>>> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    let greenlets = Greenlets::of(py)?;
    let mut pause = PAUSES.0;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let within = |slice: Duration| left.map_or(slice, |left| left.min(slice));
        let slice = match &greenlets {
            Some(_) => Duration::ZERO,
            None => within(SLICE),
        };
        if let Some(outcome) = py.detach(|| pending.wait_timeout(slice)) {
            return Ok(Some(outcome));
        }
        py.check_signals()?;
        callbacks.serve(py)?;
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
        if let Some(greenlets) = &greenlets {
            greenlets.run_for(within(pause))?;
            pause = PAUSES.1.min(pause * 2);
        }
    }
}

/// gevent, where it has taken over the process: a thread that waits would keep all its greenlets
/// from running, and one of them may be who brings the credentials.
struct Greenlets<'py>(Bound<'py, PyAny>);

impl<'py> Greenlets<'py> {
    fn of(py: Python<'py>) -> PyResult<Option<Self>> {
        let modules = py.import("sys")?.getattr("modules")?;
        let Ok(monkey) = modules.get_item("gevent.monkey") else {
            return Ok(None);
        };
        let patched = python_call::call(&monkey.getattr("is_module_patched")?, ("socket",), None)?;
        if patched.is_truthy()? {
            let sleep = modules.get_item("gevent")?.getattr("sleep")?;
            return Ok(Some(Self(sleep)));
        }
        Ok(None)
    }

    fn run_for(&self, pause: Duration) -> PyResult<()> {
        python_call::call(&self.0, (pause.as_secs_f64(),), None).map(drop)
    }
}

/// Something that is on its way.
#[pyclass(frozen, name = "Wait", module = "forcegrant._native")]
pub(crate) struct PyWait(Box<dyn AnyWait>);

/// What is waited for, whatever its type.
trait AnyWait: Send + Sync {
    fn is_done(&self) -> bool;
    fn watch(&self, end: wake::End);
    fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>>;
    fn close(&self);
}

struct PendingWait<T> {
    pending: Pending<T>,
    cache: Option<Arc<TokenCache>>,
    subscription: Mutex<Option<Subscription<T>>>,
}

impl<T> PendingWait<T> {
    fn subscribe(&self, subscription: Option<Subscription<T>>) {
        let mut place = self
            .subscription
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let previous = std::mem::replace(&mut *place, subscription);
        drop(place);
        drop(previous);
    }
}

impl<T: Outcome> AnyWait for PendingWait<T> {
    fn is_done(&self) -> bool {
        self.pending.result().is_some()
    }

    fn watch(&self, end: wake::End) {
        let subscription = self.pending.on_ready(move |_| wake::wake(&end));
        self.subscribe(Some(subscription));
    }

    fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        let outcome = self.pending.result()?;
        Some(converted(py, outcome, self.cache.as_deref()))
    }

    fn close(&self) {
        self.subscribe(None);
    }
}

impl PyWait {
    pub(crate) fn new<T: Outcome>(pending: Pending<T>, cache: Option<&Arc<TokenCache>>) -> Self {
        Self(Box::new(PendingWait {
            pending,
            cache: cache.map(Arc::clone),
            subscription: Mutex::new(None),
        }))
    }
}

#[pymethods]
impl PyWait {
    /// Whether the outcome is there.
    fn done(&self) -> bool {
        self.0.is_done()
    }

    /// Make a socket that becomes readable when the outcome is there, and hand over its
    /// descriptor; the caller closes it.
    fn watch(&self) -> PyResult<i64> {
        let (socket, end) = wake::pair().map_err(PyOSError::new_err)?;
        self.0.watch(end);
        Ok(wake::detach(socket))
    }

    /// Return or raise the outcome. Before it is there, `waited` is how many seconds the caller
    /// was ready to wait, and the error is that of a time-out.
    #[pyo3(signature = (waited=None))]
    fn result(&self, py: Python<'_>, waited: Option<f64>) -> PyResult<Py<PyAny>> {
        let waited = Duration::try_from_secs_f64(waited.unwrap_or_default()).unwrap_or_default();
        self.0
            .outcome(py)
            .unwrap_or_else(|| Err(timed_out(py, waited)))
    }

    /// Nobody waits any more: be told nothing. What is on its way goes on.
    fn close(&self) {
        self.0.close();
    }
}
