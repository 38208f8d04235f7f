//! The clients of a pool by their keys, and which of them is dropped when there are too many.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use arc_swap::ArcSwapOption;

use super::clock_cache::{ClockCache, ClockEntry, HasClockEntry};
use super::key::TenantKey;
use super::table::{Chained, Link, PoolTable};
use crate::client::Client;
use crate::client_config::ClientConfig;
use crate::client_inner::ClientInner;
use crate::clock::Clock;
use crate::credentials::{CredentialSet, CredentialsProvider, CredentialsSource};
use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::error::Error;
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::token::Token;
use forcegrant_support::process::PerProcess;

/// A client under its key. What a read needs is mostly in one cache line: `docs/adr/0013-the-table-of-a-pool.md`
/// has the measurement.
#[repr(C)]
pub(super) struct PooledClient {
    clock_entry: ClockEntry,
    /// The token that was read last. The client retires it when another takes its place.
    last_read: ArcSwapOption<CachedToken>,
    key: TenantKey,
    link: Link<Self>,
    client: Client,
}

/// What the clients of a pool have in common, and the clients.
pub(super) struct Clients {
    pub(super) config: Arc<ClientConfig>,
    pub(super) capacity: usize,
    table: PoolTable<PooledClient>,
    /// Its lock is held while the table changes. A forked child makes its own from the table.
    changes: PerProcess<OnceLock<Mutex<Changes>>>,
}

struct Changes {
    cache: ClockCache<PooledClient>,
    /// Clients that the pool dropped, whose login may be in flight.
    dropped: Vec<Weak<ClientInner>>,
    /// Entries of `dropped` that have ended are removed when there are this many.
    sweep_at: usize,
}

impl PooledClient {
    pub(super) fn key(&self) -> &str {
        self.key.as_str()
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The cached token, if no decision about it is due.
    #[inline]
    fn read(&self, clock: &Clock) -> Option<Token> {
        let coarse = clock.coarse_wall();
        let is_usable = |cached: &CachedToken| {
            cached.in_view(coarse) || cached.renew(clock.now(), coarse, clock.view_length())
        };
        let last_read = self.last_read.load();
        if let Some(cached) = last_read.as_ref().filter(|cached| is_usable(cached)) {
            return Some(Token::of(cached));
        }
        let current = self.client.inner.cell.cached();
        let current = current.filter(|cached| is_usable(cached));
        if current.is_some() || last_read.is_some() {
            self.last_read.store(current.clone());
        }
        current.as_ref().map(Token::of)
    }
}

impl Clients {
    pub(super) fn new(config: ClientConfig, capacity: usize) -> Self {
        Self {
            config: Arc::new(config),
            capacity,
            table: PoolTable::new(capacity),
            changes: PerProcess::default(),
        }
    }

