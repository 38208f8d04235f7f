//! The way of the core's questions to Python: for credentials, and for the steps of a store that is
//! written in Python. No native thread touches the interpreter, so a question waits here until a
//! Python thread that waits for a token, or comes by, answers it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::{
    ClientBuilder, ClientCredentials, ClientPoolBuilder, CredentialSet, OrgCredentials,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;

use crate::options::credentials;
use crate::per_process::PerProcess;
use crate::pool::org_of;
use crate::python_call;
use crate::store::StoreStep;

type Answer<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What the core asks for, and where the answer goes.
enum Asked {
    /// The credentials of a client.
    Pairs(oneshot::Sender<Answer<CredentialSet>>),
    /// The org of a pool's key.
    Org(String, oneshot::Sender<Answer<OrgCredentials>>),
    /// A step of a store.
    Store(StoreStep),
}

#[derive(Default)]
pub(crate) struct CallbackQueue {
    /// Whether a question waits: all that a caller looks at mostly.
    some: AtomicBool,
    /// A forked child has neither the parent's questions nor its locks.
    desk: PerProcess<Desk>,
}

#[derive(Default)]
struct Desk {
    questions: Mutex<VecDeque<Asked>>,
}

impl CallbackQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Imports what answers, before there is a question: a child that is forked in the middle of an
    /// import waits for ever for its end.
    pub(crate) fn import(py: Python<'_>) -> PyResult<()> {
        python_call::module(py, "forcegrant._credentials")?;
        python_call::module(py, "forcegrant._stores").map(drop)
    }

    /// Has the builder's client ask here.
    pub(crate) fn attach(self: &Arc<Self>, builder: ClientBuilder) -> ClientBuilder {
        let callback_queue = Arc::clone(self);
        builder.credentials_callback(move || {
            let answer = callback_queue.ask(Asked::Pairs);
            async move {
                answer
                    .await
                    .unwrap_or_else(|_| Err("nobody answered".into()))
            }
        })
    }

    /// The same for a pool, which asks with a key.
    pub(crate) fn attach_pool(self: &Arc<Self>, builder: ClientPoolBuilder) -> ClientPoolBuilder {
        let callback_queue = Arc::clone(self);
        builder.credentials_callback(move |key| {
            let answer = callback_queue.ask(|sender| Asked::Org(key, sender));
            async move {
                answer
                    .await
                    .unwrap_or_else(|_| Err("nobody answered".into()))
            }
        })
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<Answer<T>>) -> Asked,
    ) -> oneshot::Receiver<Answer<T>> {
        let (sender, answer) = oneshot::channel();
        self.push(question(sender));
        answer
    }

    pub(crate) fn ask_store(&self, step: StoreStep) {
        self.push(Asked::Store(step));
    }

    fn push(&self, asked: Asked) {
        self.desk.current().lock().push_back(asked);
        self.some.store(true, Ordering::Release);
    }

    /// Has what waits answered on this thread, by the tuple of callback and store. What they throw is
    /// the core's to tell.
    #[inline]
    pub(crate) fn serve(&self, py: Python<'_>, answers: &Py<PyAny>) -> PyResult<()> {
        if self.some.load(Ordering::Acquire) {
            return self.serve_all(py, answers.bind(py));
        }
        Ok(())
    }

    #[cold]
    fn serve_all(&self, py: Python<'_>, answers: &Bound<'_, PyAny>) -> PyResult<()> {
        let (callback, store): (Bound<'_, PyAny>, Bound<'_, PyAny>) = answers.extract()?;
        let desk = self.desk.current();
        // Nothing of Python's runs under the lock.
        while let Some(question) = self.next(&desk) {
            match question {
                Asked::Store(step) => {
                    let step = Bound::new(py, step)?;
                    let take = python_call::module(py, "forcegrant._stores")?.getattr("take")?;
                    python_call::call(&take, (step, &store), None)?;
                }
                question => {
                    let question = Bound::new(py, Question(Mutex::new(Some(question))))?;
                    let answer =
                        python_call::module(py, "forcegrant._credentials")?.getattr("answer")?;
                    python_call::call(&answer, (question, &callback), None)?;
                }
            }
        }
        Ok(())
    }

    fn next(&self, desk: &Desk) -> Option<Asked> {
        let mut questions = desk.lock();
        let question = questions.pop_front();
        if question.is_none() {
            self.some.store(false, Ordering::Release);
        }
        question
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question for credentials that waits for its answer. Dropped without one, it is told so.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Question(Mutex<Option<Asked>>);

impl Question {
    fn lock(&self) -> MutexGuard<'_, Option<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Question {
    /// The key that a pool asks for; None when a client asks.
    #[getter]
    fn key(&self) -> Option<String> {
        match &*self.lock() {
            Some(Asked::Org(key, _)) => Some(key.clone()),
            _ => None,
        }
    }

    /// Answer with a tuple of client id and client secret, or a dict of such tuples: `current`
    /// and, if there is one, `next`. A pool is answered with a tuple of login URL, client id and
    /// client secret, or a dict of `login_url`, `client_id`, `client_secret` and, if there is one,
    /// `next_credentials`. Raises `TypeError` for anything else.
    fn answer(&self, answer: &Bound<'_, PyAny>) -> PyResult<()> {
        // In any case the question is over; the core may have given up meanwhile.
        let asked = self.lock().take();
        match asked {
            Some(Asked::Pairs(sender)) => match pairs_of(answer) {
                Ok(pairs) => drop(sender.send(pairs.map_err(Into::into))),
                Err(error) => return self.put_back(Asked::Pairs(sender), error),
            },
            Some(Asked::Org(key, sender)) => match org_of(answer) {
                Ok(org) => drop(sender.send(Ok(org))),
                Err(error) => return self.put_back(Asked::Org(key, sender), error),
            },
            Some(Asked::Store(_)) | None => {}
        }
        Ok(())
    }

    /// Say why there is no answer.
    fn fail(&self, reason: String) {
        match self.lock().take() {
            Some(Asked::Pairs(sender)) => drop(sender.send(Err(reason.into()))),
            Some(Asked::Org(_, sender)) => drop(sender.send(Err(reason.into()))),
            Some(Asked::Store(_)) | None => {}
        }
    }
}

impl Question {
    /// A wrong answer leaves the question open, for `fail`.
    fn put_back(&self, asked: Asked, error: PyErr) -> PyResult<()> {
        *self.lock() = Some(asked);
        Err(error)
    }
}

fn pairs_of(pairs: &Bound<'_, PyAny>) -> PyResult<Result<CredentialSet, forcegrant::Error>> {
    let name = "credentials_callback";
    let (current, next) = match pairs.cast::<PyDict>() {
        Ok(pairs) => (pairs.get_item("current")?, pairs.get_item("next")?),
        Err(_) => (Some(pairs.clone()), None),
    };
    let current = current.unwrap_or_else(|| pairs.clone());
    let current = credentials(name, &current)?;
    let next = match next {
        Some(next) if !next.is_none() => Some(credentials(name, &next)?),
        _ => None,
    };
    Ok(key_pairs(current, next))
}

fn key_pairs(
    (id, secret): (String, String),
    next: Option<(String, String)>,
) -> Result<CredentialSet, forcegrant::Error> {
    let pairs = CredentialSet::new(ClientCredentials::new(id, secret)?);
    Ok(match next {
        Some((id, secret)) => pairs.with_next(ClientCredentials::new(id, secret)?),
        None => pairs,
    })
}
