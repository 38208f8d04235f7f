//! API calls through HTTP clients: what the core decides about them, for the adapters in Python.

use std::sync::{Mutex, MutexGuard, PoisonError};

use forcegrant::calls::{self, Action, ApiCall, CLASSIFIED_BYTES, CallResponse};
use forcegrant::ffi::renewed;
use forcegrant::{ApiResponse, Token};
use pyo3::prelude::*;

use crate::client::PyClientBase;
use crate::error::raise;
use crate::token::PyToken;

/// One API call, from its first request to the response that is handed out.
///
/// An adapter prepares a request, sends it, passes the response on, and goes on until there is no
/// pause any more.
#[pyclass(frozen, name = "ApiCall", module = "forcegrant._native")]
pub(crate) struct PyApiCall {
    client: Py<PyClientBase>,
    state: Mutex<CallInProgress>,
}

struct CallInProgress {
    call: ApiCall,
    /// The token and the URL of the last request.
    sent: Option<(Token, String)>,
}

impl PyApiCall {
    fn state(&self) -> MutexGuard<'_, CallInProgress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyApiCall {
    /// Begins a call with this method.
    #[new]
    fn new(client: Py<PyClientBase>, method: String) -> Self {
        let state = CallInProgress {
            call: ApiCall::new(method),
            sent: None,
        };
        Self {
            client,
            state: Mutex::new(state),
        }
    }

    /// Where a request with this token goes, and whether the token may go along: connect to exactly
    /// this URL. Raises `TokenRejectedError` if it is the token that was just refused, and
    /// `ConfigurationError` for a URL that HTTP libraries read differently.
    fn prepare(
        &self,
        py: Python<'_>,
        token: &Bound<'_, PyToken>,
        url: &str,
    ) -> PyResult<(String, bool)> {
        let token = &token.get().core;
        let client = self.client.get().client();
        let mut state = self.state();
        let resolved = state.call.prepare(client, token, url);
        let resolved = resolved.map_err(|error| raise(py, &error))?;
        state.sent = Some((token.clone(), resolved.url.clone()));
        Ok((resolved.url, resolved.carries_token))
    }

    /// Take in the response to a request that carried the token: None hands it out, a number says how
    /// many seconds later another request is to be made. Raises `ReplayError` or
    /// `TokenRejectedError` where the call ends in an error.
    #[pyo3(signature = (status, retry_after, limit_info, body, replayable))]
    fn handle_response(
        &self,
        py: Python<'_>,
        status: u16,
        retry_after: Option<&str>,
        limit_info: Option<&str>,
        body: &[u8],
        replayable: bool,
    ) -> PyResult<Option<f64>> {
        let base = self.client.get();
        let mut state = self.state();
        let CallInProgress { call, sent } = &mut *state;
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
            base.client()
        } else {
            base.changing()
        };
        let action = call.handle_response(client, &response);
        drop(state);
        if status >= 400 {
            base.deliver_events(py)?;
        }
        match action {
            Action::Deliver => Ok(None),
            Action::Resend(pause) => Ok(Some(pause.as_secs_f64())),
            Action::Fail(error) => Err(raise(py, &error)),
        }
    }
}

/// Whether the body of a response with this status has to be read, for `ApiCall.handle_response`.
#[pyfunction]
pub(crate) fn body_counts(status: u16) -> bool {
    calls::body_counts(status)
}

/// Check the token that a call is made again with: raises `TokenRejectedError` if it is the one that
/// was refused.
#[pyfunction]
pub(crate) fn check_renewed(
    py: Python<'_>,
    before: &Bound<'_, PyToken>,
    now: &Bound<'_, PyToken>,
) -> PyResult<()> {
    renewed(
        before.get().core.access_token(),
        now.get().core.access_token(),
    )
    .map_err(|error| raise(py, &error))
}
