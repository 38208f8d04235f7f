//! The table of options: their names in JavaScript, their types, and where a value goes in the core's builders. The core
//! decides what an absent option means and whether a value makes sense.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, ClientPoolBuilder, Error, Proxy, Roots};
use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{JsValue, ValueType};

/// The type of an option, and where a value of it goes. Texts say what was expected.
pub(crate) enum OptionKind<B> {
    Milliseconds(fn(B, Duration) -> B),
    Backoff(fn(B, Duration, Duration) -> B),
    Count(fn(B, u32) -> B),
    Limit(fn(B, Option<u32>) -> B),
    Flag(fn(B, bool) -> B),
    Text(&'static str, fn(B, String) -> B),
    /// One of the four that a client is made of, and an environment names.
    Start(&'static str, fn(B, String) -> B),
    Other(&'static str, fn(B, Unknown<'_>) -> WithOption<B>),
}

pub(crate) type WithOption<B> = std::result::Result<B, InvalidValue>;

/// Why a value was refused.
pub(crate) enum InvalidValue {
    Type,
    /// By the core.
    Core(Error),
    /// What is wrong, and the help.
    Value(String, &'static str),
}

pub(crate) type OptionTable<B> = &'static [(&'static str, OptionKind<B>)];

pub(crate) const OF_CLIENT: OptionTable<ClientBuilder> = {
    use OptionKind::{Backoff, Count, Flag, Limit, Milliseconds, Other, Start, Text};
    type B = ClientBuilder;
    &[
        // `builder` has read the first three.
        (
            "loginUrl",
            Start("such as \"acme.my.salesforce.com\"", |b, _| b),
        ),
        ("clientId", Start("the consumer key", |b, _| b)),
        ("clientSecret", Start("the consumer secret", |b, _| b)),
        (
            "clientSecretFile",
            Start("the path of a file", B::client_secret_file),
        ),
        (
            "nextCredentials",
            Other("an object: { clientId, clientSecret }", next_credentials),
        ),
        ("introspect", Flag(B::introspect)),
        (
            "introspectionTimeout",
            Milliseconds(B::introspection_timeout),
        ),
        ("loginBudget", Limit(B::login_budget)),
        ("authStyle", Other("\"body\" or \"basic\"", auth_style)),
        ("tokenUrl", Text("a URL", B::token_url)),
        (
            "trustedHosts",
            Other("an array of host names", trusted_hosts),
        ),
        ("allowHttpLoopback", Flag(B::allow_http_loopback)),
        ("resolve", Other(RESOLVE, resolve)),
        (
            "roots",
            Text("\"platform\", \"bundled\" or a PEM text", roots),
        ),
        (
            "proxy",
            Other(
                "a string: \"env\", \"none\", null or the URL of a proxy",
                proxy,
            ),
        ),
        ("connectTimeout", Milliseconds(B::connect_timeout)),
        ("attemptTimeout", Milliseconds(B::attempt_timeout)),
        ("totalTimeout", Milliseconds(B::total_timeout)),
        ("maxAttempts", Count(B::max_attempts)),
        ("retryBackoff", Milliseconds(B::retry_backoff)),
        ("retryAfterCap", Milliseconds(B::retry_after_cap)),
        ("callAttempts", Count(B::call_attempts)),
        ("callBackoff", Backoff(B::call_backoff)),
        ("callRetryAfterCap", Milliseconds(B::call_retry_after_cap)),
        ("sessionTimeout", Milliseconds(B::session_timeout)),
        ("refreshWindow", Milliseconds(B::refresh_window)),
        ("safetyMargin", Milliseconds(B::safety_margin)),
        ("maxStale", Milliseconds(B::max_stale)),
        ("refusalBackoff", Backoff(B::refusal_backoff)),
        ("transientBackoff", Backoff(B::transient_backoff)),
        (
            "store",
            Other(
                "a string: \"process\", \"off\", \"file\", the URL of a store, or a store",
                store,
            ),
        ),
        ("storeTimeout", Milliseconds(B::store_timeout)),
    ]
};

pub(crate) const OF_POOL: OptionTable<ClientPoolBuilder> = &[
    (
        "maxClients",
        OptionKind::Count(|b, most| b.max_clients(most as usize)),
    ),
    (
        "loginsPerSecond",
        OptionKind::Limit(ClientPoolBuilder::logins_per_second),
    ),
    (
        "concurrentLogins",
        OptionKind::Limit(ClientPoolBuilder::concurrent_logins),
    ),
];

/// The options that TypeScript takes.
pub(crate) const OF_TYPESCRIPT: [&str; 4] = ["credentialsCallback", "clock", "onEvent", "fetch"];

const RESOLVE: &str = "an object from host names to addresses, such as { \"acme.my.salesforce.com\": \"127.0.0.1:8443\" }";

