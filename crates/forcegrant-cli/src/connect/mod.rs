//! `forcegrant connect`: the page on this machine, or the terminal, that makes a connection.

mod entries;
mod page;
mod rules;
mod server;

pub(crate) use entries::{CompletedConnection, ConnectionEntries, Field, RefusedAttempt};

#[cfg(test)]
mod tests;
