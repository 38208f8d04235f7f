//! `Connections`, a folder of them, for threads, and what it has in common with `AsyncConnections`.

use std::path::Path;

use forcegrant::connections::Connections;
use forcegrant::{ClientBuilder, ffi};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::connection::PyConnectionList;
use crate::connection_login::{ConnectionArguments, StartedVerification};
use crate::connection_value::PyConnection;
use crate::error::raise;
use crate::options::environment;
use crate::values::{self, path, text};

/// What `Connections` and `AsyncConnections` have in common.
#[pyclass(
    frozen,
    subclass,
    name = "ConnectionsBase",
    module = "forcegrant._native"
)]
pub(crate) struct PyConnectionsBase(pub(crate) Connections);

impl PyConnectionsBase {
    /// Those that are given, else those of the environment.
    fn given(py: Python<'_>, connections: Option<&Bound<'_, PyAny>>) -> PyResult<Connections> {
        match connections {
            Some(given) => Self::of(given),
            None => Self::new(py, None).map(|base| base.0),
        }
    }

    pub(crate) fn of(given: &Bound<'_, PyAny>) -> PyResult<Connections> {
        let base = given.cast::<Self>().map_err(|_| {
            PyTypeError::new_err("option 'connections': expected Connections or AsyncConnections")
        })?;
        Ok(base.get().0.clone())
    }

