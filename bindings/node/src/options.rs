//! From the options of JavaScript to the core's builder. Absent means absent:
//! what then holds is the builder's business.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, Environment, Proxy, Roots};
use napi_derive::napi;

use crate::data::NativeError;

/// The options of a client; times in milliseconds.
#[napi(object, object_to_js = false)]
pub struct NativeOptions {
    /// The My Domain host.
    pub login_url: Option<String>,
    /// The consumer key.
    pub client_id: Option<String>,
    /// The consumer secret.
    pub client_secret: Option<String>,
    /// A file that holds the consumer secret.
    pub client_secret_file: Option<String>,
    /// A second pair.
    pub next_credentials: Option<NativeClientCredentials>,
    /// Whether to ask for the end of a token.
    pub introspect: Option<bool>,
    /// For that request.
    pub introspection_timeout: Option<f64>,
    /// Logins within an hour.
    pub login_budget: Option<u32>,
    /// Whether there is no such budget.
    pub no_login_budget: Option<bool>,
    /// `body` or `basic`.
    pub auth_style: Option<String>,
    /// The whole token endpoint.
    pub token_url: Option<String>,
    /// Further hosts to trust.
    pub trusted_hosts: Option<Vec<String>>,
    /// Whether plain http to loopback is allowed.
    pub allow_http_loopback: Option<bool>,
    /// Host names and addresses.
    #[napi(ts_type = "Array<[host: string, address: string]>")]
    pub resolve: Option<Vec<Vec<String>>>,
    /// `platform`, `bundled` or PEM.
    pub roots: Option<String>,
    /// `env`, `none` or a URL.
    pub proxy: Option<String>,
    /// To connect.
    pub connect_timeout: Option<f64>,
    /// For one try.
    pub attempt_timeout: Option<f64>,
    /// For all tries.
    pub total_timeout: Option<f64>,
    /// How many tries.
    pub max_attempts: Option<u32>,
    /// Base of the pause between tries.
    pub retry_backoff: Option<f64>,
    /// Longest `Retry-After`.
    pub retry_after_cap: Option<f64>,
    /// How many tries of an API call.
    pub call_attempts: Option<u32>,
    /// First and longest pause between them.
    #[napi(ts_type = "[first: number, cap: number]")]
    pub call_backoff: Option<Vec<f64>>,
    /// Longest `Retry-After` between them.
    pub call_retry_after_cap: Option<f64>,
    /// The session timeout of the org.
    pub session_timeout: Option<f64>,
    /// How long before the end to refresh.
    pub refresh_window: Option<f64>,
    /// How long before a known end to stop.
    pub safety_margin: Option<f64>,
    /// How long past an estimated end to go on.
    pub max_stale: Option<f64>,
    /// First and longest pause after a refusal.
    #[napi(ts_type = "[first: number, cap: number]")]
    pub refusal_backoff: Option<Vec<f64>>,
    /// First and longest pause after a passing failure.
    #[napi(ts_type = "[first: number, cap: number]")]
    pub transient_backoff: Option<Vec<f64>>,
    /// What tokens are shared through.
    pub store: Option<String>,
    /// For each step of it.
    pub store_timeout: Option<f64>,
    /// The variables of `process.env` that the core reads.
    pub environment: Option<HashMap<String, String>>,
}

/// The names of the environment variables that the core reads. It is told their values, as the environment
/// of the process is not that of each worker.
#[napi(catch_unwind)]
pub fn environment_names() -> Vec<String> {
    Environment::names().map(str::to_owned).collect()
}

/// A consumer key and secret.
#[napi(object, object_to_js = false)]
pub struct NativeClientCredentials {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
}

impl NativeOptions {
    /// The environment of the caller.
    pub(crate) fn environment(&self) -> Environment {
        Environment::of(self.environment.iter().flatten())
    }

    /// Sets what is given, but for the three that the builder starts with.
    pub(crate) fn apply(
        mut self,
        mut builder: ClientBuilder,
    ) -> Result<ClientBuilder, Box<NativeError>> {
        builder = self.credentials(builder.environment(self.environment()));
        builder = self.connection(builder)?;
        if let Some(introspect) = self.introspect {
            builder = builder.introspect(introspect);
        }
        if self.login_budget.is_some() || self.no_login_budget == Some(true) {
            builder = builder.login_budget(self.login_budget);
        }
        if let Some(store) = &self.store {
            let sharing: StoreConfig = store
                .parse()
                .map_err(|error: forcegrant::Error| Box::new((&error).into()))?;
            builder = builder.store(sharing);
        }
        if let Some(attempts) = self.max_attempts {
            builder = builder.max_attempts(attempts);
        }
        if let Some(attempts) = self.call_attempts {
            builder = builder.call_attempts(attempts);
        }
        self.durations(builder)
    }

