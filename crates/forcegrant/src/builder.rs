//! The options of a client, checked when it is built.

mod build;
mod calls;
mod checks;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::calls::CallRetry;
use crate::clock::Clock;
use crate::credentials::{CredentialSet, CredentialsSource, CredentialsWithEndpoint, Load};
use crate::environment::Environment;
use crate::events::Events;
use crate::http::{HttpSettings, Proxy};
use crate::store::StoreConfig;
use forcegrant_proto::backoff::Backoff;
use forcegrant_proto::cache::budget::BudgetSettings;
use forcegrant_proto::cache::policy::{FailureSettings, LifetimeSettings};
use forcegrant_proto::event::Event;
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::grant::retry::RetrySettings;
use forcegrant_proto::host::printable;
use forcegrant_proto::secret::Secret;
use forcegrant_support::tls::Roots;

/// Collects the options of a [`Client`](crate::Client). Nothing is checked, read or started before
/// [`ClientBuilder::build`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientBuilder {
    login_url: String,
    credentials: UncheckedCredentials,
    next: Option<(String, Secret)>,
    auth_style: AuthStyle,
    token_url: Option<String>,
    trusted_hosts: Vec<String>,
    allow_http_loopback: bool,
    http: HttpSettings,
    proxy: Proxy,
    environment: Environment,
    attempt_timeout: Duration,
    retry: RetrySettings,
    lifetimes: LifetimeSettings,
    failures: FailureSettings,
    budget: BudgetSettings,
    introspect: bool,
    introspection_timeout: Duration,
    calls: CallRetry,
    clock: Clock,
    events: Events,
    sharing: StoreConfig,
    store_timeout: Duration,
}

/// Credentials as they were given, not yet checked.
#[derive(Clone)]
enum UncheckedCredentials {
    Values(String, Secret),
    SecretFile(String, PathBuf),
    CredentialsSource(CredentialsSource),
    /// A file was named although another source has the secret.
    FileBesideSource,
}

impl ClientBuilder {
    pub(crate) fn new(login_url: String, client_id: String, client_secret: Secret) -> Self {
        Self {
            login_url,
            credentials: UncheckedCredentials::Values(client_id, client_secret),
            next: None,
            auth_style: AuthStyle::default(),
            token_url: None,
            trusted_hosts: Vec::new(),
            allow_http_loopback: false,
            http: HttpSettings::default(),
            proxy: Proxy::default(),
            environment: Environment::default(),
            attempt_timeout: Duration::from_secs(10),
            retry: RetrySettings::default(),
            lifetimes: LifetimeSettings::default(),
            failures: FailureSettings::default(),
            budget: BudgetSettings::default(),
            introspect: false,
            introspection_timeout: Duration::from_secs(5),
            calls: CallRetry::default(),
            clock: Clock::system(),
            events: Events::default(),
            sharing: StoreConfig::default(),
            store_timeout: Duration::from_secs(1),
        }
    }

    /// Credentials from this source, in place of those given before.
    pub(crate) fn with_source(mut self, source: CredentialsSource) -> Self {
        self.credentials = UncheckedCredentials::CredentialsSource(source);
        self
    }

    /// A second pair that is live beside the first while one replaces the other. It is tried once
    /// when the first is refused, and from then on first.
    pub fn next_credentials(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Self {
        self.next = Some((client_id.into(), client_secret.into()));
        self
    }

    /// A file whose whole content is the client secret, as container secrets are mounted, in place
    /// of the secret given before. It is read again when it changes and when a login is refused.
    pub fn client_secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.credentials = match self.credentials {
            UncheckedCredentials::Values(client_id, _)
            | UncheckedCredentials::SecretFile(client_id, _) => {
                UncheckedCredentials::SecretFile(client_id, path.into())
            }
            UncheckedCredentials::CredentialsSource(_) | UncheckedCredentials::FileBesideSource => {
                UncheckedCredentials::FileBesideSource
            }
        };
        self
    }

    /// A callback that returns the credentials, in place of those given before: from a vault, for example.
    /// It is called at the first login and when a login is refused for the credentials. It runs on the
    /// worker's runtime, so it must not block; `total_timeout` bounds it.
    pub fn credentials_callback<F, L>(self, load: F) -> Self
    where
        F: Fn() -> L + Send + Sync + 'static,
        L: Future<Output = Result<CredentialSet, Box<dyn std::error::Error + Send + Sync>>>
            + Send
            + 'static,
    {
        let load: Load = Arc::new(move || {
            let loading = load();
            Box::pin(async move { CredentialsWithEndpoint::of(loading.await) })
        });
        self.with_source(CredentialsSource::Callback(load))
    }

    /// Asks the introspection endpoint once after each login when the token ends, if the response does
    /// not say. Off by default: it costs a request, and some orgs forbid it. When it fails, the
    /// lifetime is estimated, and an event says so.
    pub fn introspect(mut self, introspect: bool) -> Self {
        self.introspect = introspect;
        self
    }

    /// Time for that request. Default 5 s.
    pub fn introspection_timeout(mut self, timeout: Duration) -> Self {
        self.introspection_timeout = timeout;
        self
    }

    /// How many logins this process may make for this org and client id within an hour; then the
    /// client stops, before Salesforce blocks the user at 3,600 (documented). Default 3,000; `None`
    /// switches it off. At three fifths of it a warning event is sent.
    pub fn login_budget(mut self, logins_per_hour: Option<u32>) -> Self {
        self.budget.stop = logins_per_hour;
        self
    }

    /// How the client authenticates itself: in the form's body (the default) or by HTTP Basic.
    pub fn auth_style(mut self, style: AuthStyle) -> Self {
        self.auth_style = style;
        self
    }

