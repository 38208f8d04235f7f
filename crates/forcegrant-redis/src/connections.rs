//! Connections to the servers, and which server a call goes to.
//!
//! A connection belongs to the process and the runtime that made it: the child of a fork must not use its parent's
//! socket, and the worker's runtime ends when nothing is in flight. The keys of a call are all in one slot, so a
//! Cluster needs no more than to follow redirections and to remember them. The clients of the redis crate do not
//! fit: docs/adr/0018-the-redis-store-makes-its-own-connections.md.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use forcegrant_proto::store::StoreError;
use forcegrant_support::process::PerProcess;
use forcegrant_support::tls::{Roots, tls_config};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::credentials::ServerCredentials;
use crate::reply_limit::BoundedStream;
use crate::scripts::ScriptCall;
use crate::server_error::{Recovery, recovery, store_error};
use crate::url::{RedisUrl, ServerAddress, Topology};

/// How often a call is tried: there may be a redirection or two, and a connection that turns out to be closed.
const MAX_ATTEMPTS: usize = 6;
/// For one server, from the first packet to the end of the handshakes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Before a call is tried again because its slot is moving to another server.
const TRY_AGAIN_DELAY: Duration = Duration::from_millis(20);
/// When there are more, the connections of other runtimes are given up: most of those runtimes have ended.
const MAX_CONNECTIONS: usize = 32;

/// Where to connect, and how.
#[derive(Clone)]
pub(crate) struct ConnectionSettings {
    pub(crate) url: RedisUrl,
    pub(crate) roots: Roots,
    pub(crate) credentials: ServerCredentials,
    pub(crate) sentinel_credentials: ServerCredentials,
}

/// The connections of a store, and what it has learned about its servers.
#[derive(Default)]
pub(crate) struct RedisConnections(PerProcess<ConnectionCache>);

/// Those of one process.
#[derive(Default)]
struct ConnectionCache {
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    table: Mutex<ConnectionTable>,
}

/// The open connections, and which server owns a slot.
#[derive(Default)]
struct ConnectionTable {
    connections: HashMap<(Id, ServerAddress), MultiplexedConnection>,
    /// Which server owns a slot, if another server said so. A master that a Sentinel named owns slot 0.
    slot_owners: HashMap<u16, ServerAddress>,
    /// The index of the server in the URL to begin with; it counts on beyond their number.
    first: usize,
}

