//! The same client for threads.

use std::fmt;
use std::time::Duration;

use crate::builder::ClientBuilder;
use crate::calls::ResolvedUrl;
use crate::client::Start;
use crate::credentials::CredentialSet;
use crate::verified::Verified;
use forcegrant_proto::error::Error;
use forcegrant_proto::response_class::ApiUsage;
use forcegrant_proto::secret::Secret;
use forcegrant_proto::status::Status;
use forcegrant_proto::token::Token;
#[cfg(feature = "http-client")]
use forcegrant_reqwest::blocking::ClientExt;

/// Fetches and caches the access token of one app in one org, for threads.
///
/// It shares its cache with the [`crate::Client`] it is made from or turned into. Waiting blocks the
/// thread; it needs no runtime and must not be called from an async task.
#[derive(Clone)]
pub struct Client(crate::Client);

impl Client {
    /// See [`crate::Client::builder`]; end with [`ClientBuilder::build_blocking`].
    pub fn builder(
        login_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> ClientBuilder {
        crate::Client::builder(login_url, client_id, client_secret)
    }

    /// See [`crate::Client::from_env`].
    pub fn from_env() -> Result<Self, Error> {
        crate::Client::from_env().map(Self)
    }

    /// See [`crate::Client::from_connection`].
    pub fn from_connection(id: &str) -> Result<Self, Error> {
        crate::Client::from_connection(id).map(Self)
    }

    /// See [`crate::Client::token`]; ends at the client's `total_timeout` at the latest.
    pub fn token(&self) -> Result<Token, Error> {
        self.wait_for_token(None)
    }

    /// [`Client::token`] that waits no longer than `timeout`. The login continues for others.
    pub fn token_timeout(&self, timeout: Duration) -> Result<Token, Error> {
        self.wait_for_token(Some(timeout))
    }

    /// See [`crate::Client::cached`].
    #[must_use]
    pub fn cached(&self) -> Option<Token> {
        self.0.cached()
    }

    /// See [`crate::Client::invalidate`].
    pub fn invalidate(&self, token: &Token) -> bool {
        self.0.invalidate(token)
    }

    /// See [`crate::Client::invalidate_access_token`].
    pub fn invalidate_access_token(&self, access_token: &str) -> bool {
        self.0.invalidate_access_token(access_token)
    }

    /// See [`crate::Client::set_credentials`].
    pub fn set_credentials(&self, credential_set: CredentialSet) {
        self.0.set_credentials(credential_set);
    }

    /// See [`crate::Client::invalidate_if_rotated`].
    pub fn invalidate_if_rotated(&self) -> bool {
        self.0.invalidate_if_rotated()
    }

    /// See [`crate::Client::is_allowed_for`].
    #[must_use]
    pub fn is_allowed_for(&self, token: &Token, url: &str) -> bool {
        self.0.is_allowed_for(token, url)
    }

    /// See [`crate::Client::resolve_url`].
    ///
    /// # Errors
    /// As there.
    pub fn resolve_url(&self, token: &Token, path_or_url: &str) -> Result<ResolvedUrl, Error> {
        self.0.resolve_url(token, path_or_url)
    }

    /// See [`crate::Client::limits`].
    #[must_use]
    pub fn limits(&self) -> Option<ApiUsage> {
        self.0.limits()
    }

    /// See [`crate::Client::status`].
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status()
    }

    /// See [`crate::Client::verify`].
    pub fn verify(&self) -> Result<Verified, Error> {
        self.0.start_verify().wait()
    }

    /// See [`crate::Client::wait_idle`].
    pub fn wait_idle(&self) {
        let _ = self.0.start_wait_idle().wait();
    }

    /// See [`crate::Client::reset`].
    pub fn reset(&self) {
        self.0.reset();
    }

    /// The host that the credentials are sent to.
    #[must_use]
    pub fn login_host(&self) -> String {
        self.0.login_host()
    }

    /// The same client, with the same cache, for async code.
    #[must_use]
    pub fn into_async(self) -> crate::Client {
        self.0
    }

    /// The same client for async code, such as [`ApiCall`](crate::calls::ApiCall) takes.
    #[must_use]
    pub fn as_async(&self) -> &crate::Client {
        &self.0
    }

    fn wait_for_token(&self, timeout: Option<Duration>) -> Result<Token, Error> {
        match self.0.start() {
            Start::Ready(token) => Ok(token),
            Start::Pending(pending) => pending.wait_for_token(timeout),
        }
    }
}

impl ClientBuilder {
    /// [`ClientBuilder::build`] for threads.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`].
    pub fn build_blocking(self) -> Result<Client, Error> {
        self.build().map(Client::from)
    }
}

impl From<crate::Client> for Client {
    fn from(client: crate::Client) -> Self {
        Self(client)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(feature = "http-client")]
impl ClientExt for Client {
    type AsyncClient = crate::Client;

    fn async_client(&self) -> &crate::Client {
        self.as_async()
    }
}
