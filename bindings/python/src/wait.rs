//! Waiting outside the interpreter: in slices for threads, at a socket for event loops.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use forcegrant::Error;
use forcegrant::ffi::Pending;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::error::{raise, timed_out};
use crate::pool::Prewarmed;
use crate::python_call;
use crate::report::Verified;
use crate::token::Token;
use crate::token_cache::Shared;
use crate::wake::{self, End};

/// How often a waiting thread looks whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_millis(50);
/// How long a waiting greenlet leaves the thread to others: at first, doubling, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// Waits with the interpreter released, and does something between the slices. `None`: the time is
/// over.
pub(crate) fn in_slices<T: Clone + Send>(
    py: Python<'_>,
    pending: &mut Pending<T>,
    limit: Option<Duration>,
    between: impl Fn() -> PyResult<()>,
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
        between()?;
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

/// Waits with the interpreter released until the outcome is there.
pub(crate) fn until_there<T: Clone + Send>(
    py: Python<'_>,
    pending: &mut Pending<T>,
    between: impl Fn() -> PyResult<()>,
) -> PyResult<Result<T, Error>> {
    loop {
        if let Some(outcome) = in_slices(py, pending, None, &between)? {
            return Ok(outcome);
        }
    }
}

/// What a wait can end with.
pub(crate) enum Outcome {
    Token(forcegrant::Token),
    Verified(forcegrant::Verified),
    Prewarmed(forcegrant::Prewarmed),
    Idle,
}

impl From<forcegrant::Token> for Outcome {
    fn from(token: forcegrant::Token) -> Self {
        Self::Token(token)
    }
}

impl From<forcegrant::Verified> for Outcome {
    fn from(verified: forcegrant::Verified) -> Self {
        Self::Verified(verified)
    }
}

impl From<forcegrant::Prewarmed> for Outcome {
    fn from(warm: forcegrant::Prewarmed) -> Self {
        Self::Prewarmed(warm)
    }
}

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Idle
    }
}

type Settled = Arc<OnceLock<Result<Outcome, Error>>>;
/// Subscribes to what is on its way; what it returns keeps the subscription.
type Subscribe = Box<dyn FnOnce(&Settled, End) -> Box<dyn Send> + Send>;

/// Something that is on its way.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Wait {
    /// The client that keeps what comes; a pool keeps nothing.
    shared: Option<Arc<Shared>>,
    settled: Settled,
    subscribe: Mutex<Option<Subscribe>>,
    subscription: Mutex<Option<Box<dyn Send>>>,
}

impl Wait {
    pub(crate) fn new<T>(shared: &Arc<Shared>, pending: Pending<T>) -> Self
    where
        T: Clone + Send + Into<Outcome> + 'static,
    {
        Self::made(Some(Arc::clone(shared)), pending)
    }

    pub(crate) fn of_pool<T>(pending: Pending<T>) -> Self
    where
        T: Clone + Send + Into<Outcome> + 'static,
    {
        Self::made(None, pending)
    }

    fn made<T>(shared: Option<Arc<Shared>>, mut pending: Pending<T>) -> Self
    where
        T: Clone + Send + Into<Outcome> + 'static,
    {
        let settled = Settled::default();
        let mut subscribe: Option<Subscribe> = None;
        match pending.wait_timeout(Duration::ZERO) {
            Some(outcome) => drop(settled.set(outcome.map(Into::into))),
            None => {
                subscribe = Some(Box::new(move |settled: &Settled, waker: End| {
                    let settled = Arc::clone(settled);
                    Box::new(pending.on_ready(move |outcome| {
                        let _ = settled.set(outcome.map(Into::into));
                        wake::wake(&waker);
                    }))
                }));
            }
        }
        Self {
            shared,
            settled,
            subscribe: Mutex::new(subscribe),
            subscription: Mutex::new(None),
        }
    }
}

#[pymethods]
impl Wait {
    /// Whether the outcome is there.
    fn done(&self) -> bool {
        self.settled.get().is_some()
    }

    /// Make a socket that becomes readable when the outcome is there, and hand over its
    /// descriptor; the caller closes it.
    fn watch(&self) -> PyResult<i64> {
        let (socket, waker) = wake::pair().map_err(PyOSError::new_err)?;
        if let Some(subscribe) = take(&self.subscribe) {
            let subscription = subscribe(&self.settled, waker);
            *lock(&self.subscription) = Some(subscription);
        }
        // Else it is there, or is watched already: the waker is closed, and the socket readable.
        Ok(wake::detach(socket))
    }

    /// Return or raise the outcome. Before it is there, `waited` is how many seconds the caller
    /// was ready to wait, and the error is that of a time-out.
    #[pyo3(signature = (waited=None))]
    fn result<'py>(&self, py: Python<'py>, waited: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        match self.settled.get() {
            Some(Ok(Outcome::Token(token))) => {
                let token = match &self.shared {
                    Some(shared) => shared.keep(py, token)?,
                    None => Py::new(py, Token::new(token.clone()))?,
                };
                Ok(token.into_bound(py).into_any())
            }
            Some(Ok(Outcome::Verified(verified))) => match &self.shared {
                Some(shared) => Ok(Verified::new(py, shared, verified)?
                    .into_bound(py)
                    .into_any()),
                None => Ok(py.None().into_bound(py)),
            },
            Some(Ok(Outcome::Prewarmed(warm))) => {
                Ok(Bound::new(py, Prewarmed::new(py, warm)?)?.into_any())
            }
            Some(Ok(Outcome::Idle)) => Ok(py.None().into_bound(py)),
            Some(Err(error)) => Err(raise(py, error)),
            None => Err(timed_out(py, waited.unwrap_or_default())),
        }
    }

    /// Nobody waits any more: be told nothing. What is on its way goes on.
    fn close(&self) {
        drop(take(&self.subscription));
    }
}

fn lock<T>(slot: &Mutex<T>) -> MutexGuard<'_, T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    lock(slot).take()
}
