//! The front door.

use std::fmt;
use std::sync::Arc;

use crate::builder::ClientBuilder;
use crate::credentials::CredentialSet;
use crate::engine::{Engine, Start};
use crate::verify::Verified;
use crate::wait::{Pending, Promise};
use forcegrant_proto::error::Error;
use forcegrant_proto::secret::{Secret, fingerprint};
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;

/// Gets and keeps the access token of one app in one org.
///
/// A cheap handle: clones share one cache. It works under any async executor; for threads there is
/// [`blocking::Client`](crate::blocking::Client) with the same names. Dropping it revokes nothing.
#[derive(Clone)]
pub struct Client {
    pub(crate) engine: Arc<Engine>,
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

    pub(crate) fn from_engine(engine: Engine) -> Self {
        Self {
            engine: Arc::new(engine),
        }
    }

    pub(crate) fn from_shared(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Whether both are handles of one client: for bindings.
    #[doc(hidden)]
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.engine, &other.engine)
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
        let engine = &self.engine;
        let read = engine.slot.read(engine.profile.clock.coarse_wall());
        read.or_else(|| engine.peek())
    }

    /// The same as [`Client::token`] for callers that wait in their own way.
    pub fn start(&self) -> Start {
        match self
            .engine
            .slot
            .read(self.engine.profile.clock.coarse_wall())
        {
            Some(token) => Start::Ready(token),
            None => self.engine.ask(),
        }
    }

    /// The token at hand with the time in which it may be handed out without asking again. Starts a
    /// refresh behind it when one is due, as [`Client::token`] does.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        self.cached()?;
        // The way in starts the refresh that is due.
        let Start::Ready(token) = self.engine.ask() else {
            return None;
        };
        let (from_ms, until_ms) = self.engine.look(&token)?;
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
        self.engine.invalidate(token.fingerprint())
    }

    /// [`Client::invalidate`] for a caller that kept only the text of the token.
    pub fn invalidate_access_token(&self, access_token: &str) -> bool {
        self.engine.invalidate(&fingerprint(access_token))
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

    /// The same as [`Client::is_allowed_for`] for bindings that keep the token in their own language.
    #[doc(hidden)]
    #[must_use]
    pub fn is_instance_allowed_for(
        &self,
        instance_url: &str,
        api_instance_url: Option<&str>,
        url: &str,
    ) -> bool {
        let instances = [instance_url, api_instance_url.unwrap_or_default()];
        self.engine.profile.trust.is_allowed_for(url, &instances)
    }

    /// What the cache knows now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.engine.status()
    }

    /// Logs in afresh, whatever is cached or remembered, and makes one harmless API call with the
    /// token. Shows that the whole set-up works; it counts as a login. Callers at the same time share
    /// one verification.
    pub async fn verify(&self) -> Result<Verified, Error> {
        self.start_verify().await
    }

    /// The same as [`Client::verify`] for callers that wait in their own way.
    pub fn start_verify(&self) -> Pending<Verified> {
        self.engine.verify()
    }

    /// Done when no login and no verification of this client is in flight: for tests, and for an
    /// orderly end.
    pub async fn wait_idle(&self) {
        let _ = self.start_wait_idle().await;
    }

    /// The same as [`Client::wait_idle`] for callers that wait in their own way.
    pub fn start_wait_idle(&self) -> Pending<()> {
        let promise = Promise::new();
        let pending = promise.pending();
        Arc::clone(&self.engine).when_idle(promise);
        pending
    }

    /// Forgets the token, the failures and the token reported as rejected. A login in flight goes on.
    pub fn reset(&self) {
        self.engine.reset();
    }

    /// Uses these credentials from the next login on. A failure that is remembered says nothing about
    /// them and is forgotten. The token at hand goes on serving; see [`Client::invalidate_if_rotated`].
    pub fn set_credentials(&self, credential_set: CredentialSet) {
        self.engine.set_credentials(credential_set, None);
    }

    /// Drops the token at hand if it was issued to client credentials that are not in use any
    /// more: after a leak, say. Returns whether it did. Salesforce is not told: to end the session
    /// there too, revoke it in the org.
    pub fn invalidate_if_rotated(&self) -> bool {
        self.engine.invalidate_if_rotated()
    }

    /// The host that the credentials are sent to.
    #[must_use]
    pub fn login_host(&self) -> String {
        self.engine.login_host()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("login_host", &self.engine.login_host())
            .field("credentials", &self.engine.provider)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(feature = "model")))]
mod tests;
