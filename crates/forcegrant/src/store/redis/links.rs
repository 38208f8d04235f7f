//! Connections: made when needed, kept for the runtime and process that made them, given up when they
//! or the server behind them are not what they were.
//!
//! The client of the redis crate takes its TLS configuration from the process and expects a runtime
//! that stays, so only its protocol is used. Each step has its keys in one slot, so a Cluster needs no
//! more than to follow redirections and to remember them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::RedisStore;
use super::address::{Host, Kind};
use super::fault::{RedirectKind, redirect_kind, told};
use super::limited::Limited;
use super::scripts::Call;
use crate::http::tls_config;
use crate::process::PerProcess;
use crate::store::StoreError;
use forcegrant_proto::secret::Secret;

/// Tries of one step: a redirection or two, and a connection that turns out to be gone.
const TRIES: usize = 6;
/// From the first packet to the end of the handshakes, for one host.
const CONNECT: Duration = Duration::from_secs(2);
/// While a slot is on its way to another server.
const PAUSE: Duration = Duration::from_millis(20);
/// Several runtimes at a time are for tests; the worker has one.
const MOST_LINKS: usize = 32;

/// User and password of a server.
#[derive(Clone, Default)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<Secret>,
}

impl Login {
    pub(super) fn new(user: Option<&str>, password: Option<Secret>) -> Self {
        Self {
            user: user.map(str::to_owned),
            password,
        }
    }

    #[cfg(test)]
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    #[cfg(test)]
    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(Secret::expose)
    }

    fn info(&self, database: i64) -> RedisConnectionInfo {
        let mut info = RedisConnectionInfo::default()
            .set_db(database)
            .set_skip_set_lib_name();
        if let Some(user) = &self.user {
            info = info.set_username(user);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password.expose());
        }
        info
    }
}

/// What this process knows of the servers.
#[derive(Default)]
pub(super) struct Links(PerProcess<Own>);

#[derive(Default)]
struct Own {
    tls: OnceLock<Arc<rustls::ClientConfig>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    links: Vec<Link>,
    /// Which server has a slot, as far as one said so; for a master that Sentinels named, slot 0.
    routes: HashMap<u16, Host>,
    /// The host to begin with, among those of the address.
    first: usize,
    serial: u64,
}

#[derive(Clone)]
struct Link {
    runtime: Id,
    host: Host,
    serial: u64,
    connection: MultiplexedConnection,
}

impl Links {
    /// Runs a step where its key is. Should the connection break before the answer, it is run again:
    /// all steps come to the same then, but for a count, which may be too high and is never too low.
    pub(super) async fn run(
        &self,
        store: &RedisStore,
        call: &Call<'_>,
    ) -> Result<Value, StoreError> {
        let own = self.0.current();
        let slot = match store.address.kind {
            Kind::Cluster => call.slot,
            _ => 0,
        };
        let mut named = None;
        let mut last = None;
        for _ in 0..TRIES {
            let asking = named.is_some();
            let host = match named.take() {
                Some(host) => host,
                None => own.find(store, slot).await?,
            };
            // Should this future be dropped meanwhile, the server hangs perhaps: begin anew.
            let mut suspicion = InvalidateOnDrop::new(&own, &host);
            let (mut link, fresh) = match own.kept(&host) {
                Some(link) => (link, false),
                None => match own.connect(store, &host).await {
                    Ok(link) => (link, true),
                    Err(failed) => {
                        drop(suspicion);
                        // It may be a server that is no more, named by one that was.
                        if last.is_some() || !own.is_discovered(store, &host) {
                            return Err(failed);
                        }
                        own.forget_routes(&host);
                        last = Some(failed);
                        continue;
                    }
                },
            };
            suspicion.serial = Some(link.serial);
            let error = match call.invoke(&mut link.connection, asking).await {
                Ok(value) => {
                    suspicion.disarm();
                    return Ok(value);
                }
                Err(error) => error,
            };
            let redirect = redirect_kind(&error, &host, &store.address.kind);
            if redirect != RedirectKind::Elsewhere {
                suspicion.disarm();
            }
            match redirect {
                RedirectKind::Moved(to) => drop(own.known().routes.insert(slot, to)),
                RedirectKind::Ask(to) => named = Some(to),
                RedirectKind::TryAgain => sleep(PAUSE).await,
                // A connection that was kept may have ended long ago, and a server that another one
                // named may be a replica by now. A new one of the address tells the truth.
                RedirectKind::Elsewhere
                    if !fresh || (last.is_none() && own.is_discovered(store, &host)) =>
                {
                    own.forget_routes(&host);
                }
                RedirectKind::Elsewhere | RedirectKind::Final => {
                    // Should it be another server's business by now, the next step finds out.
                    own.forget_routes(&host);
                    return Err(told(&error, &host));
                }
            }
            last = Some(told(&error, &host));
        }
        Err(last.unwrap_or_else(|| StoreError::new("Redis: too many redirections")))
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").finish_non_exhaustive()
    }
}

