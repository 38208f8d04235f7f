//! Many orgs in one process: clients by key, as many as were used last.

mod builder;
mod clients;
mod clock_cache;
mod key;
mod limiter;
mod login_queue;
mod org;
mod prewarm;
mod table;

use std::fmt;
use std::sync::Arc;

pub use self::builder::ClientPoolBuilder;
use self::clients::Clients;
pub use self::org::OrgCredentials;
use self::org::{OrgSource, unknown};
pub use self::prewarm::Prewarmed;
use crate::client::{Client, Start};
use crate::client_inner::ClientInner;
use crate::login_task::Purpose;
use crate::wait::Pending;
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::Secret;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;

/// Fetches and caches the access tokens of many orgs, each under a key of yours: a tenant, a connection id.
///
/// A cheap handle: clones share one pool. Each key has a client of its own, so that failures and delays of
/// one org do not affect another; options, transport and the limits of logins are shared. The pool holds at most
/// `max_clients`: when one more comes, it drops one that was not used lately.
#[derive(Clone)]
pub struct ClientPool {
    clients: Arc<Clients>,
    /// What brings the credentials of keys that were not inserted.
    source: Option<OrgSource>,
}

impl ClientPool {
    /// The token of this key: the cached one in nanoseconds, or that of a login which all its concurrent
    /// callers share. See [`Client::token`].
    ///
    /// # Errors
    /// `unknown_key` where nobody gave credentials for it, and `unknown_connection` in a pool of connections;
    /// `credentials_unavailable` where the callback failed; or the error of the login.
    pub async fn token(&self, key: &str) -> Result<Token, Error> {
        match self.start(key) {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.await,
        }
    }

    /// The same as [`ClientPool::token`] for callers that wait in their own way.
    pub(crate) fn start(&self, key: &str) -> Start {
        match self.clients.read(key) {
            Some(Ok(token)) => Start::Ready(token),
            Some(Err(client)) => client.start_for(Purpose::Token),
            None => match self.new_client(key) {
                Ok(client) => client.start_for(Purpose::Token),
                Err(error) => Start::Pending(Pending::ready(Err(error))),
            },
        }
    }

    /// The usable cached token, if there is one. Never waits and never starts a login.
    #[must_use]
    pub fn cached(&self, key: &str) -> Option<Token> {
        let read = self.clients.read(key)?;
        read.map_or_else(|client| client.cached(), Some)
    }

    /// The client of a key, to use by itself. It still works when the pool drops it.
    ///
    /// # Errors
    /// `unknown_key` where nobody gave credentials for it; a callback is not asked yet. In a pool of connections what
    /// [`Connections::get`](crate::connections::Connections::get) says.
    pub fn client(&self, key: &str) -> Result<Client, Error> {
        self.clients
            .get(key)
            .map_or_else(|| self.new_client(key), Ok)
    }

    /// Gives the pool an org. For a key that it knows, this replaces the credentials: the cached token
    /// stays if they are for the same login host, because it still works; for another host the key starts
    /// afresh. The same credentials again change nothing.
    ///
    /// What was inserted is forgotten when the pool is full and the key was not read lately; where
    /// that may happen, use a credentials callback.
    ///
    /// # Errors
    /// `invalid_login_url`, `untrusted_host`, `missing_credentials` or `invalid_option`.
    pub fn insert(
        &self,
        key: &str,
        login_url: impl Into<String>,
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Client, Error> {
        let credentials = OrgCredentials::of(login_url, client_id, client_secret)?;
        self.insert_credentials(key, credentials)
    }

    /// [`ClientPool::insert`] for more than one set of client credentials.
    ///
    /// # Errors
    /// As [`ClientPool::insert`].
    pub fn insert_credentials(
        &self,
        key: &str,
        credentials: OrgCredentials,
    ) -> Result<Client, Error> {
        let (endpoint, credential_set) = credentials.given(&self.clients.config.trust)?;
        self.clients.insert(key, endpoint, credential_set)
    }

    /// [`ClientPool::insert_credentials`] for a key that the pool knows.
    ///
    /// # Errors
    /// `unknown_key` for another; else as [`ClientPool::insert`].
    pub fn set_credentials(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error> {
        if !self.contains(key) {
            return Err(unknown(key));
        }
        self.insert_credentials(key, credentials).map(drop)
    }

    /// Forgets a key, its credentials and its token. Callers of a login in flight get its result.
    /// Returns whether the key was known.
    pub fn remove(&self, key: &str) -> bool {
        self.clients.remove(key)
    }

    /// Reports that an API rejected this key's token as dead: see [`Client::invalidate`].
    pub fn invalidate(&self, key: &str, token: &Token) -> bool {
        self.clients
            .get(key)
            .is_some_and(|client| client.invalidate(token))
    }

    /// The same for a caller that has only the text of the token.
    pub fn invalidate_access_token(&self, key: &str, access_token: &str) -> bool {
        self.clients
            .get(key)
            .is_some_and(|client| client.invalidate_access_token(access_token))
    }

    /// What the cache of a key knows now. `None`: the pool does not know the key.
    #[must_use]
    pub fn status(&self, key: &str) -> Option<Status> {
        self.clients.peek(key, Client::status)
    }

    /// What the cache of every key knows, one after the other, in no particular order. Keys that
    /// come or go meanwhile may be missed.
    pub fn statuses(&self) -> impl Iterator<Item = (String, Status)> + '_ {
        let all = self.clients.all();
        all.map(|pooled| (pooled.key().to_owned(), pooled.client().status()))
    }

    /// Whether the pool knows a key now. A credentials callback may bring others.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.clients.peek(key, |_| ()).is_some()
    }

    /// How many clients the pool holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Logs in for every key that has no usable token, after the logins that callers wait for, and returns the
    /// results when all are done. Dropping the future leaves the logins running.
    pub async fn prewarm<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Prewarmed {
        self.start_prewarm(keys).await.unwrap_or_default()
    }

    /// The same as [`ClientPool::prewarm`] for callers that wait in their own way.
    pub(crate) fn start_prewarm<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Pending<Prewarmed> {
        prewarm::prewarm(keys, |key| {
            let client = self.client(key);
            match client.map(|client| client.start_for(Purpose::Prewarm)) {
                Ok(Start::Ready(token)) => Pending::ready(Ok(token)),
                Ok(Start::Pending(pending)) => pending,
                Err(error) => Pending::ready(Err(error)),
            }
        })
    }

    /// Waits until no login and no verification is in flight, also of clients that the pool dropped meanwhile.
    pub async fn wait_idle(&self) {
        let _ = self.start_wait_idle().await;
    }

    /// The same as [`ClientPool::wait_idle`] for callers that wait in their own way.
    pub(crate) fn start_wait_idle(&self) -> Pending<()> {
        let clients = self.clients.all_in_use();
        prewarm::all(clients.iter().filter_map(ClientInner::idle))
    }

    #[cold]
    fn new_client(&self, key: &str) -> Result<Client, Error> {
        let source = self.source.as_ref().ok_or_else(|| unknown(key))?;
        self.clients
            .get_or_insert(key, |config| source.credentials_of(key, config))
    }
}

impl fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPool")
            .field("len", &self.len())
            .field("max_clients", &self.clients.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
