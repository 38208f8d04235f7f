//! The front door: who asks gets the token at hand, joins the flight, or starts one.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::builder::ClientBuilder;
use crate::cache::budget::BudgetSettings;
use crate::cache::learning::Learned;
use crate::cache::policy::{FailureSettings, LifetimeSettings};
use crate::cache::slot::Slot;
use crate::cache::state::{CacheState, Zone};
use crate::clock::Clock;
use crate::credentials::{KeyPairs, Keyring};
use crate::error::{Cause, Code, Error};
use crate::event::{Event, Events};
use crate::grant::request::AuthStyle;
use crate::grant::retry::RetrySettings;
use crate::host::{LoginEndpoint, TrustPolicy};
use crate::http::Transport;
use crate::mint;
use crate::process::PerProcess;
use crate::secret::{Secret, fingerprint};
use crate::status::Status;
use crate::token::Token;
use crate::verify::{self, Verified};
use crate::wait::{Pending, Promise};
use crate::worker;

/// Gets and keeps the access token of one app in one org.
///
/// A cheap handle: clones share one cache. It works under any async executor; for threads there is
/// [`blocking::Client`](crate::blocking::Client) with the same names. Dropping it revokes nothing.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

/// The answer of [`Client::start`].
#[derive(Debug)]
pub enum Start {
    /// A usable token was at hand.
    Ready(Token),
    /// A login is in flight, or has just failed.
    Pending(Pending<Token>),
}

/// A token and the span of wall-clock time in which it may be handed out without asking the client
/// again: for bindings that keep it in their own language. At most a second long; empty (`from_ms`
/// equals `until_ms`) under a test clock.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View {
    /// The token.
    pub token: Token,
    /// The start, in milliseconds since 1970. Before it the clock was stepped back: ask again.
    pub from_ms: i64,
    /// The end, in milliseconds since 1970, exclusive.
    pub until_ms: i64,
}

