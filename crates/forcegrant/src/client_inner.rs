//! What all the handles of a client share: its cached token, its single flight, its credentials and options;
//! and every change of its state except logins.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::calls::CallMemory;
use crate::client_config::ClientConfig;
use crate::credentials::{CredentialSet, CredentialsProvider};
use crate::random;
use crate::single_flight::{SingleFlight, SingleFlightGuard};
use crate::token_cell::TokenCell;
use crate::verified::Verified;
use crate::wait::{Pending, Promise};
use forcegrant_proto::cache::cache_state::CacheState;
use forcegrant_proto::cache::reports::{Report, Reported};
use forcegrant_proto::calls::client::ReportOutcome;
use forcegrant_proto::event::Event;
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;
use forcegrant_support::process::{PerProcess, ProcessRef};

#[derive(Debug)]
pub(crate) struct ClientInner {
    /// Plain data: a forked child keeps it.
    pub(crate) cell: TokenCell,
    pub(crate) credentials: CredentialsProvider,
    pub(crate) config: Arc<ClientConfig>,
    /// The name that event listeners and a credentials callback get, if several clients have them in common;
    /// else empty.
    pub(crate) label: Box<str>,
    /// Made anew after a fork, because its lock may be held and its login is the parent's.
    single_flight: PerProcess<SingleFlight<Token>>,
    pub(crate) logins: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// The token endpoint that has responded as one; 0 for none.
    known_endpoint: AtomicU64,
    /// What few clients need. It is made at the first use.
    rare: OnceLock<Box<RareState>>,
}

#[derive(Debug, Default)]
struct RareState {
    verifications: PerProcess<SingleFlight<Verified>>,
    calls: CallMemory,
}

impl ClientInner {
    pub(crate) fn new(
        credentials: CredentialsProvider,
        config: Arc<ClientConfig>,
        label: &str,
    ) -> Self {
        Self {
            cell: TokenCell::default(),
            credentials,
            config,
            label: label.into(),
            single_flight: PerProcess::default(),
            logins: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            known_endpoint: AtomicU64::new(0),
            rare: OnceLock::new(),
        }
    }

    /// At most one login of this client in this process. Its lock is held while the state changes.
    pub(crate) fn single_flight(&self) -> ProcessRef<SingleFlight<Token>> {
        self.single_flight.current()
    }

    /// At most one verification.
    pub(crate) fn verifications(&self) -> ProcessRef<SingleFlight<Verified>> {
        self.rare().verifications.current()
    }

    /// What is remembered for the API calls through this client.
    pub(crate) fn calls(&self) -> &CallMemory {
        &self.rare().calls
    }

    fn rare(&self) -> &RareState {
        self.rare.get_or_init(Box::default)
    }

    /// Emits the event that a refresh of the cached token is due, or that it is served past its end: once for
    /// each token. Not under the lock, because listeners are foreign code.
    pub(crate) fn emit_token_state(&self) {
        let state = self.cell.state();
        let now = state.classify(self.config.clock.now()).name();
        let cached = state
            .cached
            .as_ref()
            .filter(|cached| cached.mark_reported(now));
        let Some(cached) = cached else {
            return;
        };
        let fingerprint = cached.parts.fingerprint().to_owned();
        self.emit(&match now {
            CacheState::Stale => Event::serving_stale(fingerprint),
            _ => Event::refresh_due(fingerprint),
        });
    }

    /// Lets readers hand the cached token out without the lock for a while, if it is usable. Returns that span
    /// in wall-clock milliseconds.
    pub(crate) fn renew_view(&self, flight: &SingleFlightGuard<'_, Token>) -> Option<(i64, i64)> {
        let clock = &self.config.clock;
        let (coarse, now, length) = (clock.coarse_wall(), clock.now(), clock.view_length());
        self.cell
            .state()
            .look(now, coarse, length, flight.is_in_flight())
    }

    /// The same, if this token is the cached one.
    pub(crate) fn renew_view_of(&self, token: &Token) -> Option<(i64, i64)> {
        let single_flight = self.single_flight();
        let flight = single_flight.lock();
        let current = Token::of(self.cell.state().cached.as_ref()?).is(token);
        current.then(|| self.renew_view(&flight))?
    }

    /// The usable cached token. Starts nothing.
    pub(crate) fn cached(&self) -> Option<Token> {
        let single_flight = self.single_flight();
        let flight = single_flight.lock();
        let state = self.cell.state();
        let token = state.classify(self.config.clock.now()).token()?;
        self.renew_view(&flight);
        Some(token)
    }

