//! Calls of Python code, which may not return: before 3.14, a daemon thread that asks for the
//! interpreter while that is ending is ended itself, by `pthread_exit`. On Linux that unwinds the
//! thread's stack, and where it meets Rust that expects no such thing, the process is aborted. So
//! all Python that can run for a while, or lets other threads run, is called through here, and
//! such a thread stays where it is until the process has gone, as Python does since 3.14.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Calls a function or class.
pub(crate) fn call<'py, A>(
    callable: &Bound<'py, PyAny>,
    args: A,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>>,
    PyErr: From<A::Error>,
{
    let args = args.into_pyobject(callable.py())?;
    raw_call(callable, &args, kwargs)
}

/// Imports a module; the name may have dots.
pub(crate) fn module<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    let import = py.import("builtins")?.getattr("__import__")?;
    // With something to take from it, the module itself is returned, and not the one above it.
    call(&import, (name, py.None(), py.None(), ("__name__",)), None)
}

/// Gives an exception that no caller can be given to `sys.unraisablehook`.
pub(crate) fn unraisable(error: PyErr, whose: &Bound<'_, PyAny>) {
    error.restore(whose.py());
    write_unraisable(whose);
}

#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "PyO3 declares the function as one that never unwinds"
)]
fn raw_call<'py>(
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    use pyo3::ffi::{self, PyObject};

    type ObjectCall =
        unsafe extern "C" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;
    type ObjectCallThatUnwinds =
        unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

    let py = callable.py();
    let kwargs = kwargs.map_or(std::ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the two types differ in nothing but what the compiler assumes about unwinding.
    let call =
        unsafe { std::mem::transmute::<ObjectCall, ObjectCallThatUnwinds>(ffi::PyObject_Call) };
    // Else it sees which function this is, and takes it for the one that never unwinds.
    let call = std::hint::black_box(call);
    let stays = Stays;
    // SAFETY: this thread is attached, and all pointers are those of live objects, of a tuple and
    // of a dict or null; the function returns a new reference, or null with an exception set.
    let result = unsafe {
        let result = call(callable.as_ptr(), args.as_ptr(), kwargs);
        Bound::from_owned_ptr_or_err(py, result)
    };
    std::mem::forget(stays);
    result
}

#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "PyO3 declares the function as one that never unwinds"
)]
fn write_unraisable(whose: &Bound<'_, PyAny>) {
    use pyo3::ffi::{self, PyObject};

    type Write = unsafe extern "C" fn(*mut PyObject);
    type WriteThatUnwinds = unsafe extern "C-unwind" fn(*mut PyObject);

    // SAFETY: the two types differ in nothing but what the compiler assumes about unwinding.
    let write =
        unsafe { std::mem::transmute::<Write, WriteThatUnwinds>(ffi::PyErr_WriteUnraisable) };
    let write = std::hint::black_box(write);
    let stays = Stays;
    // SAFETY: this thread is attached, with an exception set, and the object is alive.
    unsafe { write(whose.as_ptr()) };
    std::mem::forget(stays);
}

/// Elsewhere a thread ends without unwinding.
#[cfg(not(unix))]
fn write_unraisable(whose: &Bound<'_, PyAny>) {
    PyErr::fetch(whose.py()).write_unraisable(whose.py(), Some(whose));
}

#[cfg(not(unix))]
fn raw_call<'py>(
    callable: &Bound<'py, PyAny>,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    callable.call(args, kwargs)
}

/// Dropped by nothing but the unwinding, which ends here.
#[cfg(unix)]
struct Stays;

#[cfg(unix)]
impl Drop for Stays {
    fn drop(&mut self) {
        loop {
            std::thread::park();
        }
    }
}
