//! A store that is written in Python. Its steps wait, like questions for credentials, until a Python
//! thread that waits for a token, or comes by, takes them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forcegrant::store::conformance;
use forcegrant::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use tokio::sync::oneshot;

use crate::callback_queue::CallbackQueue;

/// The way of the core to the store that the client's options name.
pub(crate) struct PythonStore {
    callback_queue: Arc<CallbackQueue>,
    /// Whether the store has a way to wait, which not all have.
    watches: bool,
}

/// What the core wants of a store.
enum Task {
    Get(String),
    Put(String, Vec<u8>, Duration, Lease),
    Acquire(String, String, Duration),
    Release(String, Lease),
    Watch(String, u64, Duration),
    Count(String, u32),
}

/// What a store answered.
enum Reply {
    Stored(Option<Stored>),
    Put(Put),
    Acquired(Acquired),
    Done,
    Counted(u64),
}

/// One step that waits to be taken. Dropped before, the core is told that nobody came.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct StoreStep {
    task: Task,
    callback_queue: Mutex<Option<oneshot::Sender<Result<Reply, StoreError>>>>,
}

impl StoreStep {
    fn send(&self, reply: Result<Reply, StoreError>) {
        let callback_queue = self.callback_queue.lock();
        let callback_queue = callback_queue
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(callback_queue) = callback_queue {
            // The core may have given up meanwhile.
            let _ = callback_queue.send(reply);
        }
    }
}

#[pymethods]
impl StoreStep {
    /// The method of the store that takes it.
    #[getter]
    fn method(&self) -> &'static str {
        match &self.task {
            Task::Get(..) => "get",
            Task::Put(..) => "put",
            Task::Acquire(..) => "acquire",
            Task::Release(..) => "release",
            Task::Watch(..) => "watch",
            Task::Count(..) => "count",
        }
    }

    /// Its arguments; a lease is a tuple of owner and fence.
    #[getter]
    fn arguments<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let lease = |lease: &Lease| (lease.owner.clone(), lease.fence);
        match &self.task {
            Task::Get(key) => (key,).into_pyobject(py),
            Task::Put(key, entry, time, held) => (
                key,
                PyBytes::new(py, entry),
                time.as_secs_f64(),
                lease(held),
            )
                .into_pyobject(py),
            Task::Acquire(key, owner, time) => (key, owner, time.as_secs_f64()).into_pyobject(py),
            Task::Release(key, held) => (key, lease(held)).into_pyobject(py),
            Task::Watch(key, fence, limit) => (key, *fence, limit.as_secs_f64()).into_pyobject(py),
            Task::Count(key, logins) => (key, *logins).into_pyobject(py),
        }
    }

    /// Answer with what the method returned: for `get` None or a tuple of entry and seconds left
    /// (or None); for `put` a bool; for `acquire` a tuple of whether it was granted, the fence and
    /// the seconds left; for `count` a number. Raises `TypeError` for anything else.
    fn answer(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let reply = match &self.task {
            Task::Get(..) => {
                let stored: Option<(Vec<u8>, Option<f64>)> = value.extract()?;
                let stored = stored.map(|(entry, left)| {
                    let left = left.map(seconds).transpose()?;
                    PyResult::Ok(Stored { entry, left })
                });
                Reply::Stored(stored.transpose()?)
            }
            Task::Put(..) => Reply::Put(if value.extract()? {
                Put::Stored
            } else {
                Put::Outdated
            }),
            Task::Acquire(..) => {
                let (granted, fence, left): (bool, u64, f64) = value.extract()?;
                let left = seconds(left)?;
                Reply::Acquired(if granted {
                    Acquired::Granted { fence }
                } else {
                    Acquired::Held { fence, left }
                })
            }
            Task::Release(..) | Task::Watch(..) => Reply::Done,
            Task::Count(..) => Reply::Counted(value.extract()?),
        };
        self.send(Ok(reply));
        Ok(())
    }

    /// Say why there is no answer.
    fn fail(&self, reason: String) {
        self.send(Err(StoreError::new(reason)));
    }
}

fn seconds(value: f64) -> PyResult<Duration> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| PyValueError::new_err("this is no length of time in seconds"))
}

/// How often a store that can not wait is asked again.
const POLL: Duration = Duration::from_millis(50);

