//! The client: it returns the cached token, joins the login in flight, or starts one.

use std::fmt;
use std::sync::Arc;

use crate::client_inner::ClientInner;
use crate::credentials::CredentialSet;
use crate::login_task::{Purpose, run_login};
use crate::wait::Pending;
use crate::worker;
use forcegrant_proto::cache::state::Lookup;
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::fingerprint;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;

/// Fetches and caches the access token of one app in one org.
///
/// A cheap handle: clones share one cache. It works under any async executor; for threads there is
/// [`blocking::Client`](crate::blocking::Client) with the same names. Dropping it revokes nothing.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<ClientInner>,
}

/// The token, or the wait for one.
#[derive(Debug)]
pub enum Start {
    /// The cached token, which is usable.
    Ready(Token),
    /// A login is in flight, or has just failed.
    Pending(Pending<Token>),
}

impl Client {
    pub(crate) fn new(inner: ClientInner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }

    /// A usable token: the cached one in nanoseconds, or that of a login which all concurrent
    /// callers share.
    ///
    /// Dropping the future leaves the login running for the others. A token that is about to end is
    /// refreshed in the background, and callers go on with it.
    pub async fn token(&self) -> Result<Token, Error> {
        match self.start() {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.await,
        }
    }

    /// The usable cached token, if there is one. Never waits and never starts a login.
    #[must_use]
    pub fn cached(&self) -> Option<Token> {
        let inner = &self.inner;
        let read = inner.cell.read(inner.config.clock.coarse_wall());
        read.or_else(|| inner.cached())
    }

    /// The same as [`Client::token`] for callers that wait in their own way.
    pub(crate) fn start(&self) -> Start {
        let inner = &self.inner;
        match inner.cell.read(inner.config.clock.coarse_wall()) {
            Some(token) => Start::Ready(token),
            None => self.start_for(Purpose::Token),
        }
    }

    /// Reports that an API rejected this token as dead. It is not served any more, and the next
    /// call logs in. Returns whether it was the current token: a late report about an older one
    /// changes nothing, so a hundred callers may report the same token and cause one login.
    pub fn invalidate(&self, token: &Token) -> bool {
        self.inner.invalidate(token.fingerprint())
    }

    /// [`Client::invalidate`] for a caller that has only the text of the token.
    pub fn invalidate_access_token(&self, access_token: &str) -> bool {
        self.inner.invalidate(&fingerprint(access_token))
    }

    /// Whether this token may be sent to this URL: only over https, to the origin of its instance or
    /// API instance, or to a host that the option `trusted_hosts` names; and only if every parser reads
    /// the URL alike. Ask it before you follow a redirect with the token, about the very text that you
    /// give to the HTTP client; for a request of yours, [`Client::resolve_url`] says more. Pure.
    #[must_use]
    pub fn is_allowed_for(&self, token: &Token, url: &str) -> bool {
        let api = token.api_instance_url();
        self.is_instance_allowed_for(token.instance_url(), api, url)
    }

    /// The same for a token whose instances are known.
    pub(crate) fn is_instance_allowed_for(
        &self,
        instance_url: &str,
        api_instance_url: Option<&str>,
        url: &str,
    ) -> bool {
        let instances = [instance_url, api_instance_url.unwrap_or_default()];
        self.inner.config.trust.is_allowed_for(url, &instances)
    }

    /// What the cache knows now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// Waits until no login and no verification of this client is in flight: for tests, and for an orderly
    /// end.
    pub async fn wait_idle(&self) {
        let _ = self.start_wait_idle().await;
    }

    /// The same as [`Client::wait_idle`] for callers that wait in their own way.
    pub(crate) fn start_wait_idle(&self) -> Pending<()> {
        let idle = self.inner.idle();
        idle.unwrap_or_else(|| Pending::ready(Ok(())))
    }

