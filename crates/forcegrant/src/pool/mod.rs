//! Many orgs in one process: clients by key, of which the ones read last are kept.

pub(crate) mod active;
pub(crate) mod blocking;
mod builder;
pub(crate) mod clock_cache;
pub(crate) mod key;
pub(crate) mod limiter;
pub(crate) mod login_queue;
mod prewarm;
pub(crate) mod table;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use self::active::ActiveLogins;
pub use self::builder::ClientPoolBuilder;
use self::clock_cache::{ClockCache, ClockEntry, HasClockEntry};
use self::key::Key;
pub use self::prewarm::Prewarmed;
use self::table::{Chained, Link, Table};
use crate::client::{Client, View};
use crate::credentials::{ClientCredentials, CredentialSet, CredentialsProvider, Source};
use crate::engine::{ClientConfig, Engine, Shared, Start};
use crate::token_cell::TokenCell;
use crate::wait::{Pending, Promise};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;
use forcegrant_support::process::{PerProcess, ProcessRef};

/// Keeps the access tokens of many orgs, each under a key of yours: a tenant, a connection id.
///
/// A cheap handle: clones share one pool. Each key has a client of its own, so that one org's
/// failures and delays are no other's; options, transport and the pace of logins are shared. At most
/// `max_clients` are kept: when one more comes, one that was not read lately goes.
#[derive(Clone)]
pub struct ClientPool {
    pool: Arc<Pool>,
}

/// Where one org's credentials go and what they are: what a credentials callback returns.
#[derive(Clone, Debug)]
pub struct OrgCredentials {
    login_url: String,
    credential_set: CredentialSet,
}

impl OrgCredentials {
    /// The org's login URL, as for [`Client::builder`], and its client credentials.
    #[must_use]
    pub fn new(login_url: impl Into<String>, credential_set: CredentialSet) -> Self {
        Self {
            login_url: pasted_text::meant(&login_url.into()).to_owned(),
            credential_set,
        }
    }

    /// One pair.
    ///
    /// # Errors
    /// As [`ClientCredentials::new`].
    pub fn of(
        login_url: impl Into<String>,
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        let credentials = ClientCredentials::new(client_id, client_secret)?;
        Ok(Self::new(login_url, CredentialSet::new(credentials)))
    }
}

struct Pool {
    profile: Arc<ClientConfig>,
    most: usize,
    /// Where clients that were not inserted have their credentials from.
    source: Option<Arc<Source>>,
    /// Of those that were.
    given: Arc<Source>,
    table: Table<Engine>,
    /// The lock of whoever changes the table. A forked child makes its own from the table.
    clock_cache: PerProcess<OnceLock<Mutex<ClockCache<Engine>>>>,
}

impl ClientPool {
    /// A pool with its options.
    pub fn builder() -> ClientPoolBuilder {
        ClientPoolBuilder::new()
    }

    /// The token of this key: the one at hand in nanoseconds, or that of a login which all its
    /// concurrent callers share. See [`Client::token`].
    ///
    /// # Errors
    /// `unknown_key` where nobody gave credentials for it; `credentials_unavailable` where the
    /// callback failed; or the error of the login.
    pub async fn token(&self, key: &str) -> Result<Token, Error> {
        match self.start(key) {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.await,
        }
    }

    /// The same as [`ClientPool::token`] for callers that wait in their own way.
    pub fn start(&self, key: &str) -> Start {
        let engine = match self.read(key) {
            Some(Ok(token)) => return Start::Ready(token),
            Some(Err(engine)) => engine,
            None => match self.pool.find_or_make(key) {
                Ok(engine) => engine,
                Err(error) => return Start::Pending(Pending::ready(Err(error))),
            },
        };
        engine.ask()
    }

    /// The usable token at hand, if there is one. Never waits and never starts a login.
    #[must_use]
    pub fn cached(&self, key: &str) -> Option<Token> {
        let read = self.read(key)?;
        read.map_or_else(|engine| engine.peek(), Some)
    }

    /// The token at hand and how long it may be handed out: see [`Client::view`].
    #[must_use]
    pub fn view(&self, key: &str) -> Option<View> {
        self.known(key)?.view()
    }

    /// The client of a key, to use by itself. It goes on working when the pool lets go of it.
    ///
    /// # Errors
    /// `unknown_key` where nobody gave credentials for it. A callback is not asked yet.
    pub fn client(&self, key: &str) -> Result<Client, Error> {
        if let Some(client) = self.known(key) {
            return Ok(client);
        }
        self.pool.find_or_make(key).map(Client::from_shared)
    }

