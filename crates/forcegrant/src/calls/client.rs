//! The API calls through a client: what its tokens, URLs and options say about them.

use std::future::Future;
#[cfg(feature = "http-client")]
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use url::Url;

use crate::client::{Client, Start};
use crate::clock::to_system_time;
use crate::random;
use forcegrant_proto::cache::reports::Report;
use forcegrant_proto::calls::client::{CallClient, ReportOutcome};
use forcegrant_proto::calls::resolve_url::{ResolvedUrl, TokenInstances};
use forcegrant_proto::calls::retry::CallRetry;
use forcegrant_proto::error::Error;
use forcegrant_proto::response_class::{ApiResponse, ApiUsage};
use forcegrant_proto::token::Token;
#[cfg(feature = "http-client")]
use forcegrant_reqwest::{EventLoop, ReqwestClient};

impl Client {
    /// Where a request with this token goes, and whether the token may go along: a path to the token's
    /// instance; a URL that was made for an instance of an earlier token to where that is now; any
    /// other URL to where it leads, without the token unless [`Client::is_allowed_for`] says so.
    ///
    /// Connect to exactly the URL that comes back: it is spelled so that every HTTP library reads the
    /// same host in it.
    ///
    /// # Errors
    /// `invalid_option` for what is neither a URL nor a path on the instance, and for a URL with the
    /// token that HTTP libraries read differently (`https://acme.my.salesforce.com\@evil.example`).
    pub fn resolve_url(&self, token: &Token, path_or_url: &str) -> Result<ResolvedUrl, Error> {
        self.resolve_url_on(token.instance_url(), token.api_instance_url(), path_or_url)
    }

    /// The same for a token whose instances are known.
    pub(crate) fn resolve_url_on(
        &self,
        instance_url: &str,
        api_instance_url: Option<&str>,
        path_or_url: &str,
    ) -> Result<ResolvedUrl, Error> {
        let token = TokenInstances {
            instance_url,
            api_instance_url,
        };
        let trust = &self.inner.config.trust;
        self.inner.calls().resolve_url(token, trust, path_or_url)
    }

    /// Notes that a host accepted the token of a request. Returns whether that matters still: whether
    /// renewals are counted.
    pub(crate) fn accepted(&self, url: &str, is_cure: bool) -> bool {
        if !self.inner.counts_renewals() {
            return false;
        }
        if let Ok(url) = Url::parse(url) {
            let host = url.origin().ascii_serialization();
            self.inner.accepted(&host, is_cure);
        }
        self.inner.counts_renewals()
    }

    /// The API requests of the org in the last 24 hours, as the last response said that went through an
    /// adapter of this client. `None` before the first.
    #[must_use]
    pub fn limits(&self) -> Option<ApiUsage> {
        self.inner.calls().usage.last()
    }

    /// Notes the API usage that a response reported: for HTTP clients without an adapter.
    pub fn note_usage(&self, usage: ApiUsage) {
        self.inner.calls().usage.note(usage);
    }

    /// Notes a header `Sforce-Limit-Info`, as [`Client::note_usage`].
    pub fn note_limit_info(&self, header: &str) {
        let response = ApiResponse {
            limit_info: Some(header),
            ..ApiResponse::default()
        };
        if let Some(usage) = response.api_usage() {
            self.note_usage(usage);
        }
    }
}

impl CallClient for Client {
    fn token(&self) -> impl Future<Output = Result<Token, Error>> + Send {
        Self::token(self)
    }

    fn token_at_hand(&self) -> Option<Result<Token, Error>> {
        match self.start() {
            Start::Ready(token) => Some(Ok(token)),
            // A failure that still holds is there already.
            Start::Pending(mut pending) => pending.wait_timeout(Duration::ZERO),
        }
    }

    fn is_allowed_for(&self, token: &Token, url: &str) -> bool {
        Self::is_allowed_for(self, token, url)
    }

    fn resolve_url(&self, token: &Token, path_or_url: &str) -> Result<ResolvedUrl, Error> {
        Self::resolve_url(self, token, path_or_url)
    }

    fn is_instance(&self, url: &Url) -> bool {
        self.inner.calls().have_instance(url)
    }

    fn call_retry(&self) -> &CallRetry {
        &self.inner.config.calls.retry
    }

    fn now(&self) -> SystemTime {
        to_system_time(self.inner.config.clock.now().wall)
    }

    fn random(&self) -> f64 {
        random::unit()
    }

    fn note_usage(&self, usage: ApiUsage) {
        Self::note_usage(self, usage);
    }

    fn note_accepted(&self, url: &str, is_cure: bool) -> bool {
        self.accepted(url, is_cure)
    }

    fn report(&self, report: &Report<'_>) -> ReportOutcome {
        self.inner.report(report)
    }
}

#[cfg(feature = "http-client")]
#[doc(hidden)]
impl ReqwestClient for Client {
    fn http_client(&self) -> Result<reqwest::Client, Error> {
        self.inner.config.calls.http.client()
    }

    fn event_loop(&self) -> Result<Arc<EventLoop>, Error> {
        self.inner.config.calls.http.event_loop()
    }
}