impl Client {
    /// A client for the app with this consumer key and secret, in the org of this My Domain.
    ///
    /// `login_url` is what people paste for it: `acme.my.salesforce.com`, with or without
    /// `https://`, or the address of a Lightning page of the org.
    pub fn builder(
        login_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> ClientBuilder {
        ClientBuilder::new(login_url.into(), client_id.into(), client_secret.into())
    }

    /// A client from `SALESFORCE_LOGIN_URL`, `SALESFORCE_CLIENT_ID` and
    /// `SALESFORCE_CLIENT_SECRET`; see [`ClientBuilder::from_env`] for the other names that are read.
    pub fn from_env() -> Result<Self, Error> {
        ClientBuilder::from_env()?.build()
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A usable token: the one at hand in nanoseconds, or that of a login which all concurrent
    /// callers share.
    ///
    /// Dropping the future leaves the login running for the others. A token that is about to end is
    /// refreshed behind the callers, who go on with it.
    pub async fn token(&self) -> Result<Token, Error> {
        match self.start() {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.await,
        }
    }

    /// The usable token at hand, if there is one. Never waits and never starts a login.
    #[must_use]
    pub fn cached(&self) -> Option<Token> {
        let inner = &self.inner;
        inner.slot.read(inner.clock.coarse_wall()).or_else(|| {
            let now = inner.clock.now();
            inner.slot.state().classify(now).token()
        })
    }

    /// The same as [`Client::token`] for callers that wait in their own way.
    pub fn start(&self) -> Start {
        match self.inner.slot.read(self.inner.clock.coarse_wall()) {
            Some(token) => Start::Ready(token),
            None => self.inner.ask(),
        }
    }

    /// The token at hand with the time in which it may be handed out without asking again. Starts a
    /// refresh behind it when one is due, as [`Client::token`] does.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.cached()?;
        // The way in starts the refresh that is due.
        let Start::Ready(token) = self.inner.ask() else {
            return None;
        };
        let (from_ms, until_ms) = self.inner.look(&token)?;
        Some(View {
            token,
            from_ms,
            until_ms,
        })
    }

    /// Reports that an API rejected this token as dead. It is not served any more, and the next
    /// call logs in. Returns whether it was the current token: a late report about an older one
    /// changes nothing, so a hundred callers may report the same token and cause one login.
    pub fn invalidate(&self, token: &Token) -> bool {
        self.inner.invalidate(token.fingerprint())
    }

    /// [`Client::invalidate`] for a caller that kept only the text of the token.
    pub fn invalidate_access_token(&self, access_token: &str) -> bool {
        self.inner.invalidate(&fingerprint(access_token))
    }

    /// What the cache knows now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Logs in afresh, whatever is cached or remembered, and makes one harmless API call with the
    /// token. Shows that the whole set-up works; it counts as a login.
    pub async fn verify(&self) -> Result<Verified, Error> {
        self.start_verify().await
    }

    /// The same as [`Client::verify`] for callers that wait in their own way.
    pub fn start_verify(&self) -> Pending<Verified> {
        let promise = Promise::new();
        let pending = promise.pending();
        let inner = Arc::clone(&self.inner);
        let spawned = worker::spawn(async move {
            promise.fulfil(&verify::verify(&inner).await);
        });
        match spawned {
            Ok(()) => pending,
            Err(error) => Pending::ready(Err(worker_unavailable(&error))),
        }
    }

    /// Done when no login of this client is in flight: for tests, and for an orderly end.
    pub async fn wait_idle(&self) {
        let _ = self.start_wait_idle().await;
    }

    /// The same as [`Client::wait_idle`] for callers that wait in their own way.
    pub fn start_wait_idle(&self) -> Pending<()> {
        let Some(flight) = self
            .inner
            .desk()
            .lock()
            .flight
            .as_ref()
            .map(|flight| flight.pending())
        else {
            return Pending::ready(Ok(()));
        };
        let promise = Promise::new();
        let pending = promise.pending();
        flight.on_ready(move |_| promise.fulfil(&Ok(()))).detach();
        pending
    }

    /// Forgets the token, the failures and the token reported as rejected. A login in flight goes on.
    pub fn reset(&self) {
        self.inner.reset();
    }

    /// Uses these credentials from the next login on. A failure that is remembered says nothing about
    /// them and is forgotten. The token at hand goes on serving; see [`Client::drop_retired`].
    pub fn set_credentials(&self, pairs: KeyPairs) {
        self.inner.keyring.replace(pairs);
        self.inner.forget_failure();
    }

    /// Drops the token at hand if it was issued to a key pair that is not among the credentials any
    /// more: after a leak, say. Returns whether it did. Salesforce is not told: to end the session
    /// there too, revoke it in the org.
    pub fn drop_retired(&self) -> bool {
        self.inner.drop_retired()
    }

    /// The host that the credentials are sent to.
    #[must_use]
    pub fn login_host(&self) -> &str {
        &self.inner.endpoint.host
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("login_host", &self.inner.endpoint.host)
            .field("credentials", &self.inner.keyring)
            .finish_non_exhaustive()
    }
}

/// One client's settings and state.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) endpoint: LoginEndpoint,
    pub(crate) keyring: Keyring,
    pub(crate) auth_style: AuthStyle,
    pub(crate) trust: TrustPolicy,
    pub(crate) retry: RetrySettings,
    pub(crate) attempt_timeout: Duration,
    pub(crate) lifetimes: LifetimeSettings,
    pub(crate) failures: FailureSettings,
    pub(crate) budget: BudgetSettings,
    pub(crate) introspection: Option<IntrospectionSettings>,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) state: Shared,
}

/// Whether and how a new token is introspected.
#[derive(Clone, Debug)]
pub(crate) struct IntrospectionSettings {
    pub(crate) url: String,
    pub(crate) timeout: Duration,
}

/// The part of a client that changes.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Plain data: kept across a fork.
    slot: Slot,
    /// Rebuilt after a fork, as its lock may be held and its flight is the parent's.
    desk: PerProcess<Desk>,
    mints: AtomicU64,
    failed: AtomicU64,
}

impl std::ops::Deref for Inner {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.state
    }
}

/// Where flights are started and joined. Whoever replaces the state holds its lock.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    flight: Option<Arc<Promise<Token>>>,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // No foreign code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("flight", &self.flight.is_some())
            .finish()
    }
}

impl Inner {
    fn desk(&self) -> Arc<Desk> {
        self.desk.current()
    }

    /// The way in when no view covers the present: look at both clocks and act.
    fn ask(self: &Arc<Self>) -> Start {
        let desk = self.desk();
        let mut waiting = desk.lock();
        let now = self.clock.now();
        let mut zone = self.slot.state().classify(now);
        if matches!(zone, Zone::Cooling(_)) && self.keyring.has_changed() {
            // What failed, failed with other credentials.
            let next = self.slot.state().with_new_credentials();
            self.slot.replace(next);
            zone = Zone::Empty;
        }
        let name = zone.name();
        let start = match zone {
            Zone::Fresh(token) => {
                self.look_locked(&waiting);
                Start::Ready(token)
            }
            Zone::Aging(token) | Zone::Lapsed(token) => {
                let due = waiting.flight.is_none() && self.slot.state().may_refresh(now);
                if due && let Ok(flight) = self.launch(&desk, true) {
                    waiting.flight = Some(flight);
                }
                self.look_locked(&waiting);
                Start::Ready(token)
            }
            Zone::Cooling(error) => Start::Pending(Pending::ready(Err(error))),
            Zone::Empty => Start::Pending(self.join(&desk, &mut waiting)),
        };
        drop(waiting);
        self.tell(name);
        start
    }

