//! The Python object of a client's current token.
//!
//! It is handed out without asking the core while the core's last view of the token covers the present (a
//! second at most): that is the whole cost of reading a cached token. Whatever changes the token through this
//! package ends the view; what the core does by itself can wait for its end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use forcegrant::Token;
use forcegrant::ffi::{TokenView, coarse_now_ms};
use pyo3::prelude::*;

use crate::token::PyToken;

#[derive(Default)]
pub(crate) struct TokenCache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    token: Option<Py<PyToken>>,
    from_ms: i64,
    until_ms: i64,
}

impl TokenCache {
    /// The token if the last view covers the present.
    #[inline]
    pub(crate) fn read(&self, py: Python<'_>) -> Option<Py<PyToken>> {
        let now = coarse_now_ms();
        let cached = self.lock();
        if cached.from_ms <= now && now < cached.until_ms {
            return cached.token.as_ref().map(|token| token.clone_ref(py));
        }
        None
    }

    /// From now on the core is asked.
    pub(crate) fn end_view(&self) {
        let mut cached = self.lock();
        (cached.from_ms, cached.until_ms) = (0, 0);
    }

    /// The object of a token that may be handed out for the time of the view.
    pub(crate) fn take_view(&self, py: Python<'_>, view: &TokenView) -> PyResult<Py<PyToken>> {
        let token = self.object(py, &view.token)?;
        let mut cached = self.lock();
        // Not if another thread cached a newer one just now.
        if cached.token.as_ref().is_some_and(|other| other.is(&token)) {
            (cached.from_ms, cached.until_ms) = (view.from_ms, view.until_ms);
        }
        Ok(token)
    }

    /// The object of a token: the same one as long as it comes from the same response.
    pub(crate) fn object(&self, py: Python<'_>, token: &Token) -> PyResult<Py<PyToken>> {
        if let Some(cached) = &self.lock().token
            && cached.get().is_of(token)
        {
            return Ok(cached.clone_ref(py));
        }
        // Objects are made and dropped outside the lock, as the collector may run then.
        let object = Py::new(py, PyToken::new(token.clone()))?;
        let cached = Cached {
            token: Some(object.clone_ref(py)),
            ..Cached::default()
        };
        let previous = std::mem::replace(&mut *self.lock(), cached);
        drop(previous);
        Ok(object)
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
