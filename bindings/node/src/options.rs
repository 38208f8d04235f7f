//! The values of options: how JavaScript writes those whose kind the core's table tells, and those that JavaScript reads
//! in a way of its own. The core decides what an absent option means and whether a value makes sense.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use forcegrant::ffi::{self, CLIENT_OPTIONS, OptionKind, POOL_OPTIONS};
use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, Error, Proxy, Roots};
use napi::bindgen_prelude::{FromNapiValue, Object, Unknown};
use napi::{JsValue, ValueType};

/// What an option does to a builder, on any thread.
pub(crate) type OptionSetter<B> = Box<dyn Fn(B) -> B + Send + Sync>;

/// An option as it was read.
pub(crate) type ReadOption<B> = std::result::Result<OptionSetter<B>, InvalidValue>;

/// Why a value was refused.
pub(crate) enum InvalidValue {
    Type,
    /// By the core.
    Core(Error),
    /// What is wrong, and the help.
    Value(String, &'static str),
}

/// The options that TypeScript takes.
pub(crate) const OF_TYPESCRIPT: [&str; 5] = [
    "credentialsCallback",
    "connections",
    "clock",
    "onEvent",
    "fetch",
];
/// Reads an option of a kind that the core's table tells.
pub(crate) fn of_kind<B: 'static>(
    kind: &'static OptionKind<B>,
    value: Unknown<'_>,
) -> ReadOption<B> {
    Ok(match kind {
        OptionKind::Duration(set) => with(some(read(value).and_then(duration))?, set),
        OptionKind::Backoff(set) => match read::<Vec<f64>>(value).as_deref() {
            Some([first, cap]) => {
                let pauses = (some(duration(*first))?, some(duration(*cap))?);
                with(pauses, |builder, (first, cap)| set(builder, first, cap))
            }
            _ => return Err(InvalidValue::Type),
        },
        OptionKind::Number(set) => with(some(read(value).and_then(whole))?, set),
        OptionKind::Limit(set) if read::<String>(value).as_deref() == Some("none") => {
            with(None, set)
        }
        OptionKind::Limit(set) => with(Some(some(read(value).and_then(whole))?), set),
        OptionKind::Flag(set) => with(some(read(value))?, set),
        OptionKind::Text(set) => with(some(read(value))?, set),
        OptionKind::Texts(set) => with(some(read(value))?, set),
        OptionKind::Path(set) => with(some(read::<String>(value))?.into(), set),
        OptionKind::Credentials(set) => {
            let text = |name| read::<Object<'_>>(value)?.get::<String>(name).ok()?;
            let pair = some(text("clientId").zip(text("clientSecret")))?;
            with(pair, |builder, (id, secret)| set(builder, id, secret))
        }
        OptionKind::Own => nothing(),
    })
}

/// Reads an option that JavaScript reads in a way of its own.
pub(crate) fn own(name: &str, value: Unknown<'_>) -> ReadOption<ClientBuilder> {
    Ok(match name {
        "auth_style" => with(auth_style(value)?, ClientBuilder::auth_style),
        "resolve" => with(resolve(value)?, |builder, hosts| {
            let set = |builder: ClientBuilder, (host, address)| builder.resolve(host, address);
            hosts.into_iter().fold(builder, set)
        }),
        "roots" => with(roots(value)?, ClientBuilder::roots),
        "proxy" => with(proxy(value)?, ClientBuilder::proxy),
        "store" => with(store(value)?, ClientBuilder::store),
        // The builder was made of it.
        _ => some(read::<String>(value)).map(|_| nothing())?,
    })
}

fn some<T>(value: Option<T>) -> std::result::Result<T, InvalidValue> {
    value.ok_or(InvalidValue::Type)
}

fn with<B, T: Clone + Send + Sync + 'static>(
    value: T,
    set: impl Fn(B, T) -> B + Send + Sync + 'static,
) -> OptionSetter<B> {
    Box::new(move |builder| set(builder, value.clone()))
}

/// What an option does that was not given, or that something else takes.
pub(crate) fn nothing<B>() -> OptionSetter<B> {
    Box::new(|builder| builder)
}

