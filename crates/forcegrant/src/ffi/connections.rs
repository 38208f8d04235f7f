//! Connections for other languages, whose environment may be another than the process's.

use super::Pending;
use crate::builder::ClientBuilder;
use crate::connections::{self, Authorization, Connection, Connections};
use crate::environment::Environment;
use crate::pool::OrgCredentials;
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::Secret;

/// [`Authorization::verify_and_save`] on the worker; [`Authorization::verify`] if there is no folder.
pub fn start_authorize(authorization: Authorization) -> Pending<Connection> {
    authorization.start()
}

/// [`Connections::verify_with`] on the worker.
pub fn start_verify_connection(
    connections: &Connections,
    id: String,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
) -> Pending<Connection> {
    connections.start_verify(id, options)
}

/// Work on the files of connections, on a thread that may block.
pub fn start_on_connections<T: Clone + Send + 'static>(
    connections: &Connections,
    work: impl FnOnce(&Connections) -> Result<T, Error> + Send + 'static,
) -> Pending<T> {
    connections.start_work(work)
}

/// [`connections::authorize`] with these variables.
pub fn authorize_in(id: String, environment: Environment) -> Authorization {
    connections::authorize(id).environment(environment)
}

/// [`connections::client_builder`] with these variables.
pub fn builder_of_connection(connection: &Connection, environment: Environment) -> ClientBuilder {
    connections::builder_in(connection, environment)
}

/// [`OrgCredentials::of_connection`] with these variables.
///
/// # Errors
/// As [`OrgCredentials::of_connection`].
pub fn org_of_connection(
    connection: Connection,
    environment: Environment,
) -> Result<OrgCredentials, Error> {
    OrgCredentials::of_connection_in(connection, environment)
}

/// [`connections::dump`] with the key that is given, else with those of the environment;
/// [`connections::dump_plain`] if `plain`.
///
/// # Errors
/// As [`connections::dump`]; `invalid_option` if there is no key, or one beside `plain`.
pub fn dump(
    connection: &Connection,
    key: Option<Secret>,
    plain: bool,
    environment: &Environment,
) -> Result<Secret, Error> {
    connections::dump_in(connection, key, plain, environment)
}

/// [`connections::load`] with the key that is given, else with those of the environment.
///
/// # Errors
/// As [`connections::load`].
pub fn load(
    text: &str,
    id: &str,
    key: Option<Secret>,
    environment: &Environment,
) -> Result<Connection, Error> {
    connections::load_in(text, id, key, environment)
}
