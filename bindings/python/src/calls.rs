//! API calls through HTTP clients: what the core decides about them, for the adapters in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use forcegrant::calls::{Action, ApiCall, CLASSIFIED_BYTES, CallResponse, body_counts};
use forcegrant::ffi::renewed;
use forcegrant::{ApiResponse, ApiUsage};
use pyo3::prelude::*;

use crate::error::raise;
use crate::handle::Handle;
use crate::token::Token;

/// One API call, from its first request to the response that is handed out.
///
/// An adapter prepares a request, sends it, has the response judged, and goes on until there is no
/// pause any more.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Call {
    handle: Py<Handle>,
    state: Mutex<State>,
}

struct State {
    call: ApiCall,
    /// The token and the URL of the last request.
    sent: Option<(forcegrant::Token, String)>,
}

impl Call {
    pub(crate) fn new(handle: Py<Handle>, method: String) -> Self {
        let state = State {
            call: ApiCall::new(method),
            sent: None,
        };
        Self {
            handle,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Call {
    /// Where a request with this token goes, and whether the token may go along: connect to exactly
    /// this URL. Raises `TokenRejectedError` if it is the token that was just refused, and
    /// `ConfigurationError` for a URL that HTTP libraries read differently.
    fn prepare(
        &self,
        py: Python<'_>,
        token: &Bound<'_, Token>,
        url: &str,
    ) -> PyResult<(String, bool)> {
        let token = &token.get().core;
        let client = self.handle.get().shared.client();
        let mut state = self.state();
        let resolved = state.call.prepare(client, token, url);
        let resolved = resolved.map_err(|error| raise(py, &error))?;
        state.sent = Some((token.clone(), resolved.url.clone()));
        Ok((resolved.url, resolved.carries_token))
    }

    /// Judge the response to a request that carried the token: None hands it out, a number says how
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
        let mut state = self.state();
        let State { call, sent } = &mut *state;
        let Some((token, url)) = sent else {
            return Ok(None);
        };
        let response = CallResponse {
            access_token: token.access_token(),
            url,
            replayable,
            response: ApiResponse {
                status,
                body: &body[..body.len().min(CLASSIFIED_BYTES)],
                retry_after,
                limit_info,
            },
        };
        let client = if status < 400 {
            handle.shared.client()
        } else {
            handle.shared.changing()
        };
        let action = call.handle_response(client, &response);
        drop(state);
        if status >= 400 {
            handle.deliver(py)?;
        }
        match action {
            Action::Deliver => Ok(None),
            Action::Resend(pause) => Ok(Some(pause.as_secs_f64())),
            Action::Fail(error) => Err(raise(py, &error)),
        }
    }
}

/// Whether the body of a response with this status has to be read for it to be judged.
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
