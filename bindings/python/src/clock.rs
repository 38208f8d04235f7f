//! The clock that tests move by hand.

use std::time::SystemTime;

use forcegrant::TestClock;
use pyo3::prelude::*;

use crate::time::Utc;
use crate::values::duration;

/// A clock that stands still until it is moved, so that code which waits for a
/// token to end can be tested without sleeping. Give it to a client as `clock`;
/// several clients may share one. It starts at `start`, or now.
#[pyclass(frozen, name = "TestClock", module = "forcegrant.testing")]
pub(crate) struct PyTestClock(pub(crate) TestClock);

#[pymethods]
impl PyTestClock {
    /// pytest takes it for a class of tests otherwise.
    #[classattr]
    #[pyo3(name = "__test__")]
    const TEST: bool = false;

    #[new]
    #[pyo3(signature = (start=None))]
    fn new(start: Option<SystemTime>) -> Self {
        Self(start.map_or_else(TestClock::starting_now, TestClock::new))
    }

    /// Let time pass: seconds or a `timedelta`, not negative.
    fn advance(&self, by: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.advance(duration("by", by)?);
        Ok(())
    }

    /// Step the wall clock alone, as a time server or an administrator does; it may go back.
    fn set_wall(&self, time: SystemTime) {
        self.0.set_wall(time);
    }

    /// What the wall clock shows.
    fn now(&self) -> Utc {
        Utc(self.0.now())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<TestClock at {}>", self.now().text(py)?))
    }
}
