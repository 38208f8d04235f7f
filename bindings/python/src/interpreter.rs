//! The main interpreter is the only one that will do. The classes of this module are one set for
//! the whole process, so in another interpreter its errors would be the first one's, which nobody
//! there can catch, and its objects would outlive the interpreter that made them.

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Given by Python to the interpreter that a process begins with.
const MAIN: i64 = 0;

/// Fails in a subinterpreter. Interpreters with a lock of their own never get here: Python refuses
/// to load this module there.
pub(crate) fn refuse_others(py: Python<'_>) -> PyResult<()> {
    #[expect(unsafe_code, reason = "safe Python has no way to ask this")]
    // SAFETY: `py` shows that this thread is attached to an interpreter, so the first call returns
    // its state, which is never null and lives for as long as the thread is attached.
    let id = unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) };
    match id {
        MAIN => Ok(()),
        ..MAIN => Err(PyErr::fetch(py)),
        _ => Err(PyImportError::new_err(
            "forcegrant works in the main interpreter only, and this is a subinterpreter; under mod_wsgi set `WSGIApplicationGroup %{GLOBAL}`",
        )),
    }
}
