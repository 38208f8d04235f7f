//! A token from the store, or the right to log in: the effects of sharing. What an entry is worth is
//! decided in `store/record.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::clock::{millis, to_system_time, to_wall};
use crate::credentials::Login;
use crate::engine::Engine;
use crate::login::budget_spent;
use crate::random;
use crate::store::seal::{self, Kind, Sealer};
use crate::store::{self, Acquired, SharedStore, StoreError};
use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::error::Error;
use forcegrant_proto::expiry::ExpirySource;
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::secret::CredentialsFingerprint;
use forcegrant_proto::store::protocol::LARGEST_ENTRY;
use forcegrant_proto::store::record::{self, Origin, Patience, Reader};

/// How long a lease is granted for. A holder that was killed blocks others for this at most.
const LEASE: Duration = Duration::from_millis(2_500);

/// How often its holder extends it while it logs in: often enough to keep it though a step is late by
/// the whole time that a step may take.
const EXTENSION: Duration = Duration::from_millis(500);

/// A store that says at once that nothing has changed is not asked more often than this.
const PAUSE: Duration = Duration::from_millis(20);

/// What a flight comes to before it logs in.
pub(crate) enum Obtained {
    /// Another client's login serves.
    Adopted(Arc<CachedToken>),
    /// The login of another client, which this one waited for, failed.
    Told(Error),
    /// Log in, mostly under a lease. Without one nothing is shared, or the store is out of the way.
    Login(Option<HeldLease>),
}

/// The right to log in, and where the result goes.
pub(crate) struct HeldLease {
    session: StoreSession,
    lease: store::Lease,
    /// It was lost: it ended before it was extended, as after a time that this process stood still.
    lost: Arc<AtomicBool>,
}

/// A client at the store, with one set of client credentials.
#[derive(Clone)]
struct StoreSession {
    engine: Arc<Engine>,
    share: SharedStore,
    login: Login,
    sealer: Arc<Sealer>,
    /// The name of the token's entry.
    key: String,
}

/// Asks the store, if there is one. `afresh`: what is there does not serve.
pub(crate) async fn obtain(engine: &Arc<Engine>, afresh: bool) -> Obtained {
    let Some(share) = &engine.profile.share else {
        return Obtained::Login(None);
    };
    // Apart: the logins of a pool that wait for their turn carry no room for it.
    let obtained = Box::pin(ask_store(engine, share, afresh)).await;
    match (&obtained, &share.otherwise) {
        (Obtained::Login(None), Some(share)) => Box::pin(ask_store(engine, share, afresh)).await,
        _ => obtained,
    }
}

async fn ask_store(engine: &Arc<Engine>, share: &SharedStore, afresh: bool) -> Obtained {
    let login = engine
        .provider
        .login(engine.key.as_str(), engine.profile.retry.total)
        .await
        .ok();
    // A source that fails is the login's business.
    let Some(login) = login.or_else(|| engine.provider.at_hand()) else {
        return Obtained::Login(None);
    };
    let Some(owner) = seal::owner() else {
        return Obtained::Login(None);
    };
    let session = StoreSession::new(engine, share, login);
    match session.look(afresh).await {
        Some(lease) => Obtained::Adopted(lease),
        None => session.queue(owner, afresh).await,
    }
}

impl StoreSession {
    fn new(engine: &Arc<Engine>, share: &SharedStore, login: Login) -> Self {
        let endpoint = format!("{}\0{}", login.endpoint.token_url(), share.route);
        let sealer = Arc::new(Sealer::new(&login.credentials, &endpoint));
        Self {
            key: sealer.name(Kind::Token),
            engine: Arc::clone(engine),
            share: share.clone(),
            login,
            sealer,
        }
    }

    /// Waits for the lease, or for what its holder brings.
    async fn queue(self, owner: String, afresh: bool) -> Obtained {
        let begun = Instant::now();
        let mut patience = Patience::new(LEASE);
        loop {
            let lease = match self.acquire(&owner).await {
                None => return Obtained::Login(None),
                Some(Acquired::Granted { fence }) => store::Lease { owner, fence },
                Some(Acquired::Held { fence, left }) => {
                    let waited = begun.elapsed();
                    let total = self.engine.profile.retry.total.saturating_sub(waited);
                    let wait = patience.wait(millis(waited), fence, left);
                    let Some(wait) = wait.filter(|_| !total.is_zero()) else {
                        let error = StoreError::new("another held the lease for too long");
                        self.share.failed(&self.engine, &error);
                        return Obtained::Login(None);
                    };
                    let looked = Instant::now();
                    self.watch(fence, wait.min(total)).await;
                    if let Some(lease) = self.look(afresh).await {
                        return Obtained::Adopted(lease);
                    }
                    if let Some(error) = self.failure(fence, afresh).await {
                        return Obtained::Told(error);
                    }
                    tokio::time::sleep(PAUSE.saturating_sub(looked.elapsed())).await;
                    continue;
                }
            };
            return self.granted(lease, afresh).await;
        }
    }

