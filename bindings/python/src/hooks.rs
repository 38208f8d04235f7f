//! The functions of the package that this module calls. The package registers them when it is imported, so
//! that this module imports nothing of the package.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

static FUNCTIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Name the functions of the package that this module calls.
#[pyfunction]
#[pyo3(signature = (**functions))]
pub(crate) fn register(py: Python<'_>, functions: Option<Py<PyDict>>) {
    if let Some(functions) = functions {
        let _ = FUNCTIONS.set(py, functions);
    }
}

/// The function that was registered under a name.
pub(crate) fn function<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let function = match FUNCTIONS.get(py) {
        Some(functions) => functions.bind(py).get_item(name)?,
        None => None,
    };
    function.ok_or_else(|| PyImportError::new_err("import forcegrant first"))
}
