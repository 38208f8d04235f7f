//! Times for Python.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::PyDateTime;

/// The wall clock in milliseconds since 1970, cheap and a few milliseconds late: what the views of
/// the core are compared with.
#[inline]
pub(crate) fn now() -> i64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        now.tv_sec * 1_000 + now.tv_nsec / 1_000_000
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }
}

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