    async fn granted(self, lease: store::Lease, afresh: bool) -> Obtained {
        // Between the look and the grant another may have logged in.
        let found = self.look(afresh).await;
        let held = HeldLease {
            session: self,
            lease,
            lost: Arc::default(),
        };
        if let Some(lease) = found {
            held.release().await;
            return Obtained::Adopted(lease);
        }
        if let Some(error) = held.session.spent().await {
            held.release().await;
            return Obtained::Told(error);
        }
        Obtained::Login(Some(held))
    }

    async fn acquire(&self, owner: &str) -> Option<Acquired> {
        let call = self
            .share
            .open(&self.engine)?
            .acquire(&self.key, owner, LEASE);
        self.share.call(&self.engine, call).await
    }

    async fn watch(&self, fence: u64, limit: Duration) {
        let Some(store) = self.share.open(&self.engine) else {
            return;
        };
        let call = store.watch(&self.key, fence, limit);
        let _ = self.share.wait(limit, &self.engine, call).await;
    }

    async fn open(&self, kind: Kind) -> Option<(Zeroizing<Vec<u8>>, Option<Duration>)> {
        let name = self.sealer.name(kind);
        let call = self.share.open(&self.engine)?.get(&name);
        let stored = self.share.call(&self.engine, call).await??;
        Some((self.sealer.open(kind, stored.entry)?, stored.left))
    }

    /// What is in the store, if this client can use it.
    async fn look(&self, afresh: bool) -> Option<Arc<CachedToken>> {
        if afresh {
            return None;
        }
        let (text, left) = self.open(Kind::Token).await?;
        let engine = &self.engine;
        // Only a client that the endpoint gave a token to can have put it there.
        engine.note_known(&self.login.endpoint);
        let (state, now) = (engine.slot.state(), engine.profile.clock.now());
        let reader = Reader {
            state: &state,
            now,
            lifetimes: &engine.profile.lifetimes,
            context: ResponseContext {
                host: self.login.endpoint.host(),
                credentials: &self.login.credentials,
                trust: &engine.profile.trust,
                now: to_system_time(now.wall),
                known_endpoint: true,
            },
            random: random::unit(),
        };
        record::read_token(&text, left, &reader)
    }

    /// Why the login under this lease failed.
    async fn failure(&self, fence: u64, afresh: bool) -> Option<Error> {
        if afresh {
            return None;
        }
        let (text, _) = self.open(Kind::Failure).await?;
        record::read_failure(&text, fence, self.engine.profile.clock.now().wall)
    }

    /// Whether all who share the store have used the login budget up.
    async fn spent(&self) -> Option<Error> {
        let stop = self.engine.profile.budget.stop?;
        let used = self.count(0).await?;
        let now = self.engine.profile.clock.now().wall;
        let wait = record::counted_out(used, stop, now)?;
        Some(budget_spent(Some(stop), wait))
    }

    async fn count(&self, logins: u32) -> Option<u64> {
        if !self.share.counts {
            return None;
        }
        let counter = seal::counter_name(
            self.login.endpoint.host(),
            self.login.credentials.client_id(),
        );
        let call = self.share.open(&self.engine)?.count(&counter, logins);
        self.share.call(&self.engine, call).await
    }

    async fn release(&self, lease: &store::Lease) {
        let Some(store) = self.share.open(&self.engine) else {
            return;
        };
        let call = store.release(&self.key, lease);
        let _ = self.share.call(&self.engine, call).await;
    }

    async fn put(&self, kind: Kind, plain: &[u8], lives: Duration, lease: &store::Lease) {
        let entry = self.sealer.seal(kind, plain);
        let entry = entry.filter(|entry| entry.len() <= LARGEST_ENTRY);
        let (Some(entry), Some(store)) = (entry, self.share.open(&self.engine)) else {
            return;
        };
        let name = self.sealer.name(kind);
        let call = store.put(&name, &entry, lives, lease);
        let _ = self.share.call(&self.engine, call).await;
    }
}

