//! What an error of a server means for a call, and how it is reported.

use std::error::Error;
use std::sync::Arc;

use forcegrant_proto::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::reply_limit::ReplyRejected;
use crate::url::{ServerAddress, Topology};

/// What to do after an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Ask this server, which owns the slot now.
    Moved(ServerAddress),
    /// Ask this server once: it is about to own the slot, and may have the key already.
    Ask(ServerAddress),
    /// Ask again later: the slot is moving to another server.
    TryAgain,
    /// Connect again: the connection broke, or the server became a replica.
    Reconnect,
    /// Give up: another attempt would have the same result.
    Fail,
}

/// Only the nodes of a Cluster may redirect: user and password go to no server but those that the URL names, or
/// allows others to name.
pub(crate) fn recovery(error: &RedisError, from: &ServerAddress, topology: &Topology) -> Recovery {
    let target = || {
        let (text, _) = error.redirect_node()?;
        let mut server = ServerAddress::parse(text, from.port)?;
        // Redis leaves the name out, or writes `?`, when it is that of the server which replied.
        if server.name.is_empty() || server.name == "?" {
            server.name.clone_from(&from.name);
        }
        Some(server)
    };
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask)
            if *topology != Topology::Cluster =>
        {
            Recovery::Fail
        }
        ErrorKind::Server(ServerErrorKind::Moved) => {
            target().map_or(Recovery::Reconnect, Recovery::Moved)
        }
        ErrorKind::Server(ServerErrorKind::Ask) => {
            target().map_or(Recovery::Reconnect, Recovery::Ask)
        }
        ErrorKind::Server(ServerErrorKind::TryAgain) => Recovery::TryAgain,
        ErrorKind::Io | ErrorKind::Parse => Recovery::Reconnect,
        _ if matches!(code(error), Some("READONLY" | "MASTERDOWN")) => Recovery::Reconnect,
        _ => Recovery::Fail,
    }
}

/// The error in words of this crate: a server may repeat what it was sent, including a password.
pub(crate) fn store_error(error: &RedisError, from: &ServerAddress) -> StoreError {
    let what = match (error.kind(), code(error)) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "wrong or missing user or password"
        }
        (_, Some("NOPERM")) => {
            "the user lacks a right (NOPERM); docs/guides/stores.md lists those it needs"
        }
        (_, Some("OOM")) => "it is out of memory (OOM)",
        (_, Some("READONLY")) => "it is a replica (READONLY)",
        // In a Cluster they are followed.
        (ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask), _) => {
            "it is a node of a Cluster; for a Cluster, the URL begins with redis+cluster"
        }
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => "it is starting (LOADING)",
        (ErrorKind::Server(ServerErrorKind::ClusterDown), _) => "its Cluster is down (CLUSTERDOWN)",
        (ErrorKind::Server(ServerErrorKind::TryAgain), _) => {
            "the slot is moving to another node (TRYAGAIN)"
        }
        (ErrorKind::Io, _) if error.is_connection_refusal() => "connection refused",
        (ErrorKind::Io, _) if is_rejected_reply(error) => {
            "its reply exceeds the size limit, or is not the Redis protocol"
        }
        (ErrorKind::Io, _) => "the connection broke",
        (ErrorKind::Parse, _) => "its reply is not the Redis protocol",
        (_, Some(code)) if code.len() <= 16 && code.bytes().all(|c| c.is_ascii_uppercase()) => {
            return StoreError::new(format!("Redis at {from}: it returned the error {code}"));
        }
        _ => "it returned an error",
    };
    StoreError::new(format!("Redis at {from}: {what}"))
}

fn is_rejected_reply(error: &RedisError) -> bool {
    // The redis crate wraps its sources in `Arc`.
    let source = error.source().and_then(|source| source.downcast_ref());
    let source = source.and_then(|source: &Arc<dyn Error + Send + Sync>| source.downcast_ref());
    let source = source.and_then(|source: &std::io::Error| source.get_ref());
    source
        .and_then(|source| source.downcast_ref::<ReplyRejected>())
        .is_some()
}

/// The code of the error. Before Redis 7, an error of a command within a script has the code ERR, and its own code is
/// in the text.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let text = error.detail().unwrap_or_default();
    let inner = ["READONLY", "MASTERDOWN", "OOM"]
        .into_iter()
        .find(|inner| text.contains(&format!("-{inner} ")));
    Some(inner.filter(|_| code == "ERR").unwrap_or(code))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_rejected_reply_is_told_apart_from_a_tls_failure() {
        let server = ServerAddress::parse("redis.test:1", 0).unwrap();
        let shown = |cause: Box<dyn Error + Send + Sync>| {
            let error = io::Error::new(io::ErrorKind::InvalidData, cause);
            store_error(&error.into(), &server).to_string()
        };
        let rejected = shown(Box::new(ReplyRejected("a reply is too long")));
        assert!(rejected.contains("exceeds the size limit"), "{rejected}");
        let tls = shown(Box::new(rustls::Error::DecryptError));
        assert!(tls.contains("the connection broke"), "{tls}");
    }
}