    /// Takes in a report that a token was rejected.
    pub(crate) fn report(&self, report: &Report<'_>) -> ReportOutcome {
        let age = {
            let single_flight = self.single_flight();
            let _lock = single_flight.lock();
            let state = self.cell.state();
            let now = self.config.clock.now();
            match state.reported(report, now, &self.config.lifetimes, random::unit()) {
                Reported::Stale => return ReportOutcome::Outdated,
                Reported::Held(next, left) => {
                    self.cell.replace(next);
                    return ReportOutcome::Held(Duration::from_millis(left));
                }
                Reported::Dropped(next) => {
                    let age = next.rejected_age.unwrap_or_default();
                    self.cell.replace(next);
                    age
                }
            }
        };
        let age = Duration::from_millis(age);
        self.emit(&Event::invalidated(report.fingerprint.to_owned(), age));
        ReportOutcome::Dropped
    }

    /// A report of the user's code, which does not say whose response it saw.
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
        !self.cell.state().renewals.is_empty()
    }

    /// A host accepted a token: see `CacheSnapshot::accepted`.
    pub(crate) fn accepted(&self, host: &str, is_cure: bool) {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let now = self.config.clock.now();
        let next = self.cell.state().accepted(host, is_cure, now);
        if let Some(next) = next {
            self.cell.replace(next);
        }
    }

    pub(crate) fn reset(&self) {
        self.config.transport.reset();
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let next = self.cell.state().cleared(self.config.clock.now());
        self.cell.replace(next);
    }

    /// Forgets which tokens were reported as rejected: a login may return one of them.
    pub(crate) fn clear_rejected(&self) {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let state = self.cell.state();
        if !state.rejected.is_empty() {
            self.cell.replace(state.without_rejected());
        }
    }

    /// Credentials from the caller, and their endpoint if that is new. A remembered failure belongs to the
    /// previous credentials.
    pub(crate) fn set_credentials(
        &self,
        credential_set: CredentialSet,
        endpoint: Option<LoginEndpoint>,
    ) {
        self.credentials.replace(credential_set, endpoint);
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let next = self.cell.state().with_new_credentials();
        self.cell.replace(next);
    }

    pub(crate) fn invalidate_if_rotated(&self) -> bool {
        let single_flight = self.single_flight();
        let _lock = single_flight.lock();
        let state = self.cell.state();
        let cached = state.cached.as_ref();
        let is_retired = cached.is_some_and(|cached| !self.credentials.holds(cached.credentials));
        if is_retired {
            self.cell.replace(state.without_token());
        }
        is_retired
    }

    pub(crate) fn status(&self) -> Status {
        let single_flight = self.single_flight();
        let in_flight = single_flight.lock().is_in_flight();
        let now = self.config.clock.now();
        let state = self.cell.state();
        Status::new(
            &state,
            state.classify(now).name(),
            now,
            in_flight,
            self.logins.load(Ordering::Relaxed),
            self.failures.load(Ordering::Relaxed),
            &self.login_host(),
        )
    }

    /// Waits until no login and no verification is in flight. `None`: none is.
    pub(crate) fn idle(self: &Arc<Self>) -> Option<Pending<()>> {
        if !self.is_busy() {
            return None;
        }
        let promise = Promise::new();
        let pending = promise.pending();
        Arc::clone(self).keep_when_idle(promise);
        Some(pending)
    }

    fn is_busy(&self) -> bool {
        let login = self.single_flight.existing();
        let verification = self.rare.get().map(|rare| rare.verifications.existing());
        login.is_some_and(|flight| flight.lock().is_in_flight())
            || verification
                .flatten()
                .is_some_and(|flight| flight.lock().is_in_flight())
    }

    fn keep_when_idle(self: Arc<Self>, promise: Promise<()>) {
        // A verification makes a login, so it is waited for first.
        let verifications = self.rare.get().map(|rare| rare.verifications.current());
        let verification = verifications.and_then(|flight| flight.lock().flight());
        if let Some(verification) = verification {
            verification
                .on_ready(move |_| self.keep_when_idle(promise))
                .detach();
            return;
        }
        let login = self.single_flight().lock().flight();
        match login {
            Some(login) => login
                .on_ready(move |_| self.keep_when_idle(promise))
                .detach(),
            None => promise.keep(&Ok(())),
        }
    }

    /// The host that the credentials are sent to; empty as long as a callback has not said it.
    pub(crate) fn login_host(&self) -> String {
        let endpoint = self.credentials.endpoint();
        endpoint.map_or_else(String::new, |endpoint| endpoint.host().to_owned())
    }

    /// Whether this endpoint has responded as a token endpoint before.
    pub(crate) fn knows(&self, endpoint: &LoginEndpoint) -> bool {
        self.known_endpoint.load(Ordering::Relaxed) == endpoint.mark().number()
    }

    /// This endpoint responded as a token endpoint, to this client or to one that it shares logins with.
    pub(crate) fn note_known(&self, endpoint: &LoginEndpoint) {
        let known = endpoint.mark().number();
        self.known_endpoint.store(known, Ordering::Relaxed);
    }

    pub(crate) fn emit(&self, event: &Event) {
        let endpoint = self.credentials.endpoint();
        let host = endpoint.as_ref().map_or("", LoginEndpoint::host);
        self.config.events.emit(host, &self.label, event);
    }
}