    /// Works on files, without the interpreter.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Connections) -> Result<T, forcegrant::Error> + Send,
    ) -> PyResult<T> {
        let done = py.detach(|| work(&self.0));
        done.map_err(|error| raise(py, &error))
    }

    fn authorize(
        &self,
        id: &Bound<'_, PyAny>,
        given: &ConnectionArguments<'_, '_>,
        (replace, other_org): (bool, bool),
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StartedVerification> {
        let authorization = given.apply(self.0.authorize(text("id", id)?))?;
        let authorization = authorization.replace(replace).other_org(other_org);
        StartedVerification::start(id.py(), options, move |set| {
            ffi::start_authorize(authorization.options(set))
        })
    }

    fn verify(
        &self,
        id: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<StartedVerification> {
        let py = id.py();
        let (connections, id) = (self.0.clone(), text("id", id)?);
        StartedVerification::start(py, options, move |set| {
            ffi::start_verify_connection(&connections, id, set)
        })
    }
}

#[pymethods]
impl PyConnectionsBase {
    #[new]
    #[pyo3(signature = (folder=None))]
    fn new(py: Python<'_>, folder: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let environment = environment(py)?;
        let connections = match folder {
            Some(folder) => Connections::new(path("folder", folder)?)
                .map(|connections| connections.with_environment(environment)),
            None => Connections::from_environment(environment),
        };
        connections.map(Self).map_err(|error| raise(py, &error))
    }

    /// The folder.
    #[getter]
    fn folder(&self) -> &Path {
        self.0.folder()
    }

    /// Give the connections that have these labels; all without. A file that cannot be used does
    /// not hide the others: `unreadable` says why. Raises `ConfigurationError` with the code
    /// `connection_unreadable` if it is the folder.
    #[pyo3(signature = (labels=None))]
    fn list(
        &self,
        py: Python<'_>,
        labels: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyConnectionList> {
        let labels = labels
            .map(|given| values::labels("labels", given))
            .transpose()?;
        let labels = labels.unwrap_or_default();
        let list = self.work(py, |connections| connections.list(&labels))?;
        PyConnectionList::new(py, list)
    }

    /// Give the connection with this id. Raises `ConfigurationError` with the code
    /// `unknown_connection`, which names the nearest ids, or `connection_unreadable`.
    fn get(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<PyConnection> {
        let id = text("id", id)?;
        let found = self.work(py, |connections| connections.get(&id));
        found.map(PyConnection)
    }

    /// Replace the labels of a connection, and give it as it was saved. Raises what `get` raises;
    /// `connection_unreadable` also where nothing can be written.
    fn set_labels(
        &self,
        py: Python<'_>,
        id: &Bound<'_, PyAny>,
        labels: &Bound<'_, PyAny>,
    ) -> PyResult<PyConnection> {
        let (id, labels) = (text("id", id)?, values::labels("labels", labels)?);
        let saved = self.work(py, |connections| connections.set_labels(&id, &labels));
        saved.map(PyConnection)
    }

    /// Seal the secret of a connection anew with the first key of the environment, and one that is not
    /// sealed yet too. Gives the connection as it was saved. Raises what `set_labels` raises, and
    /// `invalid_option` if there is no key.
    fn reseal(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<PyConnection> {
        let id = text("id", id)?;
        let saved = self.work(py, |connections| connections.reseal(&id));
        saved.map(PyConnection)
    }

    /// Remove a connection. Salesforce is told nothing: sessions go on, and the client secret stays
    /// valid. Raises what `get` raises.
    fn remove(&self, py: Python<'_>, id: &Bound<'_, PyAny>) -> PyResult<()> {
        let id = text("id", id)?;
        self.work(py, |connections| connections.remove(&id))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let folder = slf.get().0.folder().display();
        Ok(format!("<{} in {folder}>", slf.get_type().name()?))
    }

    /// No secret is in it: another process makes its own of the same folder.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyAny>,))> {
        Ok((slf.get_type(), (slf.getattr("folder")?,)))
    }
}

/// The builder of a client for a connection: one of these by its id, or a value.
pub(crate) fn connection_builder(
    connection: &Bound<'_, PyAny>,
    connections: Option<&Bound<'_, PyAny>>,
) -> PyResult<Result<ClientBuilder, forcegrant::Error>> {
    let py = connection.py();
    let Ok(value) = connection.cast::<PyConnection>() else {
        let connections = PyConnectionsBase::given(py, connections)?;
        let id = text("connection", connection)?;
        return Ok(py.detach(|| connections.client_builder(&id)));
    };
    if connections.is_some() {
        return Err(PyTypeError::new_err(
            "from_connection() takes an id and the folder, or a Connection alone",
        ));
    }
    let builder = ffi::builder_of_connection(&value.get().0, environment(py)?);
    Ok(Ok(builder))
}

/// The saved connections of a folder, for threads.
///
/// ```python
/// connections = Connections()
/// connections.authorize("acme", "acme.my.salesforce.com", client_id, client_secret)
/// client = Client.from_connection("acme")
/// ```
///
/// `folder` is an absolute path. Without one it is what the environment variable
/// FORCEGRANT_CONNECTIONS names, else `forcegrant/connections` where the system keeps the settings
/// of its users. Nothing is read yet. Each connection is a file that its owner alone can read; a
/// folder that is mounted for reading, as Kubernetes mounts secrets, is never written. Raises
/// `ConfigurationError`.
#[pyclass(frozen, extends = PyConnectionsBase, name = "Connections", module = "forcegrant")]
#[expect(clippy::doc_markdown)] // read in Python
pub(crate) struct PyConnections;

#[pymethods]
impl PyConnections {
    #[new]
    #[pyo3(signature = (folder=None))]
    fn new(
        py: Python<'_>,
        folder: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = PyConnectionsBase::new(py, folder)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Log in with these values, make one harmless API call, and then save the connection under this
    /// id. Gives it as it was saved; if anything fails, what was saved before stays as it was.
    ///
    /// `login_url` is the org's My Domain, in any of the forms that people copy out of a browser.
    /// With `replace` a connection may be there already, and what is not given stays as it is. Only
    /// with `other_org` may the login reach another org than before. The options are those of
    /// `forcegrant.options.ClientOptions`, for this login alone; the token is shared with nobody, and
    /// `credentials_callback` is refused. Other threads run meanwhile, and Ctrl-C ends the wait.
    ///
    /// Raises `ConfigurationError` with the code `connection_exists`, `other_org`,
    /// `missing_credentials` or `connection_unreadable`, and what `Client.verify` raises; `field` of
    /// the error says which value is wrong.
    #[pyo3(signature = (
        id, login_url=None, client_id=None, client_secret=None,
        *, name=None, labels=None, replace=false, other_org=false, **options
    ))]
    #[expect(clippy::too_many_arguments)] // as in Python
    fn authorize(
        slf: &Bound<'_, Self>,
        id: &Bound<'_, PyAny>,
        login_url: Option<&Bound<'_, PyAny>>,
        client_id: Option<&Bound<'_, PyAny>>,
        client_secret: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        labels: Option<&Bound<'_, PyAny>>,
        replace: bool,
        other_org: bool,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let given = ConnectionArguments {
            login_url,
            client_id,
            client_secret,
            name,
            labels,
        };
        let base = slf.as_super().get();
        let started = base.authorize(id, &given, (replace, other_org), options)?;
        started.wait(slf.py())
    }

    /// Log in with a saved connection, whatever is cached, and make one harmless API call. The time and
    /// the user are saved, unless the folder is for reading. Gives the connection.
    ///
    /// The options are as with `authorize`. Raises `ConfigurationError` with the code `other_org` if
    /// the login reaches another org than before, what `get` raises, and what `Client.verify` raises.
    #[pyo3(signature = (id, **options))]
    fn verify(
        slf: &Bound<'_, Self>,
        id: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        slf.as_super().get().verify(id, options)?.wait(slf.py())
    }
}

/// The saved connections of a folder, for asyncio and trio.
///
/// Takes what `Connections` takes. `authorize` and `verify` are awaited; the other methods read or
/// write a small file or a few, and are plain.
#[pyclass(frozen, extends = PyConnectionsBase, name = "AsyncConnections", module = "forcegrant")]
pub(crate) struct PyAsyncConnections;

#[pymethods]
impl PyAsyncConnections {
    #[new]
    #[pyo3(signature = (folder=None))]
    fn new(
        py: Python<'_>,
        folder: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = PyConnectionsBase::new(py, folder)?;
        Ok(PyClassInitializer::from(base).add_subclass(Self))
    }

    /// Give a coroutine that does what `Connections.authorize` does. The login begins at once, and a
    /// caller that is cancelled does not end it.
    #[pyo3(signature = (
        id, login_url=None, client_id=None, client_secret=None,
        *, name=None, labels=None, replace=false, other_org=false, **options
    ))]
    #[expect(clippy::too_many_arguments)] // as in Python
    fn authorize<'py>(
        slf: &Bound<'py, Self>,
        id: &Bound<'py, PyAny>,
        login_url: Option<&Bound<'py, PyAny>>,
        client_id: Option<&Bound<'py, PyAny>>,
        client_secret: Option<&Bound<'py, PyAny>>,
        name: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        replace: bool,
        other_org: bool,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let given = ConnectionArguments {
            login_url,
            client_id,
            client_secret,
            name,
            labels,
        };
        let base = slf.as_super().get();
        let started = base.authorize(id, &given, (replace, other_org), options)?;
        started.coroutine(slf.py())
    }

    /// Give a coroutine that does what `Connections.verify` does. The login begins at once.
    #[pyo3(signature = (id, **options))]
    fn verify<'py>(
        slf: &Bound<'py, Self>,
        id: &Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.as_super()
            .get()
            .verify(id, options)?
            .coroutine(slf.py())
    }
}
