//! Times for Python.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDateTime;

/// A time that becomes a `datetime` in UTC.
#[derive(Clone, Copy)]
pub(crate) struct Utc(pub(crate) SystemTime);

/// The last second of the year 9999, where `datetime` ends. Nobody waits longer.
const LAST: Duration = Duration::from_secs(253_402_300_799);

impl Utc {
    /// As people and log files read it.
    pub(crate) fn text(self, py: Python<'_>) -> PyResult<String> {
        self.into_pyobject(py)?
            .call_method1("isoformat", (" ", "seconds"))?
            .extract()
    }
}

impl<'py> IntoPyObject<'py> for Utc {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        match self.0.duration_since(UNIX_EPOCH) {
            Ok(after) => (UNIX_EPOCH + after.min(LAST)).into_pyobject(py),
            Err(before) => {
                let epoch = UNIX_EPOCH.into_pyobject(py)?;
                Ok(epoch.sub(before.duration())?.cast_into()?)
            }
        }
    }
}