impl Own {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server to ask about the slot.
    async fn find(&self, store: &RedisStore, slot: u16) -> Result<Host, StoreError> {
        let hosts = &store.address.hosts;
        let first = {
            let known = self.known();
            if let Some(host) = known.routes.get(&slot) {
                return Ok(host.clone());
            }
            known.first
        };
        let Kind::Sentinels { master } = &store.address.kind else {
            return Ok(hosts[first % hosts.len()].clone());
        };
        let mut last = None;
        for at in first..first + hosts.len() {
            let host = &hosts[at % hosts.len()];
            match self.ask_sentinel(store, host, master).await {
                Ok(found) => {
                    let mut known = self.known();
                    known.first = at % hosts.len();
                    known.routes.insert(slot, found.clone());
                    return Ok(found);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| StoreError::new("Redis: no Sentinel is known")))
    }

    async fn ask_sentinel(
        &self,
        store: &RedisStore,
        host: &Host,
        master: &str,
    ) -> Result<Host, StoreError> {
        let mut suspicion = InvalidateOnDrop::new(self, host);
        // Not kept: it is asked when the master is not known, and that is seldom.
        let info = store.sentinel_login.info(0);
        let mut connection = self.open(store, host, &info).await?;
        let found: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("get-master-addr-by-name")
            .arg(master)
            .query_async(&mut connection)
            .await
            .map_err(|error| told(&error, host))?;
        suspicion.disarm();
        let (name, port) = found.ok_or_else(|| {
            StoreError::new(format!(
                "the Sentinel at {host} knows no master of the name in the address"
            ))
        })?;
        Ok(Host { name, port })
    }

    /// The connection to this host that this runtime has.
    fn kept(&self, host: &Host) -> Option<Link> {
        let runtime = Handle::current().id();
        let known = self.known();
        let mut links = known.links.iter();
        links
            .find(|link| link.runtime == runtime && link.host == *host)
            .cloned()
    }

    async fn connect(&self, store: &RedisStore, host: &Host) -> Result<Link, StoreError> {
        let info = store.login.info(store.address.database);
        let connection = self.open(store, host, &info).await?;
        let runtime = Handle::current().id();
        let mut known = self.known();
        known.serial += 1;
        let link = Link {
            runtime,
            host: host.clone(),
            serial: known.serial,
            connection,
        };
        known
            .links
            .retain(|kept| kept.runtime != runtime || kept.host != *host);
        known.links.push(link.clone());
        if known.links.len() > MOST_LINKS {
            known.links.remove(0);
        }
        Ok(link)
    }

    async fn open(
        &self,
        store: &RedisStore,
        host: &Host,
        info: &RedisConnectionInfo,
    ) -> Result<MultiplexedConnection, StoreError> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let opening = async {
            let stream = TcpStream::connect((host.name.as_str(), host.port))
                .await
                .map_err(|error| unreachable(host, &error))?;
            let _ = stream.set_nodelay(true);
            if !store.address.tls {
                let stream = Limited::new(stream);
                let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
                let (connection, driver) = opened.map_err(|error| told(&error, host))?;
                tokio::spawn(driver);
                return Ok(connection);
            }
            let name = ServerName::try_from(host.name.clone())
                .map_err(|_| StoreError::new(format!("Redis at {host}: no name for TLS")))?;
            let stream = TlsConnector::from(self.tls(store)?)
                .connect(name, stream)
                .await
                .map_err(|error| unreachable(host, &error))?;
            let stream = Limited::new(stream);
            let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
            let (connection, driver) = opened.map_err(|error| told(&error, host))?;
            tokio::spawn(driver);
            Ok(connection)
        };
        timeout(CONNECT, opening).await.unwrap_or_else(|_| {
            Err(StoreError::new(format!(
                "Redis at {host}: no connection within {CONNECT:?}"
            )))
        })
    }

    fn tls(&self, store: &RedisStore) -> Result<Arc<rustls::ClientConfig>, StoreError> {
        if let Some(config) = self.tls.get() {
            return Ok(Arc::clone(config));
        }
        let config = tls_config(&store.roots).map_err(|error| StoreError::new(error.message()))?;
        Ok(Arc::clone(self.tls.get_or_init(|| Arc::new(config))))
    }

    /// Whether another server named it, rather than the address.
    fn is_discovered(&self, store: &RedisStore, host: &Host) -> bool {
        let several = store.address.hosts.len() > 1;
        several || self.known().routes.values().any(|route| route == host)
    }

    fn forget_routes(&self, host: &Host) {
        let mut known = self.known();
        known.routes.retain(|_, route| route != host);
    }
}

/// Gives up the connection, and what was heard of the host, unless the step ends well.
struct InvalidateOnDrop<'a> {
    own: &'a Own,
    host: &'a Host,
    serial: Option<u64>,
    allayed: bool,
}

impl<'a> InvalidateOnDrop<'a> {
    fn new(own: &'a Own, host: &'a Host) -> Self {
        Self {
            own,
            host,
            serial: None,
            allayed: false,
        }
    }

    fn disarm(&mut self) {
        self.allayed = true;
    }
}

impl Drop for InvalidateOnDrop<'_> {
    fn drop(&mut self) {
        if self.allayed {
            return;
        }
        let mut known = self.own.known();
        known.first = known.first.wrapping_add(1);
        known.routes.retain(|_, route| route != self.host);
        known.links.retain(|link| Some(link.serial) != self.serial);
    }
}

/// The system's or TLS's words: they come from this machine, and no password is known yet.
fn unreachable(host: &Host, error: &std::io::Error) -> StoreError {
    StoreError::new(format!("Redis at {host}: {error}"))
}