    /// Gives the pool an org. For a key that it knows, this replaces the credentials: the token at
    /// hand stays if they are for the same login host, as it still works; for another host the key
    /// starts afresh. The same credentials again change nothing.
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
        let endpoint =
            LoginEndpoint::from_login_url(&credentials.login_url, &self.pool.profile.trust)?;
        let engine = self
            .pool
            .insert(key, endpoint, credentials.credential_set)?;
        Ok(Client::from_shared(engine))
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
        let removed = {
            let clock_cache = self.pool.clock_cache();
            let mut clock_cache = lock(&clock_cache);
            let removed = self.pool.table.remove(key);
            if let Some(entry) = &removed {
                clock_cache.remove(entry);
            }
            removed
        };
        removed.is_some()
    }

    /// Reports that an API rejected this key's token as dead: see [`Client::invalidate`].
    pub fn invalidate(&self, key: &str, token: &Token) -> bool {
        self.known(key)
            .is_some_and(|client| client.invalidate(token))
    }

    /// The same for a caller that kept only the text of the token.
    pub fn invalidate_access_token(&self, key: &str, access_token: &str) -> bool {
        self.known(key)
            .is_some_and(|client| client.invalidate_access_token(access_token))
    }

    /// What the cache of a key knows now. `None`: the pool does not know the key.
    #[must_use]
    pub fn status(&self, key: &str) -> Option<Status> {
        self.pool.table.look(key, |client| client.status())
    }

    /// What the cache of every key knows, one after the other, in no particular order. Keys that
    /// come or go meanwhile may be missed.
    pub fn statuses(&self) -> impl Iterator<Item = (String, Status)> + '_ {
        let all = self.pool.table.all();
        all.map(|client| (client.key.as_str().to_owned(), client.status()))
    }

    /// Whether the pool knows a key now. A credentials callback may bring others.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.pool.table.look(key, |_| ()).is_some()
    }

    /// How many clients the pool holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let clock_cache = self.pool.clock_cache();
        let clock_cache = lock(&clock_cache);
        clock_cache.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Logs in for every key that has no usable token, behind the logins that callers wait for, and
    /// says what came of it when all are done. Dropping the future leaves the logins running.
    pub async fn prewarm<K: AsRef<str>>(&self, keys: impl IntoIterator<Item = K>) -> Prewarmed {
        self.start_prewarm(keys).await.unwrap_or_default()
    }

    /// The same as [`ClientPool::prewarm`] for callers that wait in their own way.
    pub fn start_prewarm<K: AsRef<str>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Pending<Prewarmed> {
        prewarm::prewarm(keys, |key| match self.pool.engine(key) {
            Ok(engine) => engine.prewarm(),
            Err(error) => Pending::ready(Err(error)),
        })
    }

    /// Done when no login and no verification is in flight, also of clients that were removed or had
    /// to go meanwhile.
    pub async fn wait_idle(&self) {
        let _ = self.start_wait_idle().await;
    }

    /// The same as [`ClientPool::wait_idle`] for callers that wait in their own way.
    pub fn start_wait_idle(&self) -> Pending<()> {
        let active = self.pool.profile.active.as_ref();
        let clients = active.map(ActiveLogins::clients).unwrap_or_default();
        prewarm::all(clients.into_iter().map(|client| {
            let promise = Promise::new();
            let pending = promise.pending();
            client.when_idle(promise);
            pending
        }))
    }

    /// The token of a key that the pool knows, or its client, which has to be asked.
    #[inline]
    fn read(&self, key: &str) -> Option<Result<Token, Arc<Engine>>> {
        let clock = &self.pool.profile.clock;
        let coarse = clock.coarse_wall();
        self.pool.table.look(key, |client| {
            client.entry.touch();
            let read = client.slot.read_shared(coarse, clock);
            read.ok_or_else(|| Arc::clone(client))
        })
    }

    fn known(&self, key: &str) -> Option<Client> {
        self.pool.table.look(key, |client| {
            client.entry.touch();
            Client::from_shared(Arc::clone(client))
        })
    }
}

