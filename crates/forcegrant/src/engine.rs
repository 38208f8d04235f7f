//! What is behind every handle of a client: by the state, a caller gets the token at hand, joins the
//! flight, or starts one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::calls::{CallSettings, Calls};
use crate::clock::Clock;
use crate::credentials::{CredentialSet, CredentialsProvider};
use crate::events::Events;
use crate::http::Transport;
use crate::login_task::{Purpose, run_login};
use crate::pool::active::ActiveLogins;
use crate::pool::clock_cache::ClockEntry;
use crate::pool::key::Key;
use crate::pool::limiter::{LoginLimiter, QueuePosition};
use crate::pool::table::Link;
use crate::random;
use crate::single_flight::{InFlight, SingleFlight, SingleFlightGuard};
use crate::store::SharedStore;
use crate::token_cell::TokenCell;
use crate::verify::{self, Verified};
use crate::wait::{Pending, Promise};
use crate::worker;
use forcegrant_proto::cache::budget::BudgetSettings;
use forcegrant_proto::cache::cache_state::CacheState;
use forcegrant_proto::cache::learning::Learned;
use forcegrant_proto::cache::policy::{FailureSettings, LifetimeSettings};
use forcegrant_proto::cache::state::{Lookup, Report, Reported};
use forcegrant_proto::calls::client::ReportOutcome;
use forcegrant_proto::error::{Cause, Error, ErrorCode};
use forcegrant_proto::event::Event;
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::grant::retry::RetrySettings;
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;
use forcegrant_support::process::{PerProcess, ProcessRef};

/// The answer of [`Client::start`](crate::Client::start).
#[derive(Debug)]
pub enum Start {
    /// A usable token was at hand.
    Ready(Token),
    /// A login is in flight, or has just failed.
    Pending(Pending<Token>),
}

/// One client: what it has of its own, and what it may share with others. A pool holds many, so what
/// few clients need stands apart and is made when it is needed.
///
/// What a read by key looks at comes first, so that it is mostly one cache line.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Engine {
    /// Its place among those of a pool that may have to go.
    pub(crate) entry: ClockEntry,
    /// Plain data: kept across a fork.
    pub(crate) slot: TokenCell,
    /// Its key in a pool; else empty.
    pub(crate) key: Key,
    /// Its place in the table of a pool.
    pub(crate) link: Link<Self>,
    pub(crate) state: Shared,
    pub(crate) provider: CredentialsProvider,
    pub(crate) profile: Arc<ClientConfig>,
}

/// What the clients of many orgs have in common: every option but the credentials and where they go.
#[derive(Debug)]
pub(crate) struct ClientConfig {
    pub(crate) auth_style: AuthStyle,
    pub(crate) trust: TrustPolicy,
    pub(crate) retry: RetrySettings,
    pub(crate) attempt_timeout: Duration,
    pub(crate) lifetimes: LifetimeSettings,
    pub(crate) failures: FailureSettings,
    pub(crate) budget: BudgetSettings,
    /// Whether a new token is introspected: the time for that request.
    pub(crate) introspection: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) transport: Box<dyn Transport>,
    /// Through what tokens are shared; `None`: with nobody.
    pub(crate) share: Option<SharedStore>,
    /// Where logins wait for their turn, if they share a pace.
    pub(crate) limiter: Option<Arc<LoginLimiter>>,
    /// What is in flight, for a pool, which may have let go of the client meanwhile.
    pub(crate) active: Option<ActiveLogins<Engine>>,
    /// For the calls of an API through these clients.
    pub(crate) calls: CallSettings,
}

/// The part of a client that changes.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Rebuilt after a fork, as its lock may be held and its flight is the parent's.
    single_flight: PerProcess<SingleFlight<Token>>,
    /// The place of the flight among those that wait for their turn.
    pub(crate) position: QueuePosition,
    pub(crate) logins: AtomicU64,
    pub(crate) failed: AtomicU64,
    /// The token endpoint that has responded as one; 0 for none.
    known_endpoint: AtomicU64,
    seldom: OnceLock<Box<RareState>>,
}