impl HeldLease {
    /// Extends the lease while the work lasts.
    pub(crate) async fn renew_while<T>(&self, work: impl Future<Output = T>) -> T {
        // Apart, as in `obtain`.
        let work = Box::pin(work);
        let (session, lease) = (self.session.clone(), self.lease.clone());
        let lost = Arc::clone(&self.lost);
        let _extension = AbortOnDrop(tokio::spawn(async move {
            loop {
                tokio::time::sleep(EXTENSION).await;
                let extended = session
                    .share
                    .extend(&session.key, &lease.owner, LEASE)
                    .await;
                let is_lost = match extended {
                    Some(Acquired::Granted { fence }) => fence != lease.fence,
                    Some(Acquired::Held { .. }) => true,
                    // The next time, perhaps.
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

    /// The entry for what a login brought.
    pub(crate) fn pack(&self, lease: &CachedToken) -> Packed {
        let age = lease.age(self.session.engine.profile.clock.now());
        let lives = lease.windows.stale.max(lease.windows.ends);
        let lives = lives.saturating_sub(age).max(SHORTEST);
        let expiry = lease.parts.expiry();
        let origin = Origin {
            started: lease.started.wall,
            introspected: (expiry.source() == ExpirySource::Introspection)
                .then(|| to_wall(expiry.at()) / 1_000),
            age,
            lives,
        };
        Packed {
            text: record::write_token(&origin, &lease.parts),
            lives: Duration::from_millis(lives),
            credentials: lease.credentials,
        }
    }

    /// Tells the others what came of the login, and ends the lease.
    pub(crate) async fn publish(self, packed: Option<Packed>, failure: Option<&Error>) {
        // Apart, as in `obtain`.
        Box::pin(self.put_result(packed, failure)).await;
    }

    async fn put_result(self, packed: Option<Packed>, failure: Option<&Error>) {
        if self.lost.load(Ordering::Relaxed) {
            return;
        }
        if let Some(error) = failure {
            let now = self.session.engine.profile.clock.now().wall;
            let text = record::write_failure(self.lease.fence, now, error);
            let told = record::told(error);
            self.session
                .put(Kind::Failure, &text, told, &self.lease)
                .await;
        }
        match packed {
            Some(packed) if packed.credentials == self.session.login.credentials.mark() => {
                self.session
                    .put(Kind::Token, &packed.text, packed.lives, &self.lease)
                    .await;
            }
            Some(packed) => {
                self.release().await;
                self.put_under_other_pair(&packed).await;
            }
            None => self.release().await,
        }
    }

    /// The login went through with another pair than the one that the lease is for.
    async fn put_under_other_pair(&self, packed: &Packed) {
        let session = &self.session;
        let login = session.engine.provider.at_hand();
        let login = login.filter(|login| login.credentials.mark() == packed.credentials);
        let Some(login) = login else {
            return;
        };
        let other = StoreSession::new(&session.engine, &session.share, login);
        // Should another have the lease, it logs in just now.
        if let Some(Acquired::Granted { fence }) = other.acquire(&self.lease.owner).await {
            let lease = store::Lease {
                owner: self.lease.owner.clone(),
                fence,
            };
            other
                .put(Kind::Token, &packed.text, packed.lives, &lease)
                .await;
        }
    }

    /// Ends the lease.
    pub(crate) async fn release(&self) {
        self.session.release(&self.lease).await;
    }

    /// Counts the logins that the endpoint answered, for all who share the store.
    pub(crate) fn counting(&self, logins: u32) -> Pin<Box<impl Future<Output = ()> + use<>>> {
        let session = self.session.clone();
        // Apart, as in `obtain`.
        Box::pin(async move {
            if logins > 0 {
                session.count(logins).await;
            }
        })
    }
}

/// The entry for a token, not sealed yet.
pub(crate) struct Packed {
    text: Zeroizing<Vec<u8>>,
    lives: Duration,
    /// The fingerprint of the pair that the token was issued to.
    credentials: CredentialsFingerprint,
}

/// The shortest time to live of an entry, in milliseconds.
const SHORTEST: u64 = 1_000;

/// Ends a task together with what it serves.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
