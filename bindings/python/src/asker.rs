//! The way of the core's questions to Python: for credentials, and for the steps of a store that is
//! written in Python. No native thread touches the interpreter, so a question waits here until a
//! Python thread that waits for a token, or comes by, answers it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::{ClientBuilder, KeyPair, KeyPairs};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;

use crate::guest;
use crate::options::credentials;
use crate::per_process::PerProcess;
use crate::store::StoreStep;

type Answer = Result<KeyPairs, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Default)]
pub(crate) struct Asker {
    /// Whether a question waits: all that a caller looks at mostly.
    some: AtomicBool,
    /// A forked child has neither the parent's questions nor its locks.
    desk: PerProcess<Desk>,
}

#[derive(Default)]
struct Desk {
    questions: Mutex<VecDeque<Asked>>,
}

enum Asked {
    Credentials(oneshot::Sender<Answer>),
    Store(StoreStep),
}

impl Asker {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Has the builder's client ask here.
    pub(crate) fn attach(self: &Arc<Self>, builder: ClientBuilder) -> ClientBuilder {
        let asker = Arc::clone(self);
        builder.credentials_callback(move || {
            let answer = asker.ask();
            async move {
                answer
                    .await
                    .unwrap_or_else(|_| Err("nobody answered".into()))
            }
        })
    }

    fn ask(&self) -> oneshot::Receiver<Answer> {
        let (question, answer) = oneshot::channel();
        self.push(Asked::Credentials(question));
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
                Asked::Credentials(question) => {
                    let question = Bound::new(py, Question(Mutex::new(Some(question))))?;
                    let answer = guest::module(py, "forcegrant._credentials")?.getattr("answer")?;
                    guest::call(&answer, (question, &callback), None)?;
                }
                Asked::Store(step) => {
                    let step = Bound::new(py, step)?;
                    let take = guest::module(py, "forcegrant._stores")?.getattr("take")?;
                    guest::call(&take, (step, &store), None)?;
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
pub(crate) struct Question(Mutex<Option<oneshot::Sender<Answer>>>);

impl Question {
    fn send(&self, answer: Answer) {
        let question = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(question) = question {
            // The core may have given up meanwhile.
            let _ = question.send(answer);
        }
    }
}

#[pymethods]
impl Question {
    /// Answer with a tuple of client id and client secret, or a dict of such tuples: `current`
    /// and, if there is one, `next`. Raises `TypeError` for anything else.
    fn answer(&self, pairs: &Bound<'_, PyAny>) -> PyResult<()> {
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
        self.send(key_pairs(current, next).map_err(Into::into));
        Ok(())
    }

    /// Say why there is no answer.
    fn fail(&self, reason: String) {
        self.send(Err(reason.into()));
    }
}

fn key_pairs(
    (id, secret): (String, String),
    next: Option<(String, String)>,
) -> Result<KeyPairs, forcegrant::Error> {
    let pairs = KeyPairs::new(KeyPair::new(id, secret)?);
    Ok(match next {
        Some((id, secret)) => pairs.with_next(KeyPair::new(id, secret)?),
        None => pairs,
    })
}
