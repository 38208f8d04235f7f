//! API calls through HTTP clients: what the core decides about them, for the adapters in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use forcegrant::calls::{CallAnswer, ENOUGH, Next, body_counts, renewed};
use forcegrant::{ApiAnswer, ApiUsage};
use pyo3::prelude::*;

use crate::error::raise;
use crate::handle::Handle;
use crate::token::Token;

/// One API call, from its first request to the answer that is handed out.
///
/// An adapter prepares a request, sends it, has the answer judged, and goes on until there is no
/// pause any more.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Call {
    handle: Py<Handle>,
    method: String,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// What the last request was prepared with.
    token: Option<forcegrant::Token>,
    /// The token that was refused, until there is another.
    refused: Option<forcegrant::Token>,
    replayed: bool,
    /// Without the replay.
    attempts: u32,
}

impl Call {
    pub(crate) fn new(handle: Py<Handle>, method: String) -> Self {
        Self {
            handle,
            method,
            progress: Mutex::default(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Call {
    /// Where a request with this token goes, and whether the token may go along. Raises
    /// `TokenRejectedError` if it is the one that was just refused.
    fn prepare(
        &self,
        py: Python<'_>,
        token: &Bound<'_, Token>,
        url: &str,
    ) -> PyResult<(String, bool)> {
        let token = &token.get().core;
        let client = self.handle.get().shared.client();
        let mut progress = self.progress();
        if let Some(refused) = progress.refused.take() {
            renewed(refused.access_token(), token.access_token())
                .map_err(|error| raise(py, &error))?;
        } else {
            progress.attempts += 1;
        }
        progress.token = Some(token.clone());
        let resolved = client.resolve_url(token, url);
        let resolved = resolved.map_err(|error| raise(py, &error))?;
        Ok((resolved.url, resolved.carries_token))
    }

    /// Judge the answer to a request that carried the token: None hands it out, a number says how
    /// many seconds later another request is to be made. Raises `ReplayError` or
    /// `TokenRejectedError` where the call ends in an error.
    #[pyo3(signature = (status, retry_after, limit_info, body, replayable))]
    fn judge(
        &self,
        py: Python<'_>,
        status: u16,
        retry_after: Option<&str>,
        limit_info: Option<&str>,
        body: &[u8],
        replayable: bool,
    ) -> PyResult<Option<f64>> {
        let handle = self.handle.get();
        let mut progress = self.progress();
        let answer = CallAnswer {
            method: &self.method,
            replayable,
            replayed: progress.replayed,
            attempts: progress.attempts,
            answer: ApiAnswer {
                status,
                body: &body[..body.len().min(ENOUGH)],
                retry_after,
                limit_info,
            },
        };
        let Some(token) = progress.token.clone() else {
            return Ok(None);
        };
        let client = if status < 400 {
            handle.shared.client()
        } else {
            handle.shared.changing()
        };
        let next = client.judge(token.access_token(), &answer);
        let pause = match &next {
            Next::Replay => {
                progress.replayed = true;
                progress.refused = Some(token);
                Some(0.0)
            }
            Next::Retry(pause) => Some(pause.as_secs_f64()),
            _ => None,
        };
        drop(progress);
        if status >= 400 {
            handle.deliver(py)?;
        }
        match next {
            Next::Fail(error) => Err(raise(py, &error)),
            _ => Ok(pause),
        }
    }
}

/// Whether the body of an answer with this status has to be read for it to be judged.
#[pyfunction]
#[pyo3(name = "body_counts")]
pub(crate) fn counts(status: u16) -> bool {
    body_counts(status)
}

/// Check the token that a call is made again with: raises `TokenRejectedError` if it is the one that
/// was refused.
#[pyfunction]
#[pyo3(name = "renewed")]
pub(crate) fn check_renewed(
    py: Python<'_>,
    before: &Bound<'_, Token>,
    now: &Bound<'_, Token>,
) -> PyResult<()> {
    renewed(
        before.get().core.access_token(),
        now.get().core.access_token(),
    )
    .map_err(|error| raise(py, &error))
}

/// As Python has them elsewhere.
pub(crate) fn numbers(usage: ApiUsage) -> (u64, u64) {
    (usage.used, usage.limit)
}