    /// The token of a key, or its client if no token can be read at once. `None`: there is no client with this key.
    #[inline]
    pub(super) fn read(&self, key: &str) -> Option<Result<Token, Client>> {
        self.table.get(key, |pooled| {
            pooled.clock_entry.touch();
            let token = pooled.read(&self.config.clock);
            token.ok_or_else(|| pooled.client.clone())
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<Client> {
        self.table.get(key, |pooled| {
            pooled.clock_entry.touch();
            pooled.client.clone()
        })
    }

    /// The same, which does not count as a use.
    pub(super) fn peek<R>(&self, key: &str, look: impl FnOnce(&Client) -> R) -> Option<R> {
        self.table.get(key, |pooled| look(&pooled.client))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Arc<PooledClient>> + '_ {
        self.table.all()
    }

    pub(super) fn len(&self) -> usize {
        self.change(|changes| changes.cache.len())
    }

    /// The client of a key, which is made of what `make` returns if there is none.
    #[cold]
    pub(super) fn get_or_insert(
        &self,
        key: &str,
        make: impl FnOnce(&Arc<ClientConfig>) -> Result<(CredentialsProvider, Arc<ClientConfig>), Error>,
    ) -> Result<Client, Error> {
        // Not under the lock, because it may read a file.
        let (credentials, config) = make(&self.config)?;
        let (client, dropped) = self.change(|changes| {
            let known = self.peek(key, Client::clone);
            known.map_or_else(
                || self.insert_new(changes, key, credentials, config),
                |client| (client, None),
            )
        });
        // Not under the lock, because it may free much.
        drop(dropped);
        Ok(client)
    }

    /// The client of a key with these credentials: the same as before if they go to the same endpoint.
    pub(super) fn insert(
        &self,
        key: &str,
        endpoint: LoginEndpoint,
        credential_set: CredentialSet,
    ) -> Result<Client, Error> {
        let (client, dropped) = self.change(|changes| {
            if let Some(client) = self.get(key) {
                let known = &client.inner.credentials;
                let before = known.endpoint();
                if before.is_none_or(|before| before.token_url() == endpoint.token_url()) {
                    if !known.is_held(&credential_set) {
                        client.inner.set_credentials(credential_set, Some(endpoint));
                    }
                    return Ok((client, None));
                }
            }
            let source = Arc::new(CredentialsSource::Given);
            let credentials =
                CredentialsProvider::new(source, Some(credential_set), Some(endpoint))?;
            Ok(self.insert_new(changes, key, credentials, Arc::clone(&self.config)))
        })?;
        drop(dropped);
        Ok(client)
    }

    /// Drops the client of a key. `false`: there is none.
    pub(super) fn remove(&self, key: &str) -> bool {
        let removed = self.change(|changes| {
            let removed = self.table.remove(key)?;
            changes.cache.remove(&removed);
            changes.note_dropped(&removed);
            Some(removed)
        });
        removed.is_some()
    }

    /// All clients that may have a login or a verification in flight, those included that the pool dropped.
    pub(super) fn all_in_use(&self) -> Vec<Arc<ClientInner>> {
        let dropped = self.change(|changes| changes.dropped.clone());
        let dropped = dropped.iter().filter_map(Weak::upgrade);
        let clients = self.all().map(|pooled| Arc::clone(&pooled.client.inner));
        clients.chain(dropped).collect()
    }

    /// A new client, in place of the one with its key or of one that was not used lately.
    fn insert_new(
        &self,
        changes: &mut Changes,
        key: &str,
        credentials: CredentialsProvider,
        config: Arc<ClientConfig>,
    ) -> (Client, Option<Arc<PooledClient>>) {
        let inner = ClientInner::new(credentials, config, key);
        let client = Client::new(inner);
        let pooled = Arc::new(PooledClient {
            clock_entry: ClockEntry::default(),
            last_read: ArcSwapOption::empty(),
            key: key.into(),
            link: Link::default(),
            client: client.clone(),
        });
        let dropped = if let Some(old) = self.table.insert(&pooled) {
            changes.cache.replace(&old, pooled);
            Some(old)
        } else {
            let evicted = changes.cache.insert(pooled, self.capacity);
            if let Some(evicted) = &evicted {
                self.table.remove(evicted.key());
            }
            evicted
        };
        if let Some(dropped) = &dropped {
            changes.note_dropped(dropped);
        }
        (client, dropped)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Changes) -> T) -> T {
        let changes = self.changes.current();
        let changes = changes.get_or_init(|| {
            Mutex::new(Changes {
                cache: ClockCache::new(self.table.all()),
                dropped: Vec::new(),
                sweep_at: MIN_SWEEP,
            })
        });
        change(&mut lock(changes))
    }
}

const MIN_SWEEP: usize = 64;

impl Changes {
    fn note_dropped(&mut self, pooled: &PooledClient) {
        if self.dropped.len() >= self.sweep_at {
            self.dropped.retain(|client| client.strong_count() > 0);
            self.sweep_at = (self.dropped.len() * 2).max(MIN_SWEEP);
        }
        self.dropped.push(Arc::downgrade(&pooled.client.inner));
    }
}

fn lock(changes: &Mutex<Changes>) -> MutexGuard<'_, Changes> {
    // No foreign code runs under this lock.
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chained for PooledClient {
    fn key(&self) -> &TenantKey {
        &self.key
    }

    fn link(&self) -> &Link<Self> {
        &self.link
    }
}

impl HasClockEntry for PooledClient {
    fn entry(&self) -> &ClockEntry {
        &self.clock_entry
    }
}