/// What few clients of a pool need.
#[derive(Debug, Default)]
pub(crate) struct RareState {
    verifications: PerProcess<SingleFlight<Verified>>,
    pub(crate) calls: Calls,
}

impl std::ops::Deref for Engine {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.state
    }
}

impl Engine {
    /// The host that the credentials are sent to; empty while nobody has said.
    pub(crate) fn login_host(&self) -> String {
        let endpoint = self.provider.endpoint();
        endpoint.map_or_else(String::new, |endpoint| endpoint.host().to_owned())
    }

    /// Whether this endpoint has responded as a token endpoint before.
    pub(crate) fn knows(&self, endpoint: &LoginEndpoint) -> bool {
        self.known_endpoint.load(Ordering::Relaxed) == endpoint.mark().number()
    }

    /// Notes that this endpoint responded as a token endpoint, to this client or to one that shares its
    /// store.
    pub(crate) fn note_known(&self, endpoint: &LoginEndpoint) {
        let known = endpoint.mark().number();
        self.known_endpoint.store(known, Ordering::Relaxed);
    }

    /// What the calls through this client need.
    pub(crate) fn calls(&self) -> &Calls {
        &self.seldom().calls
    }

    fn seldom(&self) -> &RareState {
        self.seldom.get_or_init(Box::default)
    }

    pub(crate) fn single_flight(&self) -> ProcessRef<SingleFlight<Token>> {
        self.single_flight.current()
    }

    /// The way in when no view covers the present: look at both clocks and act.
    pub(crate) fn ask(self: &Arc<Self>) -> Start {
        self.ask_for(Purpose::Token)
    }

    /// A token ahead of the callers: its login goes behind theirs.
    pub(crate) fn prewarm(self: &Arc<Self>) -> Pending<Token> {
        match self.ask_for(Purpose::Ahead) {
            Start::Ready(token) => Pending::ready(Ok(token)),
            Start::Pending(pending) => pending,
        }
    }

    fn ask_for(self: &Arc<Self>, purpose: Purpose) -> Start {
        // Before the refresh that it makes due, which tells of itself on another thread; and not under
        // the lock, as listeners are foreign code.
        self.tell_of_lease();
        let single_flight = self.single_flight();
        let mut in_flight = single_flight.lock();
        let start = match self.look_up() {
            Lookup::Fresh(token) => Start::Ready(token),
            Lookup::RefreshDue(token) | Lookup::Stale(token) => {
                if self.slot.state().may_refresh(self.profile.clock.now()) {
                    // Nobody waits for it. Should it not start, a later call tries again.
                    drop(in_flight.join_or_start(|flight| self.launch(flight, Purpose::Refresh)));
                }
                Start::Ready(token)
            }
            Lookup::BackingOff(error) => Start::Pending(Pending::ready(Err(error))),
            Lookup::Empty => {
                let pending = in_flight.join_or_start(|flight| self.launch(flight, purpose));
                if purpose == Purpose::Token {
                    self.promote();
                }
                Start::Pending(pending)
            }
        };
        self.take_view(&in_flight);
        start
    }

    fn look_up(&self) -> Lookup {
        let now = self.profile.clock.now();
        let state = self.slot.state();
        match state.classify(now) {
            // What failed, failed with other credentials.
            Lookup::BackingOff(_) if self.provider.has_changed() => {
                let next = state.with_new_credentials();
                let lookup = next.classify(now);
                self.slot.replace(next);
                lookup
            }
            lookup => lookup,
        }
    }

    /// Events about the lease, once for each.
    fn tell_of_lease(&self) {
        let state = self.slot.state();
        let lookup = state.classify(self.profile.clock.now()).name();
        let Some(cached) = state
            .cached
            .as_ref()
            .filter(|cached| cached.is_news(lookup))
        else {
            return;
        };
        let fingerprint = cached.parts.fingerprint().to_owned();
        match lookup {
            CacheState::Stale => self.emit(&Event::serving_stale(fingerprint)),
            _ => self.emit(&Event::refresh_due(fingerprint)),
        }
    }

