//! `forcegrant connect`: the page on this machine, or the terminal, that makes a connection.

mod attempt;
mod browser;
mod entries;
mod page;
mod questions;
mod rules;
mod run;
mod server;

pub(crate) use entries::{CompletedConnection, ConnectionEntries, RefusedAttempt};
pub(crate) use run::run;

#[cfg(test)]
mod tests;
