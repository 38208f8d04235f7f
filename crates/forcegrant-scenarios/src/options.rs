//! Turns the options of a scenario into a `ClientBuilder`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, Client, ClientBuilder, Environment, Error, Proxy, Roots, TestClock};

use crate::scenario::{AuthStyleOption, ClientOptions, OptionalLimit};
use crate::test_environment::TestEnvironment;

/// A method of the builder that takes a length of time.
type DurationSetter = fn(ClientBuilder, Duration) -> ClientBuilder;

/// A builder with the login URL and the client credentials of the scenario, or of the environment.
pub(crate) fn builder(
    options: &ClientOptions,
    environment: &Environment,
    env: &TestEnvironment,
) -> Result<ClientBuilder, Error> {
    if options.from_env {
        return ClientBuilder::from_environment(environment.clone());
    }
    let org = &env.org;
    let builder = Client::builder(
        options.login_url.as_ref().unwrap_or(&org.my_domain),
        options.client_id.as_ref().unwrap_or(&org.client_id),
        options
            .client_secret
            .clone()
            .unwrap_or_else(|| org.client_secret.clone()),
    );
    Ok(builder.environment(environment.clone()))
}

/// The options beside login URL and client credentials, of a client or of a pool.
pub(crate) fn apply(
    builder: ClientBuilder,
    options: ClientOptions,
    hosts: &[String],
    clock: Option<&TestClock>,
    env: &TestEnvironment,
) -> Result<ClientBuilder, String> {
    let builder = durations(builder, &options)?;
    let mut builder = reaching(&options, hosts, clock, env)?(builder);
    if let Some(style) = options.auth_style {
        builder = builder.auth_style(match style {
            AuthStyleOption::Body => AuthStyle::Body,
            AuthStyleOption::Basic => AuthStyle::Basic,
        });
    }
    if let Some(url) = options.token_url {
        builder = builder.token_url(url);
    }
    if let Some(hosts) = options.trusted_hosts {
        builder = builder.trusted_hosts(hosts);
    }
    if let Some(allowed) = options.allow_http_loopback {
        builder = builder.allow_http_loopback(allowed);
    }
    if let Some(attempts) = options.max_attempts {
        builder = builder.max_attempts(attempts);
    }
    if let Some(next) = options.next_credentials {
        builder = builder.next_credentials(next.client_id, next.client_secret);
    }
    if let Some(introspect) = options.introspect {
        builder = builder.introspect(introspect);
    }
    if let Some(budget) = options.login_budget {
        builder = builder.login_budget(match budget {
            OptionalLimit::Logins(logins) => Some(logins),
            OptionalLimit::Off(_) => None,
        });
    }
    if let Some(store) = options.store {
        let sharing: StoreConfig = store.parse().map_err(|error| format!("store: {error}"))?;
        builder = builder.store(sharing);
    }
    if let Some(attempts) = options.call_attempts {
        builder = builder.call_attempts(attempts);
    }
    Ok(builder)
}

/// How a client reaches the emulator: to be set on any thread.
pub(crate) fn reaching(
    options: &ClientOptions,
    hosts: &[String],
    clock: Option<&TestClock>,
    TestEnvironment { emulator, org, .. }: &TestEnvironment,
) -> Result<impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + use<>, String> {
    let usual = hosts.iter().chain([&org.my_domain]);
    let mut resolve: BTreeMap<_, _> = usual
        .map(|host| (host.clone(), emulator.https_addr()))
        .collect();
    for (host, at) in &options.resolve {
        let at: SocketAddr = at
            .parse()
            .map_err(|error| format!("resolve {host}: {error}"))?;
        resolve.insert(host.clone(), at);
    }
    let roots = match options.roots.as_deref().unwrap_or("emulator") {
        "emulator" => Roots::Pem(emulator.ca_pem().as_bytes().to_vec()),
        "platform" => Roots::Platform,
        "bundled" => Roots::Bundled,
        pem => Roots::Pem(pem.as_bytes().to_vec()),
    };
    let proxy = match options.proxy.as_deref().unwrap_or("none") {
        "none" => Proxy::None,
        "environment" => Proxy::Environment,
        url => Proxy::Url(url.to_owned()),
    };
    let backoff = seconds(options.retry_backoff.unwrap_or(0.001))?;
    let clock = clock.cloned();
    Ok(move |builder: ClientBuilder| {
        let to = |builder: ClientBuilder, (host, at): (&String, &SocketAddr)| {
            builder.resolve(host.as_str(), *at)
        };
        let builder = resolve
            .iter()
            .fold(builder, to)
            .roots(roots.clone())
            .proxy(proxy.clone())
            .retry_backoff(backoff);
        match &clock {
            Some(clock) => builder.clock(clock.clone()),
            None => builder,
        }
    })
}

/// The options that are lengths of time.
fn durations(mut builder: ClientBuilder, options: &ClientOptions) -> Result<ClientBuilder, String> {
    let single: [(Option<f64>, DurationSetter); 11] = [
        (
            options.call_retry_after_cap,
            ClientBuilder::call_retry_after_cap,
        ),
        (
            options.introspection_timeout,
            ClientBuilder::introspection_timeout,
        ),
        (options.connect_timeout, ClientBuilder::connect_timeout),
        (options.attempt_timeout, ClientBuilder::attempt_timeout),
        (options.total_timeout, ClientBuilder::total_timeout),
        (options.retry_after_cap, ClientBuilder::retry_after_cap),
        (options.session_timeout, ClientBuilder::session_timeout),
        (options.refresh_window, ClientBuilder::refresh_window),
        (options.safety_margin, ClientBuilder::safety_margin),
        (options.max_stale, ClientBuilder::max_stale),
        (options.store_timeout, ClientBuilder::store_timeout),
    ];
    for (value, set) in single {
        if let Some(value) = value {
            builder = set(builder, seconds(value)?);
        }
    }
    if let Some((first, cap)) = options.call_backoff {
        builder = builder.call_backoff(seconds(first)?, seconds(cap)?);
    }
    if let Some((first, cap)) = options.refusal_backoff {
        builder = builder.refusal_backoff(seconds(first)?, seconds(cap)?);
    }
    if let Some((first, cap)) = options.transient_backoff {
        builder = builder.transient_backoff(seconds(first)?, seconds(cap)?);
    }
    Ok(builder)
}

pub(crate) fn seconds(value: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(value).map_err(|error| format!("{value} s: {error}"))
}