    /// A login whatever the cache says; the flight that is up, if any, is waited for first, as its
    /// request may be older than what the caller wants to know.
    pub(crate) async fn login_afresh(self: &Arc<Self>) -> Result<Token, Error> {
        loop {
            let other = {
                let single_flight = self.single_flight();
                let mut in_flight = single_flight.lock();
                match in_flight.flight() {
                    Some(other) => {
                        self.promote();
                        Ok(other)
                    }
                    None => {
                        Err(in_flight.join_or_start(|flight| self.launch(flight, Purpose::Login)))
                    }
                }
            };
            match other {
                Ok(other) => drop(other.await),
                Err(own) => {
                    let token = own.await?;
                    // A login that failed may have left the callers an older token.
                    return match &self.slot.state().failure {
                        Some(failure) => Err(failure.error.clone()),
                        None => Ok(token),
                    };
                }
            }
        }
    }

    /// Somebody waits for the flight, which may have been started behind the callers.
    fn promote(&self) {
        if let Some(limiter) = &self.profile.limiter {
            limiter.promote(&self.position);
        }
    }

    fn launch(self: &Arc<Self>, flight: InFlight<Token>, purpose: Purpose) -> Result<(), Error> {
        self.position.reset();
        self.spawn(run_login(Arc::clone(self), flight, purpose))
    }

    /// Has a job of this client done. For a pool it is in flight from now on.
    fn spawn(
        self: &Arc<Self>,
        job: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let active = self.profile.active.as_ref();
        let in_flight = active.map(|active| active.begin(self));
        let job = Box::pin(job);
        let job = async move {
            let _in_flight = in_flight;
            job.await;
        };
        worker::spawn(job).map_err(|error| worker_unavailable(&error))
    }

    /// Takes a new view of the lease for the readers, if its token is this one.
    pub(crate) fn look(&self, token: &Token) -> Option<(i64, i64)> {
        let single_flight = self.single_flight();
        let in_flight = single_flight.lock();
        let current = Token::of(self.slot.state().cached.as_ref()?).is(token);
        current.then(|| self.take_view(&in_flight))?
    }

    /// The usable token at hand, with a new view of it for those who come after; nothing is started.
    pub(crate) fn peek(&self) -> Option<Token> {
        let single_flight = self.single_flight();
        let in_flight = single_flight.lock();
        let token = self
            .slot
            .state()
            .classify(self.profile.clock.now())
            .token()?;
        self.take_view(&in_flight);
        Some(token)
    }

    fn take_view(&self, in_flight: &SingleFlightGuard<'_, Token>) -> Option<(i64, i64)> {
        let (coarse, now) = (self.profile.clock.coarse_wall(), self.profile.clock.now());
        let length = self.profile.clock.view_length();
        self.slot
            .state()
            .look(now, coarse, length, in_flight.is_in_flight())
    }

    /// Joins the verification in flight, or starts one.
    pub(crate) fn verify(self: &Arc<Self>) -> Pending<Verified> {
        let single_flight = self.seldom().verifications.current();
        let mut in_flight = single_flight.lock();
        in_flight.join_or_start(|flight| {
            let engine = Arc::clone(self);
            self.spawn(async move { flight.complete(&verify::verify(&engine).await) })
        })
    }

    /// Keeps the promise once no login and no verification is in flight.
    pub(crate) fn when_idle(self: Arc<Self>, promise: Promise<()>) {
        // A verification makes a login, so it is waited for first.
        let seldom = self.seldom.get();
        let verification = seldom.and_then(|seldom| seldom.verifications.current().lock().flight());
        if let Some(verification) = verification {
            verification
                .on_ready(move |_| self.when_idle(promise))
                .detach();
            return;
        }
        let flight = self.single_flight().lock().flight();
        match flight {
            Some(flight) => flight.on_ready(move |_| self.when_idle(promise)).detach(),
            None => promise.keep(&Ok(())),
        }
    }