impl<B> OptionKind<B> {
    pub(crate) fn set(&self, builder: B, value: Unknown<'_>) -> WithOption<B> {
        fn some<T>(value: Option<T>) -> std::result::Result<T, InvalidValue> {
            value.ok_or(InvalidValue::Type)
        }
        Ok(match self {
            Self::Milliseconds(set) => set(builder, some(read(value).and_then(duration))?),
            Self::Backoff(set) => match read::<Vec<f64>>(value).as_deref() {
                Some([first, cap]) => set(builder, some(duration(*first))?, some(duration(*cap))?),
                _ => return Err(InvalidValue::Type),
            },
            Self::Count(set) => set(builder, some(read(value).and_then(whole))?),
            Self::Limit(set) if read::<String>(value).as_deref() == Some("none") => {
                set(builder, None)
            }
            Self::Limit(set) => set(builder, Some(some(read(value).and_then(whole))?)),
            Self::Flag(set) => set(builder, some(read(value))?),
            Self::Text(_, set) | Self::Start(_, set) => set(builder, some(read(value))?),
            Self::Other(_, parse) => return parse(builder, value),
        })
    }

    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Milliseconds(_) => "a number of milliseconds, such as 5000".to_owned(),
            Self::Backoff(_) => {
                "two numbers of milliseconds, [first, cap], such as [5000, 60000]".to_owned()
            }
            Self::Count(_) => "a whole number, such as 3".to_owned(),
            Self::Limit(_) => "a whole number, such as 3, or \"none\"".to_owned(),
            Self::Flag(_) => "true or false".to_owned(),
            Self::Text(what, _) | Self::Start(what, _) => format!("a string: {what}"),
            Self::Other(what, _) => (*what).to_owned(),
        }
    }
}

/// A value of this type, or `None`.
pub(crate) fn read<T: FromNapiValue>(value: Unknown<'_>) -> Option<T> {
    T::from_unknown(value).ok()
}

/// As far as JavaScript counts without gaps.
fn duration(milliseconds: f64) -> Option<Duration> {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    let fits = milliseconds <= MAX_SAFE_INTEGER;
    Duration::try_from_secs_f64(milliseconds / 1e3)
        .ok()
        .filter(|_| fits)
}

fn whole(number: f64) -> Option<u32> {
    let fits = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits"
    )]
    fits.then_some(number as u32)
}

fn next_credentials(builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    let text = |name| read::<Object<'_>>(value)?.get::<String>(name).ok()?;
    let next = text("clientId").zip(text("clientSecret"));
    let (client_id, client_secret) = next.ok_or(InvalidValue::Type)?;
    Ok(builder.next_credentials(client_id, client_secret))
}

fn auth_style(builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    match read::<String>(value).as_deref() {
        Some("basic") => Ok(builder.auth_style(AuthStyle::Basic)),
        Some("body") => Ok(builder.auth_style(AuthStyle::Body)),
        _ => Err(InvalidValue::Type),
    }
}

fn trusted_hosts(builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    let hosts: Vec<String> = read(value).ok_or(InvalidValue::Type)?;
    Ok(builder.trusted_hosts(hosts))
}

fn resolve(mut builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    if value.is_array().unwrap_or(true) {
        return Err(InvalidValue::Type);
    }
    let addresses: HashMap<String, String> = read(value).ok_or(InvalidValue::Type)?;
    for (host, address) in addresses {
        // Without a port, the URL's port is used.
        let parsed = address
            .parse::<SocketAddr>()
            .or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
        let Ok(parsed) = parsed else {
            let what = format!("option `resolve`: the address of {host:?} is invalid");
            let help = "Give an IP address, with or without a port, such as \"127.0.0.1:8443\".";
            return Err(InvalidValue::Value(what, help));
        };
        builder = builder.resolve(host, parsed);
    }
    Ok(builder)
}

fn roots(builder: ClientBuilder, roots: String) -> ClientBuilder {
    builder.roots(match roots.as_str() {
        "platform" => Roots::Platform,
        "bundled" => Roots::Bundled,
        _ => Roots::Pem(roots.into_bytes()),
    })
}

fn proxy(builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    if value.get_type().is_ok_and(|kind| kind == ValueType::Null) {
        return Ok(builder.proxy(Proxy::None));
    }
    let proxy: String = read(value).ok_or(InvalidValue::Type)?;
    Ok(builder.proxy(match proxy.as_str() {
        "env" => Proxy::Environment,
        "none" => Proxy::None,
        _ => Proxy::Url(proxy),
    }))
}

fn store(builder: ClientBuilder, value: Unknown<'_>) -> WithOption<ClientBuilder> {
    let store: String = read(value).ok_or(InvalidValue::Type)?;
    Ok(builder.store(store.parse::<StoreConfig>().map_err(InvalidValue::Core)?))
}

/// A text of the core, with options in JavaScript's names: `loginBudget` in place of `login_budget`.
pub(crate) fn in_camel_case(text: &str) -> String {
    let names = OF_CLIENT.iter().map(|(name, _)| *name);
    let names = names.chain(OF_POOL.iter().map(|(name, _)| *name));
    names.fold(text.to_owned(), |text, name| {
        let snake: String = name
            .chars()
            .flat_map(|c| {
                c.is_ascii_uppercase()
                    .then_some('_')
                    .into_iter()
                    .chain([c.to_ascii_lowercase()])
            })
            .collect();
        text.replace(&format!("`{snake}`"), &format!("`{name}`"))
    })
}
