//! The core's errors as Python exceptions. The classes are written in Python, in
//! `forcegrant._errors`; data goes there and an exception comes back.

use std::time::Duration;

use forcegrant::{Error, ErrorCode, InputField, SetupStep, ffi};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::hooks;
use crate::python_call;

/// The exception of an error of the core, not raised.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let attributes = PyDict::new(py);
    attributes.set_item("code", error.code().as_str())?;
    attributes.set_item("retryable", error.is_retryable())?;
    attributes.set_item(
        "retry_after",
        error.retry_after().map(|wait| wait.as_secs_f64()),
    )?;
    attributes.set_item("http_status", error.http_status())?;
    attributes.set_item("oauth_error", error.oauth_error())?;
    attributes.set_item("oauth_description", error.oauth_description())?;
    attributes.set_item("setup_step", error.setup_step().map(SetupStep::as_str))?;
    attributes.set_item("field", error.field().map(InputField::as_str))?;
    attributes.set_item("help", error.help())?;
    let args = (error.kind().as_str(), error.message(), ffi::causes(error));
    python_call::call(
        &hooks::function(py, "build_error")?,
        args,
        Some(&attributes),
    )
}

/// An error of the core, to be raised.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
}

/// A value that cannot even be put as the core's builder takes it.
pub(crate) fn invalid_option(py: Python<'_>, option: &str, problem: &str, help: &str) -> PyErr {
    raise(py, &ffi::invalid_option(option, problem, help))
}

/// The caller's own time is over; the request goes on.
pub(crate) fn timed_out(py: Python<'_>, waited: Duration) -> PyErr {
    raise(py, &ffi::timed_out(waited))
}

/// The core's table of errors: a list of dicts, one for each code.
#[pyfunction]
pub(crate) fn error_table(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let table = PyList::empty(py);
    for code in ErrorCode::ALL {
        let entry = PyDict::new(py);
        entry.set_item("code", code.as_str())?;
        entry.set_item("kind", code.kind().as_str())?;
        entry.set_item("retryable", code.is_retryable())?;
        entry.set_item("setup_step", code.setup_step().map(SetupStep::as_str))?;
        entry.set_item("meaning", code.meaning())?;
        table.append(entry)?;
    }
    Ok(table)
}
