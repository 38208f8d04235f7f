//! The options of JavaScript: one table of their names and types, from which each goes to the core's builder. The core
//! decides what an absent option means and whether a value makes sense.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forcegrant::store::StoreConfig;
use forcegrant::{
    AuthStyle, Client, ClientBuilder, ClientPoolBuilder, Environment, Error, Proxy, Roots,
};
use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{JsValue, ValueType};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::callback::NativeClientCredentials;
use crate::data::{self, Result, internal, throw, throw_data};

/// The type of an option, and where a value of it goes. Texts say what was expected.
enum Kind<B> {
    Milliseconds(fn(B, Duration) -> B),
    Backoff(fn(B, Duration, Duration) -> B),
    Count(fn(B, u32) -> B),
    Limit(fn(B, Option<u32>) -> B),
    Flag(fn(B, bool) -> B),
    Text(&'static str, fn(B, String) -> B),
    /// One of the four that a client is made of, and an environment names.
    Start(&'static str, fn(B, String) -> B),
    Other(&'static str, fn(B, Unknown<'_>) -> Parsed<B>),
}

type Parsed<B> = std::result::Result<B, Refused>;

/// Why a value was refused.
enum Refused {
    Type,
    Value(Value),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Value(data::error(&error))
    }
}

type Table<B> = &'static [(&'static str, Kind<B>)];

const OF_CLIENT: Table<ClientBuilder> = {
    use Kind::{Backoff, Count, Flag, Limit, Milliseconds, Other, Start, Text};
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

const OF_POOL: Table<ClientPoolBuilder> = &[
    (
        "maxClients",
        Kind::Count(|b, most| b.max_clients(most as usize)),
    ),
    (
        "loginsPerSecond",
        Kind::Limit(ClientPoolBuilder::logins_per_second),
    ),
    (
        "concurrentLogins",
        Kind::Limit(ClientPoolBuilder::concurrent_logins),
    ),
];

/// The options that TypeScript takes.
const OF_TYPESCRIPT: [&str; 4] = ["credentialsCallback", "clock", "onEvent", "fetch"];

const RESOLVE: &str = "an object from host names to addresses, such as { \"acme.my.salesforce.com\": \"127.0.0.1:8443\" }";

/// The names of the environment variables that the core reads. JavaScript passes their values, because `process.env`
/// of a worker is not the environment of the process.
#[napi(catch_unwind)]
pub fn environment_names() -> Vec<String> {
    Environment::names().map(str::to_owned).collect()
}

/// The builder of a client with these options.
pub(crate) fn builder(
    options: &Object<'_>,
    from_env: bool,
    environment: Environment,
) -> Result<ClientBuilder> {
    let mut given = Given::of(options)?;
    let builder = if from_env {
        if let Some((name, _)) = given.find(|kind| matches!(kind, Kind::Start(..))) {
            let what = format!("{name} comes from the environment");
            return Err(invalid(&what, "To set it, use new Client."));
        }
        ClientBuilder::from_environment(environment.clone()).map_err(throw)?
    } else {
        // The core has an error for what is missing.
        let text = |name| given.get(name).and_then(read::<String>).unwrap_or_default();
        Client::builder(text("loginUrl"), text("clientId"), text("clientSecret"))
    };
    let builder = given.apply(OF_CLIENT, builder.environment(environment))?;
    given.end(OF_CLIENT.iter().map(|(name, _)| *name))?;
    Ok(builder)
}

/// Sets the options of a pool and those of its clients.
pub(crate) fn pool_builder(
    options: &Object<'_>,
    environment: Environment,
    builder: ClientPoolBuilder,
) -> Result<ClientPoolBuilder> {
    let mut given = Given::of(options)?;
    let builder = given.apply(OF_POOL, builder)?;
    let mut refused = None;
    let builder = builder.options(|client| {
        let options = given.apply(OF_CLIENT, client.clone().environment(environment));
        options.unwrap_or_else(|error| {
            refused = Some(error);
            client
        })
    });
    if let Some(error) = refused {
        return Err(error);
    }
    let names = OF_CLIENT.iter().map(|(name, _)| *name);
    given.end(names.chain(OF_POOL.iter().map(|(name, _)| *name)))?;
    Ok(builder)
}

/// The options that were given and not yet applied; `undefined` and `null` are as if absent.
struct Given<'env>(Vec<(String, Option<Unknown<'env>>)>);

impl<'env> Given<'env> {
    fn of(options: &Object<'env>) -> Result<Self> {
        let mut given = Vec::new();
        for name in Object::keys(options).map_err(internal)? {
            let value: Option<Unknown<'_>> = options.get(&name).map_err(internal)?;
            let value = value.filter(|value| match value.get_type() {
                Ok(ValueType::Undefined) => false,
                // For this one it is a value.
                Ok(ValueType::Null) => name == "proxy",
                _ => true,
            });
            given.push((name, value));
        }
        Ok(Self(given))
    }

