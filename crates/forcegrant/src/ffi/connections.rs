//! Logins that verify a connection, for callers that wait in their own way.

use super::Pending;
use crate::builder::ClientBuilder;
use crate::connections::{Authorization, Connection, Connections};

/// [`Authorization::verify_and_save`] on the worker.
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
