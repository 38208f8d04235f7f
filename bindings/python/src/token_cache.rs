//! The core's client together with the Python object of its current token.
//!
//! The object is handed out without asking the core while the core's last view covers the present
//! (a second at most): that is the whole cost of reading a cached token. Whatever changes the
//! token through this package ends the view; what the core does by itself can wait for its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::ffi::{self, Pending, Start};
use forcegrant::{Client, Error};
use pyo3::prelude::*;

use crate::callback_queue::CallbackQueue;
use crate::error::raise;
use crate::event_queue::EventQueue;
use crate::time;
use crate::token::Token;
use crate::wait::Wait;

pub(crate) struct Shared {
    client: Client,
    event_queue: Arc<EventQueue>,
    callback_queue: Option<Arc<CallbackQueue>>,
    token_cache: Mutex<TokenCache>,
}

#[derive(Default)]
struct TokenCache {
    token: Option<Py<Token>>,
    from: i64,
    until: i64,
}

/// A token, or something to wait for.
pub(crate) enum Found {
    Token(Py<Token>),
    Pending(Pending<forcegrant::Token>),
}

impl Shared {
    pub(crate) fn new(
        client: Client,
        event_queue: Arc<EventQueue>,
        callback_queue: Option<Arc<CallbackQueue>>,
    ) -> Self {
        Self {
            client,
            event_queue,
            callback_queue,
            token_cache: Mutex::default(),
        }
    }

    /// The core's client, for what changes nothing.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The core's client, for what may change the token.
    pub(crate) fn changing(&self) -> &Client {
        let mut token_cache = self.lock();
        (token_cache.from, token_cache.until) = (0, 0);
        &self.client
    }

    /// Whether the core may have questions: for credentials, or to a store.
    pub(crate) fn asks(&self) -> bool {
        self.callback_queue.is_some()
    }

    /// Has the core's questions answered, if any wait, on this thread.
    pub(crate) fn answer(&self, py: Python<'_>, answers: Option<&Py<PyAny>>) -> PyResult<()> {
        match (&self.callback_queue, answers) {
            (Some(callback_queue), Some(answers)) => callback_queue.serve(py, answers),
            _ => Ok(()),
        }
    }

    /// Tells the events that wait, on this thread.
    pub(crate) fn deliver(&self, py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<()> {
        self.event_queue
            .deliver(py, &self.client.login_host(), listener)
    }

    /// The token if the last view covers the present.
    #[inline]
    pub(crate) fn in_view(&self, py: Python<'_>) -> Option<Py<Token>> {
        let now = time::now();
        let token_cache = self.lock();
        if token_cache.from <= now && now < token_cache.until {
            return token_cache.token.as_ref().map(|token| token.clone_ref(py));
        }
        None
    }

    /// A token that is good to use now, or a wait for one: what the core says.
    #[cold]
    pub(crate) fn look(&self, py: Python<'_>) -> PyResult<Found> {
        if let Some(view) = ffi::view(&self.client) {
            let token = self.keep(py, &view.token)?;
            let mut token_cache = self.lock();
            // Not if another thread kept a newer one just now.
            if token_cache.token.as_ref().is_some_and(|now| now.is(&token)) {
                (token_cache.from, token_cache.until) = (view.from_ms, view.until_ms);
            }
            return Ok(Found::Token(token));
        }
        match ffi::start(&self.client) {
            Start::Ready(token) => self.keep(py, &token).map(Found::Token),
            Start::Pending(pending) => Ok(Found::Pending(pending)),
        }
    }

    pub(crate) fn cached(&self, py: Python<'_>) -> PyResult<Option<Py<Token>>> {
        if let Some(token) = self.in_view(py) {
            return Ok(Some(token));
        }
        let token = self.client.cached();
        token.map(|token| self.keep(py, &token)).transpose()
    }

    /// The Python object of a token: the same one as long as it is the same answer.
    pub(crate) fn keep(&self, py: Python<'_>, token: &forcegrant::Token) -> PyResult<Py<Token>> {
        if let Some(token_cache) = &self.lock().token
            && token_cache.get().is_of(token)
        {
            return Ok(token_cache.clone_ref(py));
        }
        // Objects are made and dropped outside the lock, as the collector may run then.
        let token = Py::new(py, Token::new(token.clone()))?;
        let new = TokenCache {
            token: Some(token.clone_ref(py)),
            ..TokenCache::default()
        };
        let old = std::mem::replace(&mut *self.lock(), new);
        drop(old);
        Ok(token)
    }

    /// The outcome of waiting for a token.
    pub(crate) fn outcome(
        &self,
        py: Python<'_>,
        outcome: Result<forcegrant::Token, Error>,
    ) -> PyResult<Py<Token>> {
        match outcome {
            Ok(token) => self.keep(py, &token),
            Err(error) => Err(raise(py, &error)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, TokenCache> {
        self.token_cache
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// For Python: the token, or a `Wait`.
    pub(crate) fn into_any<'py>(
        self,
        py: Python<'py>,
        shared: &Arc<Shared>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Token(token) => Ok(token.into_bound(py).into_any()),
            Self::Pending(pending) => Ok(Bound::new(py, Wait::new(shared, pending))?.into_any()),
        }
    }
}