impl PythonStore {
    /// The way to `store`, whose steps the asker hands to Python.
    pub(crate) fn new(
        callback_queue: &Arc<CallbackQueue>,
        store: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Ok(Self {
            callback_queue: Arc::clone(callback_queue),
            watches: store.hasattr("watch")?,
        })
    }

    /// Has the step taken, and picks the answer that belongs to it.
    fn take<'a, T: Send + 'a>(
        &self,
        task: Task,
        pick: impl FnOnce(Reply) -> Option<T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let callback_queue = Arc::clone(&self.callback_queue);
        Box::pin(async move {
            let (sender, reply) = oneshot::channel();
            callback_queue.ask_store(StoreStep {
                task,
                callback_queue: Mutex::new(Some(sender)),
            });
            let reply = reply
                .await
                .unwrap_or_else(|_| Err(StoreError::new("no Python thread came to take the step")));
            pick(reply?).ok_or_else(|| StoreError::new("the store gave another step's answer"))
        })
    }
}

impl Store for PythonStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        self.take(Task::Get(key.to_owned()), |reply| match reply {
            Reply::Stored(stored) => Some(stored),
            _ => None,
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        let task = Task::Put(key.to_owned(), entry.to_vec(), time_to_live, lease.clone());
        self.take(task, |reply| match reply {
            Reply::Put(put) => Some(put),
            _ => None,
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        let task = Task::Acquire(key.to_owned(), owner.to_owned(), time);
        self.take(task, |reply| match reply {
            Reply::Acquired(acquired) => Some(acquired),
            _ => None,
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let task = Task::Release(key.to_owned(), lease.clone());
        self.take(task, |_| Some(()))
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        if self.watches {
            return self.take(Task::Watch(key.to_owned(), fence, limit), |_| Some(()));
        }
        Box::pin(async move {
            tokio::time::sleep(limit.min(POLL)).await;
            Ok(())
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        self.take(Task::Count(key.to_owned(), logins), |reply| match reply {
            Reply::Counted(count) => Some(count),
            _ => None,
        })
    }
}

impl fmt::Debug for PythonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonStore")
    }
}

/// Whether an option's value is a store: it has the methods of one.
pub(crate) fn is_store(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    for method in ["get", "put", "acquire", "release", "count"] {
        if !value.hasattr(method)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The store that an option holds, if it does.
pub(crate) fn store_of(options: Option<&Bound<'_, PyDict>>) -> PyResult<Option<Py<PyAny>>> {
    let Some(options) = options else {
        return Ok(None);
    };
    match options.get_item("store")? {
        Some(store) if is_store(&store)? => Ok(Some(store.unbind())),
        _ => Ok(None),
    }
}

/// A check of the contract of a store that is written in Python, under way on a thread of its
/// own. Raises `TypeError` for what is no store.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct StoreCheck {
    callback_queue: Arc<CallbackQueue>,
    answers: Py<PyAny>,
    found: Arc<OnceLock<Vec<String>>>,
}

#[pymethods]
impl StoreCheck {
    #[new]
    fn new(store: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = store.py();
        if !is_store(store)? {
            return Err(PyTypeError::new_err(
                "a store has the methods get, put, acquire, release and count",
            ));
        }
        let callback_queue = CallbackQueue::new();
        let found = Arc::new(OnceLock::new());
        let (checked, told) = (
            PythonStore::new(&callback_queue, store)?,
            Arc::clone(&found),
        );
        std::thread::Builder::new()
            .name("forcegrant-check".to_owned())
            .spawn(move || {
                let _ = told.set(check(&checked));
            })?;
        Ok(Self {
            callback_queue,
            answers: (py.None(), store).into_py_any(py)?,
            found,
        })
    }

    /// Have the store take the steps that wait, on this thread. Give what it does not keep, one
    /// line each, when the check is over; None before.
    fn serve(&self, py: Python<'_>) -> PyResult<Option<Vec<String>>> {
        self.callback_queue.serve(py, &self.answers)?;
        Ok(self.found.get().cloned())
    }
}

fn check(store: &PythonStore) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime {
        Ok(runtime) => match runtime.block_on(conformance::check(store)) {
            Ok(()) => Vec::new(),
            Err(violations) => violations.iter().map(ToString::to_string).collect(),
        },
        Err(error) => vec![error.to_string()],
    }
}
