//! The way of a question for credentials to Python. No native thread touches the interpreter, so the
//! core's question waits here until a Python thread that waits for a token, or comes by, answers it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::{ClientBuilder, KeyPair, KeyPairs};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tokio::sync::oneshot;

use crate::options::credentials;
use crate::per_process::PerProcess;

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
    questions: Mutex<VecDeque<oneshot::Sender<Answer>>>,
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
        self.desk.current().lock().push_back(question);
        self.some.store(true, Ordering::Release);
        answer
    }

    /// Has the callback answer what waits, on this thread. What it throws is the core's to tell.
    #[inline]
    pub(crate) fn serve(&self, py: Python<'_>, callback: &Py<PyAny>) -> PyResult<()> {
        if self.some.load(Ordering::Acquire) {
            return self.serve_all(py, callback);
        }
        Ok(())
    }

    #[cold]
    fn serve_all(&self, py: Python<'_>, callback: &Py<PyAny>) -> PyResult<()> {
        let desk = self.desk.current();
        // Nothing of Python's runs under the lock.
        while let Some(question) = self.next(&desk) {
            let question = Bound::new(py, Question(Mutex::new(Some(question))))?;
            py.import("forcegrant._credentials")?
                .call_method1("answer", (question, callback))?;
        }
        Ok(())
    }

    fn next(&self, desk: &Desk) -> Option<oneshot::Sender<Answer>> {
        let mut questions = desk.lock();
        let question = questions.pop_front();
        if question.is_none() {
            self.some.store(false, Ordering::Release);
        }
        question
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, VecDeque<oneshot::Sender<Answer>>> {
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