    /// Events about the lease, once for each.
    fn tell(&self, zone: CacheState) {
        let state = self.slot.state();
        let Some(lease) = state.lease.as_ref().filter(|lease| lease.is_news(zone)) else {
            return;
        };
        let fingerprint = lease.token.fingerprint().to_owned();
        match zone {
            CacheState::Lapsed => self.emit(&Event::LeaseLapsed { fingerprint }),
            _ => self.emit(&Event::LeaseAged { fingerprint }),
        }
    }

    /// A login whatever the cache says; the flight that is up, if any, is waited for first, as its
    /// request may be older than what the caller wants to know.
    pub(crate) async fn login_afresh(self: &Arc<Self>) -> Result<Token, Error> {
        loop {
            let pending = {
                let desk = self.desk();
                let mut waiting = desk.lock();
                match &waiting.flight {
                    Some(flight) => Err(flight.pending()),
                    None => Ok(self.join(&desk, &mut waiting)),
                }
            };
            match pending {
                Ok(own) => return own.await,
                Err(other) => drop(other.await),
            }
        }
    }

    fn join(self: &Arc<Self>, desk: &Arc<Desk>, waiting: &mut Waiting) -> Pending<Token> {
        if let Some(flight) = &waiting.flight {
            return flight.pending();
        }
        match self.launch(desk, false) {
            Ok(flight) => waiting.flight.insert(flight).pending(),
            Err(error) => Pending::ready(Err(error)),
        }
    }

    fn launch(
        self: &Arc<Self>,
        desk: &Arc<Desk>,
        background: bool,
    ) -> Result<Arc<Promise<Token>>, Error> {
        let promise = Arc::new(Promise::new());
        let landing = Landing {
            inner: Arc::clone(self),
            desk: Arc::clone(desk),
            promise: Arc::clone(&promise),
        };
        worker::spawn(fly(landing, background))
            .map(|()| promise)
            .map_err(|error| worker_unavailable(&error))
    }

    fn look(&self, token: &Token) -> Option<(i64, i64)> {
        let desk = self.desk();
        let waiting = desk.lock();
        let state = self.slot.state();
        let lease = state.lease.as_ref()?;
        if !lease.token.is(token) {
            return None;
        }
        self.look_locked(&waiting)
    }

    /// Takes a new view of the current lease for the readers.
    fn look_locked(&self, waiting: &Waiting) -> Option<(i64, i64)> {
        let length = self.clock.view_length();
        let refreshing = waiting.flight.is_some();
        self.slot.state().look(self.clock.now(), length, refreshing)
    }

    pub(crate) fn invalidate(&self, fingerprint: &str) -> bool {
        let age = {
            let desk = self.desk();
            let _lock = desk.lock();
            let state = self.slot.state();
            let now = self.clock.now();
            let Some(next) = state.invalidated(fingerprint, now, &self.lifetimes) else {
                return false;
            };
            let age = next.rejected_age.unwrap_or_default();
            self.slot.replace(next);
            age
        };
        self.emit(&Event::Invalidated {
            fingerprint: fingerprint.to_owned(),
            age: Duration::from_millis(age),
        });
        true
    }

    fn reset(&self) {
        let desk = self.desk();
        let _lock = desk.lock();
        let next = self.slot.state().cleared();
        self.slot.replace(next);
    }

    /// Forgets which token was reported as rejected: a login may bring it back.
    pub(crate) fn pardon(&self) {
        let desk = self.desk();
        let _lock = desk.lock();
        let mut next = self.slot.state().as_ref().clone();
        if next.rejected.take().is_some() {
            self.slot.replace(next);
        }
    }

    fn forget_failure(&self) {
        let desk = self.desk();
        let _lock = desk.lock();
        let next = self.slot.state().with_new_credentials();
        self.slot.replace(next);
    }

    fn drop_retired(&self) -> bool {
        let desk = self.desk();
        let _lock = desk.lock();
        let state = self.slot.state();
        let retired = state
            .lease
            .as_ref()
            .is_some_and(|lease| !self.keyring.holds(&lease.pair));
        if retired {
            self.slot.replace(state.without_token());
        }
        retired
    }

    /// What rejections taught about lifetimes.
    pub(crate) fn learned(&self) -> Learned {
        self.slot.state().learned
    }

