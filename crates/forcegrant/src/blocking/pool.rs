//! The same pool for threads.

use std::fmt;
use std::time::Duration;

use super::Client;
use crate::client::Start;
use crate::pool::{ClientPoolBuilder, OrgCredentials, Prewarmed};
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::Secret;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;

/// Fetches and caches the access tokens of many orgs, for threads.
///
/// It shares its clients with the [`crate::ClientPool`] it is made from or turned into. Waiting
/// blocks the thread; it must not be called from an async task.
#[derive(Clone)]
pub struct ClientPool(crate::ClientPool);

impl ClientPool {
    /// See [`crate::ClientPool::builder`]; end with [`ClientPoolBuilder::build_blocking`].
    pub fn builder() -> ClientPoolBuilder {
        crate::ClientPool::builder()
    }

    /// See [`crate::ClientPool::token`].
    pub fn token(&self, key: &str) -> Result<Token, Error> {
        match self.0.start(key) {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.wait(),
        }
    }

    /// [`ClientPool::token`] that waits no longer than `timeout`. The login continues for others.
    pub fn token_timeout(&self, key: &str, timeout: Duration) -> Result<Token, Error> {
        match self.0.start(key) {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.wait_for_token(Some(timeout)),
        }
    }

    /// See [`crate::ClientPool::cached`].
    #[must_use]
    pub fn cached(&self, key: &str) -> Option<Token> {
        self.0.cached(key)
    }

    /// See [`crate::ClientPool::client`].
    pub fn client(&self, key: &str) -> Result<Client, Error> {
        self.0.client(key).map(Client::from)
    }

    /// See [`crate::ClientPool::insert`].
    pub fn insert(
        &self,
        key: &str,
        login_url: impl Into<String>,
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Client, Error> {
        let client = self.0.insert(key, login_url, client_id, client_secret)?;
        Ok(client.into())
    }

    /// See [`crate::ClientPool::insert_credentials`].
    pub fn insert_credentials(
        &self,
        key: &str,
        credentials: OrgCredentials,
    ) -> Result<Client, Error> {
        let client = self.0.insert_credentials(key, credentials)?;
        Ok(client.into())
    }

    /// See [`crate::ClientPool::set_credentials`].
    pub fn set_credentials(&self, key: &str, credentials: OrgCredentials) -> Result<(), Error> {
        self.0.set_credentials(key, credentials)
    }

    /// See [`crate::ClientPool::remove`].
    pub fn remove(&self, key: &str) -> bool {
        self.0.remove(key)
    }

    /// See [`crate::ClientPool::invalidate`].
    pub fn invalidate(&self, key: &str, token: &Token) -> bool {
        self.0.invalidate(key, token)
    }

    /// See [`crate::ClientPool::invalidate_access_token`].
    pub fn invalidate_access_token(&self, key: &str, access_token: &str) -> bool {
        self.0.invalidate_access_token(key, access_token)
    }

    /// See [`crate::ClientPool::status`].
    #[must_use]
    pub fn status(&self, key: &str) -> Option<Status> {
        self.0.status(key)
    }

    /// See [`crate::ClientPool::statuses`].
    pub fn statuses(&self) -> impl Iterator<Item = (String, Status)> + '_ {
        self.0.statuses()
    }

    /// See [`crate::ClientPool::contains`].
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains(key)
    }

    /// See [`crate::ClientPool::len`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// See [`crate::ClientPool::is_empty`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// See [`crate::ClientPool::prewarm`]; waits until all logins are done.
    pub fn prewarm<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Prewarmed {
        self.0.start_prewarm(keys).wait().unwrap_or_default()
    }

    /// See [`crate::ClientPool::wait_idle`].
    pub fn wait_idle(&self) {
        let _ = self.0.start_wait_idle().wait();
    }

    /// The same pool, with the same clients, for async code.
    #[must_use]
    pub fn into_async(self) -> crate::ClientPool {
        self.0
    }
}

impl ClientPoolBuilder {
    /// [`ClientPoolBuilder::build`] for threads.
    ///
    /// # Errors
    /// As [`ClientPoolBuilder::build`].
    pub fn build_blocking(self) -> Result<ClientPool, Error> {
        self.build().map(ClientPool::from)
    }
}

impl From<crate::ClientPool> for ClientPool {
    fn from(pool: crate::ClientPool) -> Self {
        Self(pool)
    }
}

impl fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