/// What was expected of a value.
pub(crate) fn expected<B>(name: &str, kind: &OptionKind<B>) -> &'static str {
    match kind {
        OptionKind::Duration(_) => "a number of milliseconds, such as 5000",
        OptionKind::Backoff(_) => {
            "two numbers of milliseconds, [first, cap], such as [5000, 60000]"
        }
        OptionKind::Number(_) => "a whole number, such as 3",
        OptionKind::Limit(_) => "a whole number, such as 3, or \"none\"",
        OptionKind::Flag(_) => "true or false",
        OptionKind::Text(_) => "a string: a URL",
        OptionKind::Texts(_) => "an array of host names",
        OptionKind::Path(_) => "a string: the path of a file",
        OptionKind::Credentials(_) => "an object: { clientId, clientSecret }",
        OptionKind::Own => match name {
            "login_url" => "a string: such as \"acme.my.salesforce.com\"",
            "client_id" => "a string: the consumer key",
            "client_secret" => "a string: the consumer secret",
            "auth_style" => "\"body\" or \"basic\"",
            "roots" => "a string: \"platform\", \"bundled\", the path of a PEM file or its text",
            "proxy" => "a string: \"env\", \"none\", null or the URL of a proxy",
            "resolve" => {
                "an object from host names to addresses, such as { \"acme.my.salesforce.com\": \"127.0.0.1:8443\" }"
            }
            _ => "a string: \"process\", \"off\", \"file\", the URL of a store, or a store",
        },
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

fn auth_style(value: Unknown<'_>) -> std::result::Result<AuthStyle, InvalidValue> {
    match read::<String>(value).as_deref() {
        Some("basic") => Ok(AuthStyle::Basic),
        Some("body") => Ok(AuthStyle::Body),
        _ => Err(InvalidValue::Type),
    }
}

fn resolve(value: Unknown<'_>) -> std::result::Result<Vec<(String, SocketAddr)>, InvalidValue> {
    if value.is_array().unwrap_or(true) {
        return Err(InvalidValue::Type);
    }
    let addresses: HashMap<String, String> = some(read(value))?;
    let parsed = addresses.into_iter().map(|(host, address)| {
        // Without a port, the URL's port is used.
        let parsed = address
            .parse::<SocketAddr>()
            .or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)));
        let Ok(parsed) = parsed else {
            let what = format!("option `resolve`: the address of {host:?} is invalid");
            let help = "Give an IP address, with or without a port, such as \"127.0.0.1:8443\".";
            return Err(InvalidValue::Value(what, help));
        };
        Ok((host, parsed))
    });
    parsed.collect()
}

fn roots(value: Unknown<'_>) -> std::result::Result<Roots, InvalidValue> {
    let roots: String = some(read(value))?;
    Ok(ffi::roots_of_text(&roots))
}

fn proxy(value: Unknown<'_>) -> std::result::Result<Proxy, InvalidValue> {
    if value.get_type().is_ok_and(|kind| kind == ValueType::Null) {
        return Ok(Proxy::None);
    }
    let proxy: String = some(read(value))?;
    Ok(match proxy.as_str() {
        "env" => Proxy::Environment,
        "none" => Proxy::None,
        _ => Proxy::Url(proxy),
    })
}

fn store(value: Unknown<'_>) -> std::result::Result<StoreConfig, InvalidValue> {
    let store: String = some(read(value))?;
    store.parse().map_err(InvalidValue::Core)
}

/// A name of the core in JavaScript's form: `loginBudget` for `login_budget`.
pub(crate) fn camel_case(name: &str) -> String {
    let (first, rest) = name.split_at(name.find('_').unwrap_or(name.len()));
    let words = rest.split('_').filter(|word| !word.is_empty());
    let words = words.map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    first.to_owned() + &words.collect::<String>()
}

/// The names of the core's options.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let of_client = CLIENT_OPTIONS.iter().map(|(name, _)| *name);
    of_client.chain(POOL_OPTIONS.iter().map(|(name, _)| *name))
}

/// A text of the core, with options in JavaScript's names.
pub(crate) fn in_camel_case(text: &str) -> String {
    names().fold(text.to_owned(), |text, name| {
        text.replace(&format!("`{name}`"), &format!("`{}`", camel_case(name)))
    })
}