    fn credentials(&mut self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(file) = self.client_secret_file.take() {
            builder = builder.client_secret_file(file);
        }
        if let Some(next) = self.next_credentials.take() {
            builder = builder.next_credentials(next.client_id, next.client_secret);
        }
        match self.auth_style.as_deref() {
            Some("basic") => builder.auth_style(AuthStyle::Basic),
            Some(_) => builder.auth_style(AuthStyle::Body),
            None => builder,
        }
    }

    fn connection(
        &mut self,
        mut builder: ClientBuilder,
    ) -> Result<ClientBuilder, Box<NativeError>> {
        if let Some(url) = self.token_url.take() {
            builder = builder.token_url(url);
        }
        if let Some(hosts) = self.trusted_hosts.take() {
            builder = builder.trusted_hosts(hosts);
        }
        if let Some(allow) = self.allow_http_loopback {
            builder = builder.allow_http_loopback(allow);
        }
        for entry in self.resolve.iter().flatten() {
            if let [host, address] = entry.as_slice() {
                builder = builder.resolve(host.as_str(), socket_address(host, address)?);
            }
        }
        if let Some(roots) = self.roots.take() {
            builder = builder.roots(match roots.as_str() {
                "platform" => Roots::Platform,
                "bundled" => Roots::Bundled,
                _ => Roots::Pem(roots.into_bytes()),
            });
        }
        if let Some(proxy) = self.proxy.take() {
            builder = builder.proxy(match proxy.as_str() {
                "env" => Proxy::Environment,
                "none" => Proxy::None,
                _ => Proxy::Url(proxy),
            });
        }
        Ok(builder)
    }

    fn durations(&self, mut builder: ClientBuilder) -> Result<ClientBuilder, Box<NativeError>> {
        type Set = fn(ClientBuilder, Duration) -> ClientBuilder;
        type SetPair = fn(ClientBuilder, Duration, Duration) -> ClientBuilder;
        type B = ClientBuilder;
        let singles: [(&str, Option<f64>, Set); 12] = [
            ("connectTimeout", self.connect_timeout, B::connect_timeout),
            ("attemptTimeout", self.attempt_timeout, B::attempt_timeout),
            ("totalTimeout", self.total_timeout, B::total_timeout),
            (
                "introspectionTimeout",
                self.introspection_timeout,
                B::introspection_timeout,
            ),
            ("retryBackoff", self.retry_backoff, B::retry_backoff),
            ("retryAfterCap", self.retry_after_cap, B::retry_after_cap),
            (
                "callRetryAfterCap",
                self.call_retry_after_cap,
                B::call_retry_after_cap,
            ),
            ("sessionTimeout", self.session_timeout, B::session_timeout),
            ("refreshWindow", self.refresh_window, B::refresh_window),
            ("safetyMargin", self.safety_margin, B::safety_margin),
            ("maxStale", self.max_stale, B::max_stale),
            ("storeTimeout", self.store_timeout, B::store_timeout),
        ];
        for (name, value, set) in singles {
            if let Some(value) = value {
                builder = set(builder, duration(name, value)?);
            }
        }
        let pairs: [(&str, Option<&[f64]>, SetPair); 3] = [
            ("callBackoff", self.call_backoff.as_deref(), B::call_backoff),
            (
                "refusalBackoff",
                self.refusal_backoff.as_deref(),
                B::refusal_backoff,
            ),
            (
                "transientBackoff",
                self.transient_backoff.as_deref(),
                B::transient_backoff,
            ),
        ];
        for (name, value, set) in pairs {
            if let Some([first, cap]) = value {
                builder = set(builder, duration(name, *first)?, duration(name, *cap)?);
            }
        }
        Ok(builder)
    }
}

fn duration(name: &str, milliseconds: f64) -> Result<Duration, Box<NativeError>> {
    Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|_| {
        let what = format!("option `{name}`: it is out of range");
        NativeError::invalid_option(what, "Give a number of milliseconds, such as 5000.")
    })
}

/// An address with a port, or without: then the port is that of the URL.
fn socket_address(host: &str, address: &str) -> Result<SocketAddr, Box<NativeError>> {
    let bare = || address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0));
    address
        .parse::<SocketAddr>()
        .or_else(|_| bare())
        .map_err(|_| {
            let what = format!("option `resolve`: the address of {host:?} is none");
            let help = "Give an IP address, with or without a port, such as \"127.0.0.1:8443\".";
            NativeError::invalid_option(what, help)
        })
}
