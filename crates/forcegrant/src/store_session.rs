//! The protocol between a client and a store: a token of another client, or the lease and what follows from it.
//! What an entry is worth is decided in `store/record.rs`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;
use zeroize::Zeroizing;

use crate::client_inner::ClientInner;
use crate::clock::{millis, to_system_time, to_wall};
use crate::credentials::Login;
use crate::login::budget_spent;
use crate::random;
use crate::store::{Acquired, Lease, SharedStore, Store, StoreError, StoreFuture};
use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::event::Event;
use forcegrant_proto::expiry::ExpirySource;
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::store::protocol::LARGEST_ENTRY;
use forcegrant_proto::store::record::{self, EntryReader, LeaseWait, LoginRecord};
use forcegrant_proto::store::seal::{self, EntryKind, Sealer};

/// How long a lease is granted for. A crashed holder blocks others for at most this long.
const LEASE: Duration = Duration::from_millis(2_500);

/// How often the holder renews it while it logs in: often enough although one call may take a whole second.
const RENEWAL_INTERVAL: Duration = Duration::from_millis(500);

/// The least time between two looks at a store that does not wait for the end of a lease by itself.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The shortest time to live of an entry, in milliseconds.
const MIN_TIME_TO_LIVE: u64 = 1_000;

/// How much of a store's error text is shown, in characters.
const MAX_ERROR_LENGTH: usize = 300;

/// What a client finds in a store that needs a token.
pub(crate) enum Obtained {
    /// The login of another client serves.
    Adopted(Arc<CachedToken>),
    /// The login of another client, which this one waited for, failed.
    Failed(Error),
    /// Log in.
    Lease(HeldLease),
    /// The store is failing: log in without it.
    Unavailable,
}

/// The right to log in, until it is released or published.
pub(crate) struct HeldLease {
    session: StoreSession,
    lease: Lease,
    /// It ended before it was renewed, for example because this process stood still.
    lost: Arc<AtomicBool>,
}

/// A client at the store, with one set of client credentials.
#[derive(Clone)]
struct StoreSession {
    client: Arc<ClientInner>,
    store: SharedStore,
    login: Login,
    sealer: Arc<Sealer>,
    /// The name of the token's entry.
    key: String,
}

/// Looks for a token in the store, and waits for the lease if there is none. `afresh`: only a login of its own
/// will do.
pub(crate) async fn obtain(
    client: &Arc<ClientInner>,
    store: &SharedStore,
    login: Login,
    afresh: bool,
) -> Obtained {
    let Some(owner) = random::bytes().map(seal::owner) else {
        return Obtained::Unavailable;
    };
    let session = StoreSession::new(client, store, login);
    match session.find_token(afresh).await {
        Some(cached) => Obtained::Adopted(cached),
        None => session.wait_for_lease(owner, afresh).await,
    }
}

impl StoreSession {
    fn new(client: &Arc<ClientInner>, store: &SharedStore, login: Login) -> Self {
        let endpoint = format!("{}\0{}", login.endpoint.token_url(), store.route);
        let sealer = Arc::new(Sealer::new(&login.credentials, &endpoint));
        Self {
            key: sealer.name(EntryKind::Token),
            client: Arc::clone(client),
            store: store.clone(),
            login,
            sealer,
        }
    }

    /// Waits for the lease, or for what its holder brings.
    async fn wait_for_lease(self, owner: String, afresh: bool) -> Obtained {
        let begun = Instant::now();
        let mut patience = LeaseWait::new(LEASE);
        loop {
            let (fence, left) = match self.acquire(&owner).await {
                None => return Obtained::Unavailable,
                Some(Acquired::Held { fence, left }) => (fence, left),
                Some(Acquired::Granted { fence }) => {
                    return self.granted(Lease { owner, fence }, afresh).await;
                }
            };
            let waited = begun.elapsed();
            let total = self.client.config.retry.total.saturating_sub(waited);
            let wait = patience.wait(millis(waited), fence, left);
            let Some(wait) = wait.filter(|_| !total.is_zero()) else {
                self.failed(&StoreError::new(
                    "another client held the lease for too long",
                ));
                return Obtained::Unavailable;
            };
            let watched = Instant::now();
            self.watch(fence, wait.min(total)).await;
            if let Some(cached) = self.find_token(afresh).await {
                return Obtained::Adopted(cached);
            }
            if let Some(error) = self.find_failure(fence, afresh).await {
                return Obtained::Failed(error);
            }
            sleep(MIN_POLL_INTERVAL.saturating_sub(watched.elapsed())).await;
        }
    }

