//! Logins that verify a connection, for callers that wait in their own way.

use super::Pending;
use crate::builder::ClientBuilder;
use crate::connections::{Authorization, Connection, Connections};
use crate::wait::Promise;
use crate::worker;
use forcegrant_proto::error::Error;

/// [`Authorization::verify_and_save`] on the worker.
pub fn start_authorize(authorization: Authorization) -> Pending<Connection> {
    start(authorization.verify_and_save())
}

/// [`Connections::verify_with`] on the worker.
pub fn start_verify_connection(
    connections: &Connections,
    id: String,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
) -> Pending<Connection> {
    let connections = connections.clone();
    start(async move { connections.verify_with(&id, options).await })
}

/// Nobody needs to wait for it: it runs to its end.
fn start(
    verification: impl Future<Output = Result<Connection, Error>> + Send + 'static,
) -> Pending<Connection> {
    let promise = Promise::new();
    let pending = promise.pending();
    match worker::spawn(async move { promise.keep(&verification.await) }) {
        Ok(()) => pending,
        Err(error) => Pending::ready(Err(error)),
    }
}
