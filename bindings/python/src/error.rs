//! The core's errors as Python exceptions. The classes are written in Python, in
//! `forcegrant._errors`; data goes there and an exception comes back.

use std::error::Error as _;

use forcegrant::{Error, ErrorCode, SetupStep};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::python_call;

/// The exception of an error of the core, not raised.
pub(crate) fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
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
    attributes.set_item("help", error.help())?;
    python_call::call(
        build(py)?,
        (error.kind().as_str(), error.message(), causes),
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
pub(crate) fn invalid_option(py: Python<'_>, option: &str, problem: &str, right: &str) -> PyErr {
    own(
        py,
        ErrorCode::InvalidOption,
        &format!("option `{option}`: {problem}"),
        right,
    )
}

/// The caller's own time is over; the request goes on.
pub(crate) fn timed_out(py: Python<'_>, seconds: f64) -> PyErr {
    own(
        py,
        ErrorCode::Timeout,
        &format!("no token within {seconds} s"),
        "The login goes on, and a later call may find its token. Allow more time, or look at the network.",
    )
}

/// An error that only a binding can have, under one of the core's codes.
fn own(py: Python<'_>, code: ErrorCode, message: &str, help: &str) -> PyErr {
    let make = || {
        let attributes = PyDict::new(py);
        attributes.set_item("code", code.as_str())?;
        attributes.set_item("retryable", code.is_retryable())?;
        attributes.set_item("help", help)?;
        python_call::call(
            build(py)?,
            (code.kind().as_str(), message, PyTuple::empty(py)),
            Some(&attributes),
        )
    };
    match make() {
        Ok(exception) => PyErr::from_value(exception),
        Err(failure) => failure,
    }
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

fn build(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static BUILD: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let build = BUILD.get_or_try_init(py, || {
        python_call::module(py, "forcegrant._errors")?
            .getattr("build")?
            .into_py_any(py)
    })?;
    Ok(build.bind(py))
}