    /// Takes in a report that a token was rejected.
    pub(crate) fn report(&self, report: &Report<'_>) -> ReportOutcome {
        let age = {
            let single_flight = self.single_flight();
            let _lock = single_flight.lock();
            let state = self.slot.state();
            let now = self.profile.clock.now();
            match state.reported(report, now, &self.profile.lifetimes, random::unit()) {
                Reported::Stale => return ReportOutcome::Outdated,
                Reported::Held(next, left) => {
                    self.slot.replace(next);
                    return ReportOutcome::Held(Duration::from_millis(left));
                }
                Reported::Dropped(next) => {
                    let age = next.rejected_age.unwrap_or_default();
                    self.slot.replace(next);
                    age
                }
            }
        };
        self.emit(&Event::invalidated(
            report.fingerprint.to_owned(),
            Duration::from_millis(age),
        ));
        ReportOutcome::Dropped
    }

    /// By the user's code, which does not say whose response it saw.
    pub(crate) fn invalidate(&self, fingerprint: &str) -> bool {
        let report = Report {
            fingerprint,
            host: None,
            is_proof: true,
            is_renewed: false,
        };
        matches!(self.report(&report), ReportOutcome::Dropped)
    }

    /// Whether renewals are counted, so that it matters when a host accepts a token.
    pub(crate) fn counts_renewals(&self) -> bool {
        !self.slot.state().renewals.is_empty()
    }

    /// A host accepted a token: see [`State::accepted`](forcegrant_proto::cache::state::State::accepted).
    pub(crate) fn accepted(&self, host: &str, is_cure: bool) {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let now = self.profile.clock.now();
        let next = self.slot.state().accepted(host, is_cure, now);
        if let Some(next) = next {
            self.slot.replace(next);
        }
    }

    pub(crate) fn reset(&self) {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let next = self.slot.state().cleared(self.profile.clock.now());
        self.slot.replace(next);
    }

    /// Forgets which tokens were reported as rejected: a login may bring one back.
    pub(crate) fn clear_rejected(&self) {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let state = self.slot.state();
        if !state.rejected.is_empty() {
            self.slot.replace(state.without_rejected());
        }
    }

    /// Credentials from the caller, and where they go, if that is new. A failure that is remembered
    /// says nothing about them.
    pub(crate) fn set_credentials(
        &self,
        credential_set: CredentialSet,
        endpoint: Option<LoginEndpoint>,
    ) {
        self.provider.replace(credential_set, endpoint);
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let next = self.slot.state().with_new_credentials();
        self.slot.replace(next);
    }

    pub(crate) fn invalidate_if_rotated(&self) -> bool {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let state = self.slot.state();
        let retired = state
            .cached
            .as_ref()
            .is_some_and(|cached| !self.provider.holds(cached.credentials));
        if retired {
            self.slot.replace(state.without_token());
        }
        retired
    }

    /// What rejections taught about lifetimes.
    pub(crate) fn learned(&self) -> Learned {
        self.slot.state().learned
    }

    pub(crate) fn status(&self) -> Status {
        let single_flight = self.single_flight();
        let in_flight = single_flight.lock().is_in_flight();
        let now = self.profile.clock.now();
        let state = self.slot.state();
        let lookup = state.classify(now);
        Status::new(
            &state,
            lookup.name(),
            now,
            in_flight,
            self.logins.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
            &self.login_host(),
        )
    }

    pub(crate) fn emit(&self, event: &Event) {
        let endpoint = self.provider.endpoint();
        let host = endpoint.as_ref().map_or("", LoginEndpoint::host);
        self.profile.events.emit(host, self.key.as_str(), event);
    }
}

pub(crate) fn worker_unavailable(error: &std::io::Error) -> Error {
    Error::new(
        ErrorCode::WorkerUnavailable,
        "the system would not start a thread that is needed",
    )
    .with_help("The process has too many threads or open files, or is short of memory. Look at its limits (ulimit).")
    .with_cause(Cause::of(error, &str::to_owned))
}