impl RedisConnections {
    /// Runs a script on the server that owns its keys. If the connection breaks before the reply, the script is run
    /// again: twice has the same effect as once, except that a count may become too high. It is never too low.
    pub(crate) async fn run(
        &self,
        settings: &ConnectionSettings,
        call: &ScriptCall<'_>,
    ) -> Result<Value, StoreError> {
        let cache = self.0.current();
        let slot = match settings.url.topology {
            Topology::Cluster => call.slot,
            _ => 0,
        };
        let mut ask = None;
        let mut last_error = None;
        for _ in 0..MAX_ATTEMPTS {
            let asking = ask.is_some();
            let server = match ask.take() {
                Some(server) => server,
                None => cache.find_server(settings, slot).await?,
            };
            // A server that another server named may have stopped, or be a replica by now.
            let is_discovered =
                settings.url.servers.len() > 1 || !settings.url.servers.contains(&server);
            // If this future is dropped before the end, the server may be hanging: the next call begins anew.
            let mut guard = InvalidateOnDrop::new(&cache, &server);
            let kept = cache.table().connections.get(&guard.key()).cloned();
            let is_new = kept.is_none();
            let connected = match kept {
                Some(connection) => Ok(connection),
                None => cache.connect(settings, &server).await,
            };
            let mut connection = match connected {
                Ok(connection) => connection,
                Err(error) if is_discovered && last_error.is_none() => {
                    last_error = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let error = match call.invoke(&mut connection, asking).await {
                Ok(value) => {
                    guard.disarm();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let recovery = recovery(&error, &server, &settings.url.topology);
            let error = store_error(&error, &server);
            match recovery {
                Recovery::Reconnect if !is_new || (is_discovered && last_error.is_none()) => {}
                Recovery::Reconnect => return Err(error),
                Recovery::Fail => {
                    guard.disarm();
                    // If another server owns the slot by now, the next call finds out.
                    cache.table().forget_slots_of(&server);
                    return Err(error);
                }
                Recovery::Moved(owner) => {
                    guard.disarm();
                    cache.table().slot_owners.insert(slot, owner);
                }
                Recovery::Ask(importing) => {
                    guard.disarm();
                    ask = Some(importing);
                }
                Recovery::TryAgain => {
                    guard.disarm();
                    sleep(TRY_AGAIN_DELAY).await;
                }
            }
            last_error = Some(error);
        }
        Err(last_error.unwrap_or_else(|| StoreError::new("Redis: too many redirections")))
    }
}

impl fmt::Debug for RedisConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConnections").finish_non_exhaustive()
    }
}

impl ConnectionTable {
    fn forget_slots_of(&mut self, server: &ServerAddress) {
        self.slot_owners.retain(|_, owner| owner != server);
    }
}

impl ConnectionCache {
    fn table(&self) -> MutexGuard<'_, ConnectionTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server to ask about the slot.
    async fn find_server(
        &self,
        settings: &ConnectionSettings,
        slot: u16,
    ) -> Result<ServerAddress, StoreError> {
        let servers = &settings.url.servers;
        let first = {
            let table = self.table();
            if let Some(owner) = table.slot_owners.get(&slot) {
                return Ok(owner.clone());
            }
            table.first
        };
        let Topology::Sentinels { master } = &settings.url.topology else {
            return Ok(servers[first % servers.len()].clone());
        };
        let mut last_error = None;
        for index in (first..first + servers.len()).map(|index| index % servers.len()) {
            match self.ask_sentinel(settings, &servers[index], master).await {
                Ok(found) => {
                    let mut table = self.table();
                    table.first = index;
                    table.slot_owners.insert(slot, found.clone());
                    return Ok(found);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| StoreError::new("Redis: the URL names no Sentinel")))
    }

    /// The connection is not kept: a Sentinel is asked only when the master is not known.
    async fn ask_sentinel(
        &self,
        settings: &ConnectionSettings,
        sentinel: &ServerAddress,
        master: &str,
    ) -> Result<ServerAddress, StoreError> {
        let mut guard = InvalidateOnDrop::new(self, sentinel);
        let info = settings.sentinel_credentials.connection_info(0);
        let mut connection = self.open(settings, sentinel, &info).await?;
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(master)
            .query_async(&mut connection)
            .await
            .map_err(|error| store_error(&error, sentinel))?;
        guard.disarm();
        let (name, port) = found.ok_or_else(|| {
            StoreError::new(format!(
                "the Sentinel at {sentinel} knows no master of the name in the URL"
            ))
        })?;
        Ok(ServerAddress { name, port })
    }

    /// Makes a connection and keeps it for this runtime.
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        server: &ServerAddress,
    ) -> Result<MultiplexedConnection, StoreError> {
        let info = settings.credentials.connection_info(settings.url.database);
        let connection = self.open(settings, server, &info).await?;
        let runtime = Handle::current().id();
        let mut table = self.table();
        let key = (runtime, server.clone());
        table.connections.insert(key, connection.clone());
        if table.connections.len() > MAX_CONNECTIONS {
            table.connections.retain(|(of, _), _| *of == runtime);
        }
        Ok(connection)
    }

    async fn open(
        &self,
        settings: &ConnectionSettings,
        server: &ServerAddress,
        info: &RedisConnectionInfo,
    ) -> Result<MultiplexedConnection, StoreError> {
        // The words of the system and of TLS are safe to show: no password has been sent yet.
        let failed = |error: std::io::Error| StoreError::new(format!("Redis at {server}: {error}"));
        let opening = async {
            let tcp = TcpStream::connect((server.name.as_str(), server.port));
            let tcp = tcp.await.map_err(failed)?;
            let _ = tcp.set_nodelay(true);
            let stream = if settings.url.tls {
                let name = ServerName::try_from(server.name.clone()).map_err(|_| {
                    StoreError::new(format!("Redis at {server}: invalid host name for TLS"))
                })?;
                let connector = TlsConnector::from(self.tls(settings)?);
                BoundedStream::new(connector.connect(name, tcp).await.map_err(failed)?)
            } else {
                BoundedStream::new(tcp)
            };
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let (connection, driver) = MultiplexedConnection::new_with_config(info, stream, config)
                .await
                .map_err(|error| store_error(&error, server))?;
            tokio::spawn(driver);
            Ok(connection)
        };
        timeout(CONNECT_TIMEOUT, opening).await.unwrap_or_else(|_| {
            Err(StoreError::new(format!(
                "Redis at {server}: not connected within {CONNECT_TIMEOUT:?}"
            )))
        })
    }

    fn tls(&self, settings: &ConnectionSettings) -> Result<Arc<rustls::ClientConfig>, StoreError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config =
            tls_config(&settings.roots).map_err(|error| StoreError::new(error.message()))?;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }
}

/// Unless it is disarmed, gives up the connection to a server and what other servers said about it.
struct InvalidateOnDrop<'a> {
    cache: &'a ConnectionCache,
    server: &'a ServerAddress,
    runtime: Id,
    armed: bool,
}

impl<'a> InvalidateOnDrop<'a> {
    fn new(cache: &'a ConnectionCache, server: &'a ServerAddress) -> Self {
        Self {
            cache,
            server,
            runtime: Handle::current().id(),
            armed: true,
        }
    }

    fn key(&self) -> (Id, ServerAddress) {
        (self.runtime, self.server.clone())
    }

    fn disarm(&mut self) {
        self.armed = false;
    }
}

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let mut table = self.cache.table();
        // The next call begins with another server of the URL.
        table.first = table.first.wrapping_add(1);
        table.forget_slots_of(self.server);
        table.connections.remove(&self.key());
    }
}
