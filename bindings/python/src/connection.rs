//! `Connection`, one saved or loaded connection; `ConnectionList`, what a folder has.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use forcegrant::connections::{Connection, ConnectionList};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyTuple};

use crate::error::exception;
use crate::time::Utc;

/// Where to log in and with which credentials, under an id of your own.
///
/// It shows no secret, not in its text forms either, and cannot be pickled. Two are equal when all that they show is equal.
#[pyclass(frozen, name = "Connection", module = "forcegrant")]
pub(crate) struct PyConnection(pub(crate) Connection);

#[pymethods]
impl PyConnection {
    /// The id, under which it is found.
    #[getter]
    fn id(&self) -> &str {
        self.0.id()
    }

    /// A name in any characters.
    #[getter]
    fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// Labels of your own, in a new dict.
    #[getter]
    fn labels(&self) -> &BTreeMap<String, String> {
        self.0.labels()
    }

    /// The login URL: the org's My Domain.
    #[getter]
    fn login_url(&self) -> &str {
        self.0.login_url()
    }

    /// The client id (consumer key).
    #[getter]
    fn client_id(&self) -> &str {
        self.0.client_id()
    }

    /// The 18-character id of the org that the last verification reached.
    #[getter]
    fn org_id(&self) -> Option<&str> {
        self.0.org_id()
    }

    /// The 18-character id of the user that the app ran as at the last verification.
    #[getter]
    fn user_id(&self) -> Option<&str> {
        self.0.user_id()
    }

    /// When it was made (UTC).
    #[getter]
    fn created(&self) -> Option<Utc> {
        self.0.created().map(Utc)
    }

    /// When a login and an API call succeeded last with these values (UTC).
    #[getter]
    fn verified(&self) -> Option<Utc> {
        self.0.verified().map(Utc)
    }

    /// How often it was saved; 0 if it never was, or was written by hand.
    #[getter]
    fn revision(&self) -> u64 {
        self.0.revision()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        let other = other.cast::<Self>();
        other.is_ok_and(|other| self.shown() == other.get().shown())
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.shown().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Connection {}: org {}, revision {}>",
            self.0.id(),
            self.0.org_id().unwrap_or("unknown"),
            self.0.revision()
        )
    }

    fn __copy__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyAny>) -> Bound<'py, Self> {
        slf
    }

    #[expect(clippy::unused_self)] // Python passes it
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a Connection cannot be pickled, because it holds a secret: let the other process read it by its id",
        ))
    }
}

impl PyConnection {
    /// All that it shows.
    fn shown(&self) -> impl Hash + PartialEq + '_ {
        let connection = &self.0;
        (
            (connection.id(), connection.name(), connection.labels()),
            (connection.login_url(), connection.client_id()),
            (connection.org_id(), connection.user_id()),
            (connection.created(), connection.verified()),
            connection.revision(),
        )
    }
}

/// What a folder has: iterating and `len` are over the connections.
#[pyclass(frozen, get_all, name = "ConnectionList", module = "forcegrant")]
pub(crate) struct PyConnectionList {
    /// The connections, by their ids.
    connections: Py<PyTuple>,
    /// Why the other files cannot be used: a `ForcegrantError` for each that names the file.
    unreadable: Py<PyTuple>,
}

impl PyConnectionList {
    pub(crate) fn new(py: Python<'_>, list: ConnectionList) -> PyResult<Self> {
        let connections = list.connections.into_iter().map(PyConnection);
        let connections = connections.map(|one| Py::new(py, one));
        let unreadable = list.unreadable.iter().map(|error| exception(py, error));
        Ok(Self {
            connections: PyTuple::new(py, connections.collect::<PyResult<Vec<_>>>()?)?.unbind(),
            unreadable: PyTuple::new(py, unreadable.collect::<PyResult<Vec<_>>>()?)?.unbind(),
        })
    }
}

#[pymethods]
impl PyConnectionList {
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.connections.bind(py).try_iter()
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.connections.bind(py).len()
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let (found, unreadable) = (self.connections.bind(py), self.unreadable.bind(py));
        let unreadable = unreadable.len();
        format!(
            "<ConnectionList: {} connections, {unreadable} unreadable>",
            found.len()
        )
    }
}
