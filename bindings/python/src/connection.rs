//! What `Connection` can do; `ConnectionList`, what a folder has.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use forcegrant::connections::{Connection, ConnectionList};
use forcegrant::{Secret, ffi};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyString, PyTuple};

use crate::connection_login::{ConnectionArguments, StartedVerification};
use crate::connection_value::PyConnection;
use crate::error::{exception, raise};
use crate::options::environment;
use crate::time::Utc;
use crate::token_cache::TokenCache;
use crate::values::text;
use crate::wait::Outcome;

#[pymethods]
impl PyConnection {
    /// Log in with these values, make one harmless API call, and give a connection that is saved in no
    /// folder: `dump` gives its text, for a column of your database say.
    ///
    /// Takes what `Connections.authorize` takes, and raises what it raises about these values.
    #[staticmethod]
    #[pyo3(signature = (
        id, login_url, client_id, client_secret, *, name=None, labels=None, **options
    ))]
    fn authorize(
        id: &Bound<'_, PyAny>,
        login_url: &Bound<'_, PyAny>,
        client_id: &Bound<'_, PyAny>,
        client_secret: &Bound<'_, PyAny>,
        name: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let given = ConnectionArguments {
            login_url: Some(login_url),
            client_id: Some(client_id),
            client_secret: Some(client_secret),
            name,
            labels,
        };
        start_authorize(id, &given, options)?.wait(id.py())
    }

    /// Give a coroutine that does what `authorize` does, for asyncio and trio. The login begins at once.
    #[staticmethod]
    #[pyo3(signature = (
        id, login_url, client_id, client_secret, *, name=None, labels=None, **options
    ))]
    fn authorize_async<'py>(
        id: &Bound<'py, PyAny>,
        login_url: &Bound<'py, PyAny>,
        client_id: &Bound<'py, PyAny>,
        client_secret: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = ConnectionArguments {
            login_url: Some(login_url),
            client_id: Some(client_id),
            client_secret: Some(client_secret),
            name,
            labels,
        };
        start_authorize(id, &given, options)?.coroutine(id.py())
    }

    /// Read a text that `dump` gave. `id` is the one that it was made for: a text that belongs to another
    /// row is refused.
    ///
    /// `key` is what the secret was sealed with: 32 bytes in base64, several with a comma between. Without
    /// it, the keys are those of the environment variable FORCEGRANT_CONNECTIONS_KEY, or of the file that
    /// FORCEGRANT_CONNECTIONS_KEY_FILE names. The text may not name a file or a command. Raises
    /// `ConfigurationError` with the code `connection_unreadable`, which says what is wrong with it.
    #[staticmethod]
    #[pyo3(signature = (text, id, key=None))]
    #[expect(clippy::doc_markdown)] // read in Python
    fn load(
        text: &Bound<'_, PyAny>,
        id: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = text.py();
        let (text, id) = (self::text("text", text)?, self::text("id", id)?);
        let loaded = ffi::load(&text, &id, sealing_key(key)?, &environment(py)?);
        loaded.map(Self).map_err(|error| raise(py, &error))
    }

    /// Give the text of the connection, for a place of your own, with its secret sealed (AES-256-GCM). The
    /// seal is bound to the id, the login host and the client id.
    ///
    /// `key` is as with `load`; the first of several seals. With `plain`, and without a key, the secret
    /// stands in the text in clear: for a place that encrypts what it keeps. Raises `ConfigurationError` with
    /// the code `invalid_option` if there is no key, and `connection_unreadable` if a file or a command
    /// brings the secret.
    #[pyo3(signature = (key=None, *, plain=false))]
    fn dump<'py>(
        &self,
        py: Python<'py>,
        key: Option<&Bound<'py, PyAny>>,
        plain: bool,
    ) -> PyResult<Bound<'py, PyString>> {
        let dumped = ffi::dump(&self.0, sealing_key(key)?, plain, &environment(py)?);
        let text = dumped.map_err(|error| raise(py, &error))?;
        Ok(PyString::new(py, text.expose()))
    }

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
            "a Connection cannot be pickled, because it holds a secret: let the other process read it by its id, or load what dump() gives",
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

/// Begins a login that verifies a connection which is saved in no folder.
fn start_authorize(
    id: &Bound<'_, PyAny>,
    given: &ConnectionArguments<'_, '_>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<StartedVerification> {
    let py = id.py();
    let authorization = ffi::authorize_in(text("id", id)?, environment(py)?);
    let authorization = given.apply(authorization)?;
    StartedVerification::start(py, options, move |set| {
        ffi::start_authorize(authorization.options(set))
    })
}

fn sealing_key(key: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Secret>> {
    let key = key.map(|key| text("key", key)).transpose()?;
    Ok(key.map(Secret::new))
}

impl Outcome for Connection {
    fn into_python(self, py: Python<'_>, _: Option<&TokenCache>) -> PyResult<Py<PyAny>> {
        Ok(Py::new(py, PyConnection(self))?.into_any())
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