    fn get(&self, name: &str) -> Option<Unknown<'env>> {
        let (_, value) = self.0.iter().find(|(given, _)| given == name)?;
        *value
    }

    fn find(
        &self,
        wanted: fn(&Kind<ClientBuilder>) -> bool,
    ) -> Option<&(&'static str, Kind<ClientBuilder>)> {
        OF_CLIENT
            .iter()
            .find(|(name, kind)| wanted(kind) && self.get(name).is_some())
    }

    /// Applies the options that the table has.
    fn apply<B>(&mut self, table: Table<B>, mut builder: B) -> Result<B> {
        for (name, value) in std::mem::take(&mut self.0) {
            match (table.iter().find(|(known, _)| *known == name), value) {
                (None, value) => self.0.push((name, value)),
                (Some(_), None) => {}
                (Some((_, kind)), Some(value)) => {
                    builder = kind.set(builder, value).map_err(|refused| match refused {
                        Refused::Type => wrong_type(&name, value, &kind.expected()),
                        Refused::Value(error) => throw_data(&error),
                    })?;
                }
            }
        }
        Ok(builder)
    }

    /// Refuses the options that no table has.
    fn end(self, known: impl Iterator<Item = &'static str>) -> Result<()> {
        let Some((name, _)) = self.0.first() else {
            return Ok(());
        };
        // `client_id` and `clientID` mean `clientId`.
        let plain = |name: &str| {
            name.replace(|c: char| !c.is_ascii_alphabetic(), "")
                .to_lowercase()
        };
        let known: Vec<_> = known.chain(OF_TYPESCRIPT).collect();
        let help = match known.iter().find(|known| plain(known) == plain(name)) {
            Some(meant) => format!("Did you mean {meant}?"),
            None => format!("The options are: {}.", known.join(", ")),
        };
        Err(invalid(
            &format!("option `{name}`: there is no such option"),
            &help,
        ))
    }
}

impl<B> Kind<B> {
    fn set(&self, builder: B, value: Unknown<'_>) -> Parsed<B> {
        fn some<T>(value: Option<T>) -> std::result::Result<T, Refused> {
            value.ok_or(Refused::Type)
        }
        Ok(match self {
            Self::Milliseconds(set) => set(builder, some(read(value).and_then(duration))?),
            Self::Backoff(set) => match read::<Vec<f64>>(value).as_deref() {
                Some([first, cap]) => set(builder, some(duration(*first))?, some(duration(*cap))?),
                _ => return Err(Refused::Type),
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

    fn expected(&self) -> String {
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
fn read<T: FromNapiValue>(value: Unknown<'_>) -> Option<T> {
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

fn next_credentials(builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    let next: NativeClientCredentials = read(value).ok_or(Refused::Type)?;
    Ok(builder.next_credentials(next.client_id, next.client_secret))
}

fn auth_style(builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    match read::<String>(value).as_deref() {
        Some("basic") => Ok(builder.auth_style(AuthStyle::Basic)),
        Some("body") => Ok(builder.auth_style(AuthStyle::Body)),
        _ => Err(Refused::Type),
    }
}

fn trusted_hosts(builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    let hosts: Vec<String> = read(value).ok_or(Refused::Type)?;
    Ok(builder.trusted_hosts(hosts))
}

fn resolve(mut builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    if value.is_array().unwrap_or(true) {
        return Err(Refused::Type);
    }
    let addresses: HashMap<String, String> = read(value).ok_or(Refused::Type)?;
    for (host, address) in addresses {
        // Without a port, the URL's port is used.
        let parsed = address
            .parse::<SocketAddr>()
            .or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
        let Ok(parsed) = parsed else {
            let what = format!("option `resolve`: the address of {host:?} is invalid");
            let help = "Give an IP address, with or without a port, such as \"127.0.0.1:8443\".";
            return Err(Refused::Value(invalid_option(&what, help)));
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

fn proxy(builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    if value.get_type().is_ok_and(|kind| kind == ValueType::Null) {
        return Ok(builder.proxy(Proxy::None));
    }
    let proxy: String = read(value).ok_or(Refused::Type)?;
    Ok(builder.proxy(match proxy.as_str() {
        "env" => Proxy::Environment,
        "none" => Proxy::None,
        _ => Proxy::Url(proxy),
    }))
}

fn store(builder: ClientBuilder, value: Unknown<'_>) -> Parsed<ClientBuilder> {
    let store: String = read(value).ok_or(Refused::Type)?;
    Ok(builder.store(store.parse::<StoreConfig>()?))
}

/// Says the type of the value but not the value, which may be a secret in the wrong place.
fn wrong_type(name: &str, value: Unknown<'_>, expected: &str) -> napi::Error<data::Thrower> {
    let is = match value.get_type() {
        _ if value.is_array().unwrap_or(false) => "an array",
        Ok(ValueType::Null) => "null",
        Ok(ValueType::Boolean) => "a boolean",
        Ok(ValueType::Number) if read::<f64>(value).is_some_and(f64::is_nan) => "NaN",
        Ok(ValueType::Number) => "a number out of range",
        Ok(ValueType::BigInt) => "a bigint",
        Ok(ValueType::String) => "a string",
        Ok(ValueType::Symbol) => "a symbol",
        Ok(ValueType::Function) => "a function",
        _ => "an object",
    };
    invalid(
        &format!("option `{name}`: it is {is}"),
        &format!("Give {expected}."),
    )
}

fn invalid(what: &str, help: &str) -> napi::Error<data::Thrower> {
    throw_data(&invalid_option(what, help))
}

fn invalid_option(what: &str, help: &str) -> Value {
    json!({ "code": "invalid_option", "kind": "configuration", "message": what, "help": help })
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