    async fn granted(self, lease: Lease, afresh: bool) -> Obtained {
        // Another may have logged in between the last look and the grant.
        let found = self.find_token(afresh).await;
        let held = HeldLease {
            session: self,
            lease,
            lost: Arc::default(),
        };
        if let Some(cached) = found {
            held.release().await;
            return Obtained::Adopted(cached);
        }
        if let Some(error) = held.session.budget_error().await {
            held.release().await;
            return Obtained::Failed(error);
        }
        Obtained::Lease(held)
    }

    /// The token in the store, if this client can use it.
    async fn find_token(&self, afresh: bool) -> Option<Arc<CachedToken>> {
        if afresh {
            return None;
        }
        let (text, left) = self.get(EntryKind::Token).await?;
        let (client, config) = (&self.client, &self.client.config);
        // Only a client that the endpoint gave a token to can have put it there.
        client.note_known(&self.login.endpoint);
        let (state, now) = (client.cell.state(), config.clock.now());
        let reader = EntryReader {
            state: &state,
            now,
            lifetimes: &config.lifetimes,
            context: ResponseContext {
                host: self.login.endpoint.host(),
                credentials: &self.login.credentials,
                trust: &config.trust,
                now: to_system_time(now.wall),
                known_endpoint: true,
            },
            random: random::unit(),
        };
        record::read_token(&text, left, &reader)
    }

    /// Why the login under this lease failed.
    async fn find_failure(&self, fence: u64, afresh: bool) -> Option<Error> {
        if afresh {
            return None;
        }
        let (text, _) = self.get(EntryKind::Failure).await?;
        record::read_failure(&text, fence, self.client.config.clock.now().wall)
    }

    /// The error of a login budget that all clients of the store together have used up.
    async fn budget_error(&self) -> Option<Error> {
        let stop = self.client.config.budget.stop?;
        let used = self.count(0).await?;
        let now = self.client.config.clock.now().wall;
        let wait = record::budget_wait(used, stop, now)?;
        Some(budget_spent(Some(stop), wait))
    }

    async fn get(&self, kind: EntryKind) -> Option<(Zeroizing<Vec<u8>>, Option<Duration>)> {
        let name = self.sealer.name(kind);
        let stored = self.call(self.open()?.get(&name)).await??;
        Some((self.sealer.open(kind, stored.entry)?, stored.left))
    }

    async fn put(&self, kind: EntryKind, plain: &[u8], lives: Duration, lease: &Lease) {
        let nonce = random::bytes();
        let entry = nonce.and_then(|nonce| self.sealer.seal(kind, plain, nonce));
        let entry = entry.filter(|entry| entry.len() <= LARGEST_ENTRY);
        let (Some(entry), Some(store)) = (entry, self.open()) else {
            return;
        };
        let name = self.sealer.name(kind);
        self.call(store.put(&name, &entry, lives, lease)).await;
    }

    async fn acquire(&self, owner: &str) -> Option<Acquired> {
        self.call(self.open()?.acquire(&self.key, owner, LEASE))
            .await
    }

    async fn watch(&self, fence: u64, limit: Duration) {
        if let Some(store) = self.open() {
            let call = store.watch(&self.key, fence, limit);
            self.call_for(limit, call).await;
        }
    }

    async fn release(&self, lease: &Lease) {
        if let Some(store) = self.open() {
            self.call(store.release(&self.key, lease)).await;
        }
    }

    /// Counts these logins for all clients of the store, and returns how many there were in the last hour.
    async fn count(&self, logins: u32) -> Option<u64> {
        let counter = seal::counter_name(
            self.login.endpoint.host(),
            self.login.credentials.client_id(),
        );
        self.call(self.open()?.count(&counter, logins)).await
    }

    fn open(&self) -> Option<&dyn Store> {
        self.store.open(self.client.config.clock.now().boot)
    }

    /// The result of a call. `None`: it failed, or was late.
    async fn call<T>(&self, call: StoreFuture<'_, T>) -> Option<T> {
        self.call_for(Duration::ZERO, call).await
    }

    async fn call_for<T>(&self, patience: Duration, call: StoreFuture<'_, T>) -> Option<T> {
        let result = self.store.call(patience, call).await;
        result.map_err(|error| self.failed(&error)).ok()
    }