    /// Forgets the token, the failures and the tokens reported as rejected. A login in flight is not stopped.
    pub fn reset(&self) {
        self.inner.reset();
    }

    /// Uses these credentials from the next login on. A failure that is remembered says nothing about
    /// them and is forgotten. The cached token stays; see [`Client::invalidate_if_rotated`].
    pub fn set_credentials(&self, credential_set: CredentialSet) {
        self.inner.set_credentials(credential_set, None);
    }

    /// Drops the cached token if it was issued to client credentials that are not configured any more: after a
    /// leak, for example. Returns whether it did. Salesforce does not learn of it: to end the
    /// session there too, revoke it in the org.
    pub fn invalidate_if_rotated(&self) -> bool {
        self.inner.invalidate_if_rotated()
    }

    /// The host that the credentials are sent to.
    #[must_use]
    pub fn login_host(&self) -> String {
        self.inner.login_host()
    }

    /// What a caller gets for whom no token could be read at once: by the state, the cached token, the login in
    /// flight, or a new one.
    pub(crate) fn start_for(&self, purpose: Purpose) -> Start {
        let inner = &self.inner;
        let single_flight = inner.single_flight();
        let mut in_flight = single_flight.lock();
        let state = inner.cell.state();
        match state.classify(inner.config.clock.now()) {
            Lookup::Fresh(token) => {
                inner.renew_view(&in_flight);
                return Start::Ready(token);
            }
            Lookup::RefreshDue(token) | Lookup::Stale(token) => {
                drop(in_flight);
                self.refresh();
                return Start::Ready(token);
            }
            // The remembered failure belongs to the previous credentials.
            Lookup::BackingOff(_) if inner.credentials.has_changed() => {
                inner.cell.replace(state.with_new_credentials());
            }
            Lookup::BackingOff(error) => return Start::Pending(Pending::ready(Err(error))),
            Lookup::Empty => {}
        }
        let pending = in_flight
            .join_or_start(|flight| worker::spawn(run_login(Arc::clone(inner), flight, purpose)));
        if purpose == Purpose::Token {
            in_flight.mark_awaited();
        }
        Start::Pending(pending)
    }

    /// Starts the login that is due while the cached token is served, unless a failure holds it off.
    fn refresh(&self) {
        let inner = &self.inner;
        // Before the login, whose events come from another thread.
        inner.emit_token_state();
        let single_flight = inner.single_flight();
        let mut in_flight = single_flight.lock();
        let (state, now) = (inner.cell.state(), inner.config.clock.now());
        let is_due = matches!(
            state.classify(now),
            Lookup::RefreshDue(_) | Lookup::Stale(_)
        );
        if is_due && state.may_refresh(now) {
            // No caller waits for it. If it cannot start, a later call tries again.
            drop(in_flight.join_or_start(|flight| {
                worker::spawn(run_login(Arc::clone(inner), flight, Purpose::Refresh))
            }));
        }
        inner.renew_view(&in_flight);
    }

    /// A login whatever is cached. One in flight is waited for first, because its request may be older than
    /// what the caller wants to know.
    pub(crate) async fn login_afresh(&self) -> Result<Token, Error> {
        loop {
            let other = {
                let single_flight = self.inner.single_flight();
                let mut in_flight = single_flight.lock();
                let other = in_flight.flight().ok_or_else(|| {
                    in_flight.join_or_start(|flight| {
                        worker::spawn(run_login(Arc::clone(&self.inner), flight, Purpose::Verify))
                    })
                });
                in_flight.mark_awaited();
                other
            };
            match other {
                Ok(other) => drop(other.await),
                Err(own) => {
                    let token = own.await?;
                    // A login that failed may have left the callers an older token.
                    return match &self.inner.cell.state().failure {
                        Some(failure) => Err(failure.error.clone()),
                        None => Ok(token),
                    };
                }
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("login_host", &self.inner.login_host())
            .field("credentials", &self.inner.credentials)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests;