impl Pool {
    fn engine(self: &Arc<Self>, key: &str) -> Result<Arc<Engine>, Error> {
        let known = self.table.look(key, |client| {
            client.entry.touch();
            Arc::clone(client)
        });
        known.map_or_else(|| self.find_or_make(key), Ok)
    }

    /// The client of a key that was not found without the lock.
    #[cold]
    fn find_or_make(self: &Arc<Self>, key: &str) -> Result<Arc<Engine>, Error> {
        let source = self.source.as_ref().ok_or_else(|| unknown(key))?;
        let clock_cache = self.clock_cache();
        let mut clock_cache = lock(&clock_cache);
        if let Some(engine) = self.table.look(key, Arc::clone) {
            return Ok(engine);
        }
        let provider = CredentialsProvider::new(Arc::clone(source), None, None)?;
        let (engine, evicted) = self.entry(&mut clock_cache, key, provider);
        drop(clock_cache);
        // Outside the lock, as the last handle of a client drops much.
        drop(evicted);
        Ok(engine)
    }

    fn insert(
        self: &Arc<Self>,
        key: &str,
        endpoint: LoginEndpoint,
        credential_set: CredentialSet,
    ) -> Result<Arc<Engine>, Error> {
        let clock_cache = self.clock_cache();
        let mut clock_cache = lock(&clock_cache);
        let known = self.table.look(key, |client| {
            client.entry.touch();
            Arc::clone(client)
        });
        if let Some(engine) = known {
            let before = engine.provider.endpoint();
            if before.is_none_or(|before| before.token_url() == endpoint.token_url()) {
                if !engine.provider.is_held(&credential_set) {
                    engine.set_credentials(credential_set, Some(endpoint));
                }
                return Ok(engine);
            }
        }
        let provider = CredentialsProvider::new(
            Arc::clone(&self.given),
            Some(credential_set),
            Some(endpoint),
        )?;
        let (engine, evicted) = self.entry(&mut clock_cache, key, provider);
        drop(clock_cache);
        drop(evicted);
        Ok(engine)
    }

    /// A new client, in place of the one with its key or of one that was not read lately.
    fn entry(
        &self,
        clock_cache: &mut ClockCache<Engine>,
        key: &str,
        provider: CredentialsProvider,
    ) -> (Arc<Engine>, Option<Arc<Engine>>) {
        let engine = Arc::new(Engine {
            entry: ClockEntry::default(),
            slot: TokenCell::default(),
            key: key.into(),
            link: Link::default(),
            state: Shared::default(),
            provider,
            profile: Arc::clone(&self.profile),
        });
        if let Some(old) = self.table.insert(&engine) {
            clock_cache.replace(&old, Arc::clone(&engine));
            return (engine, Some(old));
        }
        let evicted = clock_cache.insert(Arc::clone(&engine), self.most);
        if let Some(evicted) = &evicted {
            self.table.remove(evicted.key.as_str());
        }
        (engine, evicted)
    }

    fn clock_cache(&self) -> ProcessRef<OnceLock<Mutex<ClockCache<Engine>>>> {
        let clock_cache = self.clock_cache.current();
        clock_cache.get_or_init(|| Mutex::new(ClockCache::new(self.table.all())));
        clock_cache
    }
}

/// The lock that `Pool::clock_cache` has made.
fn lock(clock_cache: &OnceLock<Mutex<ClockCache<Engine>>>) -> MutexGuard<'_, ClockCache<Engine>> {
    let clock_cache = clock_cache.get_or_init(|| Mutex::new(ClockCache::new(std::iter::empty())));
    // No foreign code runs under this lock.
    clock_cache.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chained for Engine {
    fn key(&self) -> &Key {
        &self.key
    }

    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

impl HasClockEntry for Engine {
    fn entry(&self) -> &ClockEntry {
        &self.entry
    }
}

impl fmt::Debug for ClientPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPool")
            .field("len", &self.len())
            .field("max_clients", &self.pool.most)
            .finish_non_exhaustive()
    }
}

fn unknown(key: &str) -> Error {
    let key = forcegrant_proto::redaction::printable(key, 100);
    Error::new(
        ErrorCode::UnknownKey,
        format!("the pool has no credentials for the key `{key}`"),
    )
    .with_help("Insert them first. A full pool forgets the keys that were not used lately: raise `max_clients`,\nor give the pool a credentials callback, which is asked with the key whenever it is needed.")
}

#[cfg(all(test, not(feature = "model")))]
mod tests;
