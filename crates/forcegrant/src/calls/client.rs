//! The API calls of one client: what it remembers for them, and what they need of it.

use std::future::Future;
use std::sync::Arc;
#[cfg(feature = "http-client")]
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use url::Url;

use crate::calls::usage::LastUsage;
use crate::client::Client;
use crate::client::Start;
use crate::clock::to_system_time;
#[cfg(feature = "http-client")]
use crate::http::{self, HttpSettings};
use crate::random;
#[cfg(feature = "http-client")]
use crate::worker;
use forcegrant_proto::cache::reports::Report;
use forcegrant_proto::calls::client::{CallClient, ReportOutcome};
use forcegrant_proto::calls::resolve_url::{Instances, ResolvedUrl, TokenInstances};
use forcegrant_proto::calls::retry::CallRetry;
use forcegrant_proto::error::Error;
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::response_class::{ApiResponse, ApiUsage};
use forcegrant_proto::token::Token;
#[cfg(feature = "http-client")]
use forcegrant_reqwest::{EventLoop, ReqwestClient};
#[cfg(feature = "http-client")]
use forcegrant_support::process::PerProcess;

/// What a client remembers for its calls; one for all its clones.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    usage: LastUsage,
    instances: ArcSwapOption<Instances>,
}

/// What holds for the calls of all clients with the same options.
#[derive(Debug, Default)]
pub(crate) struct CallSettings {
    pub(crate) retry: CallRetry,
    #[cfg(feature = "http-client")]
    http: CallHttpClients,
}

/// The HTTP clients of `Client::request` and of its blocking twin: made at the first call of each
/// process. Two, because connections belong to the event loop in which they were made.
#[cfg(feature = "http-client")]
#[derive(Debug, Default)]
struct CallHttpClients {
    settings: HttpSettings,
    client: PerProcess<OnceLock<reqwest::Client>>,
    event_loop: PerProcess<OnceLock<Arc<EventLoop>>>,
}

impl CallSettings {
    pub(crate) fn new(retry: CallRetry) -> Self {
        Self {
            retry,
            #[cfg(feature = "http-client")]
            http: CallHttpClients::default(),
        }
    }

    /// With an HTTP client of these settings.
    #[cfg(feature = "http-client")]
    pub(crate) fn with_http(self, settings: HttpSettings) -> Self {
        let http = CallHttpClients {
            settings,
            ..CallHttpClients::default()
        };
        Self { http, ..self }
    }
}

#[cfg(feature = "http-client")]
impl CallHttpClients {
    fn client(&self) -> Result<reqwest::Client, Error> {
        let cell = self.client.current();
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = http::for_calls(&self.settings, None)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    fn event_loop(&self) -> Result<Arc<EventLoop>, Error> {
        let cell = self.event_loop.current();
        if let Some(event_loop) = cell.get() {
            return Ok(Arc::clone(event_loop));
        }
        let runtime = worker::runtime().map_err(|error| Error::worker_unavailable(&error))?;
        let client = http::for_calls(&self.settings, Some(EventLoop::MAX_IDLE_CONNECTIONS))?;
        let event_loop = Arc::new(EventLoop::new(runtime, client));
        Ok(Arc::clone(cell.get_or_init(|| event_loop)))
    }
}

impl Calls {
    /// Whether this URL is on an instance of the client's tokens.
    pub(crate) fn have_instance(&self, url: &Url) -> bool {
        self.instances
            .load()
            .as_ref()
            .is_some_and(|known| known.have(url))
    }

    fn resolve_url(
        &self,
        token: TokenInstances<'_>,
        trust: &TrustPolicy,
        path_or_url: &str,
    ) -> Result<ResolvedUrl, Error> {
        let known = self.instances.load();
        if let Some(known) = known.as_ref()
            && known.with(token).is_none()
        {
            return known.resolve_url(token, trust, path_or_url);
        }
        // Of two threads that learn at once one may win; the other's is learned by the next call.
        let known = known.as_deref().cloned().unwrap_or_default();
        let known = known.with(token).unwrap_or(known);
        let resolved = known.resolve_url(token, trust, path_or_url);
        self.instances.store(Some(Arc::new(known)));
        resolved
    }
}

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

    /// The API requests of the org in the last 24 hours, as the last response told that went through an
    /// adapter of this client. `None` before the first.
    #[must_use]
    pub fn limits(&self) -> Option<ApiUsage> {
        self.inner.calls().usage.last()
    }

    /// Notes what a response told: for HTTP clients without an adapter.
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
