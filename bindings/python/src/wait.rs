//! Waiting outside the interpreter: in slices for threads, at a socket for event loops.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use forcegrant::{Error, Pending, Subscription};
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;

use crate::error::raise;
use crate::handle::Shared;
use crate::report::Verified;
use crate::wake::{self, End};

/// How often a waiting thread looks whether Ctrl-C was pressed.
const SLICE: Duration = Duration::from_millis(50);

/// Waits with the interpreter released. `None`: the time is over.
pub(crate) fn in_slices<T: Clone + Send + 'static>(
    py: Python<'_>,
    pending: &mut Pending<T>,
    limit: Option<Duration>,
) -> PyResult<Option<Result<T, Error>>> {
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let slice = left.map_or(SLICE, |left| left.min(SLICE));
        if let Some(outcome) = py.detach(|| pending.wait_timeout(slice)) {
            return Ok(Some(outcome));
        }
        py.check_signals()?;
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(None);
        }
    }
}

/// What a wait can end with.
pub(crate) enum Outcome {
    Token(forcegrant::Token),
    Verified(forcegrant::Verified),
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

impl From<()> for Outcome {
    fn from((): ()) -> Self {
        Self::Idle
    }
}

type Settled = Arc<OnceLock<Result<Outcome, Error>>>;

/// Something that is on its way; its socket becomes readable when it is there.
#[pyclass(frozen, generic, module = "forcegrant._native")]
pub(crate) struct Wait {
    shared: Arc<Shared>,
    settled: Settled,
    socket: Mutex<Option<End>>,
    subscription: Mutex<Option<Subscription>>,
}

impl Wait {
    pub(crate) fn ready(shared: Arc<Shared>, outcome: Result<Outcome, Error>) -> Self {
        Self {
            shared,
            settled: Arc::new(OnceLock::from(outcome)),
            socket: Mutex::new(None),
            subscription: Mutex::new(None),
        }
    }

    pub(crate) fn new<T>(shared: Arc<Shared>, mut pending: Pending<T>) -> PyResult<Self>
    where
        T: Clone + Send + Into<Outcome> + 'static,
    {
        if let Some(outcome) = pending.wait_timeout(Duration::ZERO) {
            return Ok(Self::ready(shared, outcome.map(Into::into)));
        }
        let (socket, waker) = wake::pair().map_err(PyOSError::new_err)?;
        let settled = Settled::default();
        let subscription = pending.on_ready({
            let settled = Arc::clone(&settled);
            move |outcome| {
                let _ = settled.set(outcome.map(Into::into));
                wake::wake(&waker);
            }
        });
        Ok(Self {
            shared,
            settled,
            socket: Mutex::new(Some(socket)),
            subscription: Mutex::new(Some(subscription)),
        })
    }
}

#[pymethods]
impl Wait {
    /// Whether the outcome is there.
    fn done(&self) -> bool {
        self.settled.get().is_some()
    }

    /// Hand over the socket's descriptor; the caller closes it.
    fn detach_fd(&self) -> PyResult<i64> {
        let socket = take(&self.socket);
        socket
            .map(wake::detach)
            .ok_or_else(|| PyRuntimeError::new_err("the socket was handed over before"))
    }

    /// Return or raise the outcome. Before it is there, `waited` is how many seconds the caller
    /// was ready to wait, and the error is that of a time-out.
    #[pyo3(signature = (waited=None))]
    fn result<'py>(&self, py: Python<'py>, waited: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        match self.settled.get() {
            Some(Ok(Outcome::Token(token))) => {
                let token = self.shared.keep(py, token.clone())?;
                Ok(token.into_bound(py).into_any())
            }
            Some(Ok(Outcome::Verified(verified))) => Ok(Verified::new(py, &self.shared, verified)?
                .into_bound(py)
                .into_any()),
            Some(Ok(Outcome::Idle)) => Ok(py.None().into_bound(py)),
            Some(Err(error)) => Err(raise(py, error)),
            None => {
                let limit = waited.and_then(|waited| Duration::try_from_secs_f64(waited).ok());
                Err(raise(py, &Error::caller_timeout(limit)))
            }
        }
    }

    /// Nobody waits any more: be told nothing. What is on its way goes on.
    fn close(&self) {
        drop(take(&self.subscription));
        drop(take(&self.socket));
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