    /// The whole address of the token endpoint, where it is not the My Domain's own: a gateway or
    /// a custom domain. The credentials go there, so its host becomes trusted. With it, the login
    /// URL may be empty.
    pub fn token_url(mut self, url: impl Into<String>) -> Self {
        self.token_url = Some(url.into());
        self
    }

    /// Hosts beyond Salesforce's own that may see the credentials and the token: `sso.example.com`,
    /// or `.example.com` for every host below it.
    pub fn trusted_hosts(mut self, hosts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.trusted_hosts = hosts.into_iter().map(Into::into).collect();
        self
    }

    /// Allows `http://` to loopback addresses, for tests. Plain http goes nowhere else.
    pub fn allow_http_loopback(mut self, allow: bool) -> Self {
        self.allow_http_loopback = allow;
        self
    }

    /// Reaches `host` at this address instead of asking the name service. The certificate is still
    /// checked against the name. Port 0 stands for the URL's own. Ignored behind a proxy.
    pub fn resolve(mut self, host: impl Into<String>, address: SocketAddr) -> Self {
        self.http.resolve.push((host.into(), address));
        self
    }

    /// Which certificate authorities are trusted. Default: the system's.
    ///
    /// They are read at the first login of a process. Those of the system and of a file are read again when the issuer
    /// of a server's certificate is unknown, once they are a minute old, and after [`Client::reset`](crate::Client::reset).
    pub fn roots(mut self, roots: Roots) -> Self {
        self.http.roots = roots;
        self
    }

    pub(crate) fn extra_roots(mut self, path: PathBuf) -> Self {
        self.http.extra_roots = Some(path);
        self
    }

    /// How Salesforce is reached. Default: as the environment says.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// The variables that [`Proxy::Environment`] means. Default: those of this process.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Time for one connection, TLS included. Default 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.http.connect_timeout = timeout;
        self
    }

    /// Time for one attempt, connecting included. Default 10 s.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Time for one login, all attempts and pauses included. Default 30 s.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.retry.total = timeout;
        self
    }

    /// Attempts of one login, 1 to 10. Only failures that may pass are tried again. Default 3.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.retry.attempts.max = attempts;
        self
    }

    /// The longest first pause between two attempts; it doubles, and is drawn at random from
    /// nothing to that. Default 250 ms.
    pub fn retry_backoff(mut self, backoff: Duration) -> Self {
        self.retry.attempts.backoff.first = backoff;
        self
    }

    /// A `Retry-After` up to this is waited for within a login; a longer one ends the login and
    /// holds off the next. Default 10 s.
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.retry.attempts.retry_after_cap = cap;
        self
    }

    /// How long the org's sessions last when idle, as its settings say (15 minutes to 24 hours).
    /// Salesforce does not tell; without it, 30 minutes are assumed.
    pub fn session_timeout(mut self, timeout: Duration) -> Self {
        self.lifetimes.session_timeout = Some(timeout);
        self
    }

    /// A refresh behind the callers starts at most this long before a token's end, and not before
    /// the middle of its life. Default 15 minutes.
    pub fn refresh_window(mut self, window: Duration) -> Self {
        self.lifetimes.refresh_window = window;
        self
    }

    /// The distance kept from an end that Salesforce stated; never more than a tenth of the
    /// lifetime. Default 60 s.
    pub fn safety_margin(mut self, margin: Duration) -> Self {
        self.lifetimes.safety_margin = margin;
        self
    }

    /// How long past its *estimated* end a token goes on serving while refreshing it fails
    /// temporarily. Default: twice the estimated lifetime. Zero switches it off.
    pub fn max_stale(mut self, stale: Duration) -> Self {
        self.lifetimes.max_stale = Some(stale);
        self
    }

    /// How long a refusal is remembered: the first time and at most; it doubles in between.
    /// Default 5 s and 60 s. Zero for both switches it off.
    pub fn refusal_backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.failures.refusal = Backoff { first, cap };
        self
    }

    /// How long a temporary failure is remembered: the first time and at most; it doubles in between.
    /// Default 1 s and 300 s. Zero for both switches it off.
    pub fn transient_backoff(mut self, first: Duration, cap: Duration) -> Self {
        self.failures.transient = Backoff { first, cap };
        self
    }

    /// Where the client reads the time: a [`TestClock`](crate::TestClock) in tests.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// With which clients this one shares its token and its logins: a store, or [`StoreConfig`]. Default: the
    /// clients of this process that have the same credentials.
    pub fn store(mut self, store: impl Into<StoreConfig>) -> Self {
        self.sharing = store.into();
        self
    }

    /// Time for each call of the store; then the login goes ahead without it. Default 1 s.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Calls `listener` with everything that happens, in order, on a thread that exists only while
    /// events are delivered. A slow or panicking listener harms nothing else; when a thousand events
    /// wait for it, the oldest are dropped.
    pub fn on_event(self, listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.with_events(Events::apart(move |_, _, event| listener(event)))
    }

    pub(crate) fn with_events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resolve = self.http.resolve.iter();
        let resolve: Vec<_> = resolve
            .map(|(host, address)| (printable(host), address))
            .collect();
        f.debug_struct("ClientBuilder")
            .field("login_url", &printable(&self.login_url))
            .field("token_url", &self.token_url.as_deref().map(printable))
            .field("auth_style", &self.auth_style)
            .field(
                "trusted_hosts",
                &self
                    .trusted_hosts
                    .iter()
                    .map(|host| printable(host))
                    .collect::<Vec<_>>(),
            )
            .field("resolve", &resolve)
            .field("proxy", &self.proxy)
            .field("retry", &self.retry)
            .field("lifetimes", &self.lifetimes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