    fn status(&self) -> Status {
        let desk = self.desk();
        let in_flight = desk.lock().flight.is_some();
        let now = self.clock.now();
        let state = self.slot.state();
        let zone = state.classify(now);
        Status::new(
            &state,
            zone.name(),
            now,
            in_flight,
            self.mints.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
            &self.endpoint.host,
        )
    }

    pub(crate) fn emit(&self, event: &Event) {
        self.events.emit(&self.endpoint.host, event);
    }
}

/// The job of a flight. A mint that an invalidation overtook is repeated once, as its answer may be
/// older than the report.
async fn fly(landing: Landing, background: bool) {
    let inner = Arc::clone(&landing.inner);
    let mut overtaken = false;
    loop {
        let generation = inner.slot.state().generation;
        inner.emit(&Event::MintStarted { background });
        let outcome = mint::mint(&inner).await;
        match landing.settle(outcome, generation, overtaken) {
            Some(result) => return landing.land(&result),
            None => overtaken = true,
        }
    }
}

/// Ends a flight, whatever happens to it.
struct Landing {
    inner: Arc<Inner>,
    desk: Arc<Desk>,
    promise: Arc<Promise<Token>>,
}

impl Landing {
    /// Takes the outcome into the state. `None`: mint again.
    fn settle(
        &self,
        outcome: mint::Outcome,
        generation: u64,
        overtaken: bool,
    ) -> Option<Result<Token, Error>> {
        let inner = &self.inner;
        let mut events = Vec::new();
        let result = {
            let _lock = self.desk.lock();
            let state = inner.slot.state();
            let now = inner.clock.now();
            let checked = match outcome.result {
                Ok(lease) if !state.is_rejected(lease.token.fingerprint()) => Ok(lease),
                Ok(_) if state.generation != generation && !overtaken => return None,
                Ok(lease) => {
                    let fingerprint = lease.token.fingerprint().to_owned();
                    let error = crate::cache::state::same_token_returned(&fingerprint);
                    events.push(Event::SameTokenReturned { fingerprint });
                    Err(error)
                }
                Err(error) => Err(error),
            };
            match checked {
                Ok(lease) => {
                    let token = lease.token.clone();
                    if outcome.signature_matches == Some(false) {
                        events.push(Event::SignatureMismatch {
                            fingerprint: token.fingerprint().to_owned(),
                        });
                    }
                    events.push(Event::MintSucceeded {
                        fingerprint: token.fingerprint().to_owned(),
                        expiry: token.expiry(),
                        attempts: outcome.attempts,
                        took: outcome.took,
                    });
                    inner
                        .slot
                        .replace(state.minted(lease, now, &inner.lifetimes));
                    inner.mints.fetch_add(1, Ordering::Relaxed);
                    Ok(token)
                }
                Err(error) => {
                    events.push(Event::MintFailed {
                        error: error.clone(),
                        attempts: outcome.attempts,
                        took: outcome.took,
                    });
                    let next =
                        state.failed(error.clone(), now, &inner.failures, crate::random::unit());
                    // The callers who waited may go on with a token whose estimated end has passed.
                    let usable = next.classify(now).token();
                    inner.slot.replace(next);
                    inner.failed.fetch_add(1, Ordering::Relaxed);
                    usable.ok_or(error)
                }
            }
        };
        for event in &events {
            inner.emit(event);
        }
        Some(result)
    }

    fn land(self, result: &Result<Token, Error>) {
        self.clear();
        self.promise.fulfil(result);
        // `drop` finds the flight landed.
    }

    fn clear(&self) {
        let mut waiting = self.desk.lock();
        if waiting
            .flight
            .as_ref()
            .is_some_and(|up| Arc::ptr_eq(up, &self.promise))
        {
            waiting.flight = None;
        }
    }
}

impl Drop for Landing {
    /// After a panic, or when the runtime was torn down: an error for all who wait, nothing
    /// remembered, and the next call starts afresh.
    fn drop(&mut self) {
        self.clear();
        self.promise.fulfil(&Err(Error::new(
            Code::Internal,
            "the login ended by a defect before it had a result",
        )
        .with_help(
            "This is a defect of forcegrant; please report it. The next call starts afresh.",
        )));
    }
}

fn worker_unavailable(error: &std::io::Error) -> Error {
    Error::new(
        Code::WorkerUnavailable,
        "the system would not start a thread for the login",
    )
    .with_help("The process has too many threads or open files, or is short of memory. Look at its limits (ulimit).")
    .with_cause(Cause::of(error, &str::to_owned))
}

#[cfg(test)]
mod tests;
