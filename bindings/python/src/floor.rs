//! What the cached read is measured against.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The least that a method can do: return a string that it keeps. For benchmarks only.
#[pyclass(frozen, module = "forcegrant._native")]
pub(crate) struct Floor(Py<PyString>);

#[pymethods]
impl Floor {
    #[new]
    fn new(text: Py<PyString>) -> Self {
        Self(text)
    }

    fn text(&self, py: Python<'_>) -> Py<PyString> {
        self.0.clone_ref(py)
    }
}
