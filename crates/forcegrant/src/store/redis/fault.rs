//! What an error of Redis means for the step, and how it is told.

use std::error::Error;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::{Host, Kind};
use crate::store::StoreError;

/// What to do about an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RedirectKind {
    /// This server has the slot now, for good.
    Moved(Host),
    /// This server may have the key already.
    Ask(Host),
    /// The server gives the slot away at this moment.
    TryAgain,
    /// The connection, or the server at its end, is not what it was.
    Elsewhere,
    /// Another try would end the same.
    Final,
}

/// `from` is the server that answered. Only a Cluster's word is followed to another server: user and
/// password go to none that the URL does not name, or lets others name.
pub(super) fn redirect_kind(error: &RedisError, from: &Host, kind: &Kind) -> RedirectKind {
    let target = || {
        let (text, _) = error.redirect_node()?;
        let mut host = Host::parse(text, from.port)?;
        if host.name.is_empty() || host.name == "?" {
            host.name.clone_from(&from.name);
        }
        Some(host)
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
            if *kind != Kind::Cluster =>
        {
            RedirectKind::Final
        }
        ErrorKind::Server(ServerErrorKind::Moved) => {
            target().map_or(RedirectKind::Elsewhere, RedirectKind::Moved)
        }
        ErrorKind::Server(ServerErrorKind::Ask) => {
            target().map_or(RedirectKind::Elsewhere, RedirectKind::Ask)
        }
        ErrorKind::Server(ServerErrorKind::TryAgain) => RedirectKind::TryAgain,
        ErrorKind::Io | ErrorKind::Parse => RedirectKind::Elsewhere,
        _ if matches!(code(error), Some("READONLY" | "MASTERDOWN")) => RedirectKind::Elsewhere,
        _ => RedirectKind::Final,
    }
}

/// In words of our own: a server may repeat what it was sent, a password among it.
pub(super) fn told(error: &RedisError, from: &Host) -> StoreError {
    let what = match (error.kind(), code(error)) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "it wants another user or password"
        }
        (_, Some("NOPERM")) => {
            "the user may not do this (NOPERM); docs/guides/stores.md lists the rights it needs"
        }
        (_, Some("OOM")) => "it is full (OOM)",
        (_, Some("READONLY")) => "it is a replica (READONLY)",
        // Of a Cluster they are followed.
        (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => {
            "it is a node of a Cluster and names another; for a Cluster, the URL begins with redis+cluster"
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => "it is starting (LOADING)",
        (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => "its Cluster is down (CLUSTERDOWN)",
        (ErrorKind::Server(ServerErrorKind::TryAgain), _) => {
            "a slot of its Cluster is on the move (TRYAGAIN)"
        }
        (ErrorKind::Io, _) if error.is_connection_refusal() => "it refuses connections",
        (ErrorKind::Io, _) if is_of_limit(error) => {
            "its reply is longer than any to this store, or none of Redis's protocol"
        }
        (ErrorKind::Io, _) => "the connection broke",
        (ErrorKind::Parse, _) => "it answered something that is not Redis's protocol",
        (_, Some(code)) if code.len() <= 16 && code.bytes().all(|c| c.is_ascii_uppercase()) => {
            return StoreError::new(format!("Redis at {from}: it answered {code}"));
        }
        _ => "it answered with an error",
    };
    StoreError::new(format!("Redis at {from}: {what}"))
}

/// Whether the connection was given up because of what was read from it.
fn is_of_limit(error: &RedisError) -> bool {
    // The redis crate shares its causes.
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    let cause = cause.and_then(|cause: &Arc<dyn Error + Send + Sync>| cause.downcast_ref());
    cause.is_some_and(|cause: &std::io::Error| cause.kind() == std::io::ErrorKind::InvalidData)
}

/// The code of the answer. Before Redis 7, what a command in a script came to is in the words of an
/// error of the script.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let words = error.detail().unwrap_or_default();
    let inner = ["READONLY", "MASTERDOWN", "OOM"]
        .into_iter()
        .find(|inner| words.contains(&format!("-{inner} ")));
    Some(inner.filter(|_| code == "ERR").unwrap_or(code))
}
