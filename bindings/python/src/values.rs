//! Reads the values that Python code gives: one function for each type.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDelta, PyDict, PyMapping, PyString};

use crate::error::invalid_option;
use crate::python_call;

/// The function that an option names, if it does.
pub(crate) fn callable(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Py<PyAny>>> {
    match options.get_item(name)? {
        Some(function) if function.is_callable() => Ok(Some(function.unbind())),
        Some(other) if !other.is_none() => Err(wrong_type(name, &other, "a callable")),
        _ => Ok(None),
    }
}

/// The number of seconds in a number or a `timedelta`.
#[pyfunction]
pub(crate) fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    Ok(duration(name, value)?.as_secs_f64())
}

pub(crate) fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = if value.is_instance_of::<PyDelta>() {
        python_call::call(&value.getattr("total_seconds")?, (), None)?.extract()?
    } else {
        typed(name, value, "a number of seconds or a timedelta")?
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        invalid_option(
            value.py(),
            name,
            &format!("{seconds} seconds is no length of time"),
            "Give a number of seconds that is not negative, such as 10 or 0.5, or a timedelta.",
        )
    })
}

pub(crate) fn durations(name: &str, value: &Bound<'_, PyAny>) -> PyResult<(Duration, Duration)> {
    let wrong = || {
        invalid_option(
            value.py(),
            name,
            "it takes two lengths of time",
            "Give the first and the longest, in seconds, such as (5, 60).",
        )
    };
    if value.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    let items: Vec<Bound<'_, PyAny>> = value.extract().map_err(|_| wrong())?;
    match items.as_slice() {
        [first, cap] => Ok((duration(name, first)?, duration(name, cap)?)),
        _ => Err(wrong()),
    }
}

/// A number, or "none" for no limit.
pub(crate) fn limit(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    if value.extract::<&str>().is_ok_and(|text| text == "none") {
        return Ok(None);
    }
    count(name, value, "such as 1000, or \"none\"").map(Some)
}

pub(crate) fn number(name: &str, value: &Bound<'_, PyAny>) -> PyResult<u32> {
    let right = if name == "max_clients" {
        "such as 10000"
    } else {
        "such as 3"
    };
    count(name, value, right)
}

pub(crate) fn flag(name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
    typed(name, value, "a bool")
}

pub(crate) fn path(name: &str, value: &Bound<'_, PyAny>) -> PyResult<PathBuf> {
    typed(name, value, "a path")
}

fn count(name: &str, value: &Bound<'_, PyAny>, right: &str) -> PyResult<u32> {
    let number: i64 = typed(name, value, "an int")?;
    u32::try_from(number).map_err(|_| {
        invalid_option(
            value.py(),
            name,
            &format!("{number} is out of range"),
            &format!("Give a number of 1 or more, {right}."),
        )
    })
}

/// A client id and its secret.
pub(crate) fn credentials(name: &str, value: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    typed(name, value, "a tuple of client id and client secret")
}

pub(crate) fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    typed(name, value, "a str")
}

pub(crate) fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    // A str is an iterable of strings too, and never what was meant.
    if value.is_instance_of::<PyString>() {
        return Err(wrong_type(name, value, "an iterable of str"));
    }
    let items = value
        .try_iter()
        .map_err(|_| wrong_type(name, value, "an iterable of str"))?;
    items.map(|item| text(name, &item?)).collect()
}

/// Texts by name.
pub(crate) fn labels(name: &str, value: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, String>> {
    let wrong = || wrong_type(name, value, "a mapping of str to str");
    let mapping = value.cast::<PyMapping>().map_err(|_| wrong())?;
    let pairs = mapping.items()?;
    let pairs = pairs.iter().map(|pair| pair.extract().map_err(|_| wrong()));
    pairs.collect()
}

pub(crate) fn typed<'py, T>(name: &str, value: &Bound<'py, PyAny>, expected: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    value
        .extract()
        .map_err(|_| wrong_type(name, value, expected))
}

/// Names the type that was given, never the value: it may be a secret in the wrong place.
fn wrong_type(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let given = value
        .get_type()
        .name()
        .map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("option '{name}': expected {expected}, not {given}"))
}
