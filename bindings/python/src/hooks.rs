//! The functions of the package that this module calls. The package registers them when it is imported, so
//! that this module imports nothing of the package.

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::python_call;

static FUNCTIONS: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// Name the functions of the package that this module calls.
#[pyfunction]
#[pyo3(signature = (**functions))]
pub(crate) fn register(py: Python<'_>, functions: Option<Py<PyDict>>) {
    if let Some(functions) = functions {
        let _ = FUNCTIONS.set(py, functions);
    }
}

/// Calls the function that was registered under a name.
pub(crate) fn call<'py, A>(
    py: Python<'py>,
    name: &str,
    args: A,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    let function = match FUNCTIONS.get(py) {
        Some(functions) => functions.bind(py).get_item(name)?,
        None => None,
    };
    let function = function.ok_or_else(|| PyImportError::new_err("import forcegrant first"))?;
    python_call::call(&function, args, kwargs)
}