    /// Leaves the store alone for a while, and emits an event.
    fn failed(&self, error: &StoreError) {
        let pause = self.store.failed(self.client.config.clock.now().boot);
        // The text is another library's, or a user's.
        let text = redactor(&self.client).clean(&error.to_string(), MAX_ERROR_LENGTH);
        let error = Error::new(
            ErrorCode::StoreFailed,
            format!("the store that tokens are shared through failed: {text}"),
        )
        .with_help("Logins go ahead without it, and it is asked again later.")
        .with_retry_after(Some(Duration::from_millis(pause)));
        self.client.emit(&Event::store_failed(error));
    }
}

/// Knows the credentials and the cached token.
fn redactor(client: &ClientInner) -> Redactor {
    let mut redactor = Redactor::new();
    if let Some(login) = client.credentials.at_hand() {
        redactor = redactor.hide_credentials(
            login.credentials.client_id(),
            login.credentials.expose_client_secret(),
        );
    }
    match client.cell.cached() {
        Some(cached) => redactor.hide(cached.parts.access_token()),
        None => redactor,
    }
}

impl HeldLease {
    /// Renews the lease while the work lasts.
    pub(crate) async fn renew_while<T>(&self, work: impl Future<Output = T>) -> T {
        let (session, lease) = (self.session.clone(), self.lease.clone());
        let lost = Arc::clone(&self.lost);
        let _renewal = AbortOnDrop(tokio::spawn(async move {
            loop {
                sleep(RENEWAL_INTERVAL).await;
                let renewed = session.store.renew(&session.key, &lease.owner, LEASE);
                let is_lost = match renewed.await {
                    Some(Acquired::Granted { fence }) => fence != lease.fence,
                    Some(Acquired::Held { .. }) => true,
                    // The next renewal may succeed.
                    None => false,
                };
                if is_lost {
                    // What this login brings may be older by now than what another brought.
                    lost.store(true, Ordering::Relaxed);
                    return session.release(&lease).await;
                }
            }
        }));
        work.await
    }

    /// Puts what the login brought, or why it failed, into the store, and ends the lease.
    pub(crate) async fn publish(self, brought: Option<&CachedToken>, failure: Option<&Error>) {
        if self.lost.load(Ordering::Relaxed) {
            return;
        }
        let (session, lease) = (&self.session, &self.lease);
        if let Some(error) = failure {
            let now = session.client.config.clock.now().wall;
            let text = record::write_failure(lease.fence, now, error);
            let lives = record::failure_lifetime(error);
            session.put(EntryKind::Failure, &text, lives, lease).await;
        }
        match brought {
            Some(cached) if cached.credentials == session.login.credentials.mark() => {
                session.put_token(cached, lease).await;
            }
            Some(cached) => {
                self.release().await;
                self.put_with_other_credentials(cached).await;
            }
            None => self.release().await,
        }
    }

    /// The login succeeded with other credentials than those that the lease is for.
    async fn put_with_other_credentials(&self, cached: &CachedToken) {
        let session = &self.session;
        let login = session.client.credentials.at_hand();
        let login = login.filter(|login| login.credentials.mark() == cached.credentials);
        let Some(login) = login else {
            return;
        };
        let other = StoreSession::new(&session.client, &session.store, login);
        // If another client holds the lease, it is logging in right now.
        if let Some(Acquired::Granted { fence }) = other.acquire(&self.lease.owner).await {
            let owner = self.lease.owner.clone();
            other.put_token(cached, &Lease { owner, fence }).await;
        }
    }

    async fn release(&self) {
        self.session.release(&self.lease).await;
    }

    /// Counts the token requests that got a response, for all clients of the store.
    pub(crate) fn count(&self, logins: u32) -> impl Future<Output = ()> + Send + use<> {
        let session = self.session.clone();
        async move {
            if logins > 0 {
                session.count(logins).await;
            }
        }
    }
}

impl StoreSession {
    async fn put_token(&self, cached: &CachedToken, lease: &Lease) {
        let age = cached.age(self.client.config.clock.now());
        let lives = cached.windows.stale.max(cached.windows.ends);
        let lives = lives.saturating_sub(age).max(MIN_TIME_TO_LIVE);
        let expiry = cached.parts.expiry();
        let origin = LoginRecord {
            started: cached.started.wall,
            introspected: (expiry.source() == ExpirySource::Introspection)
                .then(|| to_wall(expiry.at()) / 1_000),
            age,
            lives,
        };
        let text = record::write_token(&origin, &cached.parts);
        self.put(EntryKind::Token, &text, Duration::from_millis(lives), lease)
            .await;
    }
}

/// Ends a task together with what it serves.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
