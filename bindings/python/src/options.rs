//! Keyword arguments to the core's builder. An absent option, or None, is left to the core.

use std::ffi::OsString;
use std::net::SocketAddr;

use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, ClientPoolBuilder, Clock, Environment, Proxy, Roots};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyTuple};

use crate::clock::PyTestClock;
use crate::error::{invalid_option, raise};
use crate::python_call;
use crate::values::{
    count, credentials, duration, durations, flag, limit, number, path, text, texts, typed,
};

/// Sets an option on the core's builder.
type OptionSetter = fn(ClientBuilder, &str, &Bound<'_, PyAny>) -> PyResult<ClientBuilder>;

/// The options whose value one function reads, and the builder's method of the same name takes: as one
/// argument, or as two.
macro_rules! options {
    (one: { $($read:ident: $($name:ident)+;)+ } two: { $($read_two:ident: $($name_two:ident)+;)+ }) => {
        [
            $($((
                stringify!($name),
                (|builder, name, value| Ok(builder.$name($read(name, value)?))) as OptionSetter,
            ),)+)+
            $($((
                stringify!($name_two),
                (|builder, name, value| {
                    let (first, second) = $read_two(name, value)?;
                    Ok(builder.$name_two(first, second))
                }) as OptionSetter,
            ),)+)+
        ]
    };
}

const OPTIONS: [(&str, OptionSetter); 27] = options! {
    one: {
        auth_style: auth_style;
        clock: clock;
        flag: introspect allow_http_loopback;
        limit: login_budget;
        number: max_attempts call_attempts;
        path: client_secret_file;
        roots: roots;
        text: token_url;
        texts: trusted_hosts;
        duration: introspection_timeout connect_timeout attempt_timeout total_timeout retry_backoff
            retry_after_cap call_retry_after_cap session_timeout refresh_window safety_margin
            max_stale store_timeout;
    }
    two: {
        credentials: next_credentials;
        durations: call_backoff refusal_backoff transient_backoff;
    }
};

/// Sets all options but the functions and a store in Python, which `Callbacks` knows.
pub(crate) fn apply(
    mut builder: ClientBuilder,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<ClientBuilder> {
    for (name, value) in options.into_iter().flatten() {
        builder = set(builder, &name.extract::<String>()?, &value)?;
    }
    Ok(builder)
}

fn set(builder: ClientBuilder, name: &str, value: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    match name {
        "on_event" | "credentials_callback" => Ok(builder),
        // None says "no proxy"; everywhere else it says nothing.
        "proxy" => Ok(builder.proxy(proxy(value)?)),
        "resolve" | "store" if value.is_none() => Ok(builder),
        "resolve" => resolve(builder, value),
        "store" if is_store(value)? => Ok(builder),
        "store" => Ok(builder.store(store(value)?)),
        _ => match OPTIONS.iter().find(|(known, _)| *known == name) {
            None => Err(PyTypeError::new_err(format!("unknown option '{name}'"))),
            Some(_) if value.is_none() => Ok(builder),
            Some((_, set)) => set(builder, name, value),
        },
    }
}

/// `os.environ`. The usual one writes through to the process, whose variables can be read again at any time;
/// one that a program put in its place is read now.
pub(crate) fn environment(py: Python<'_>) -> PyResult<Environment> {
    let os = python_call::module(py, "os")?;
    let environ = os.getattr("environ")?;
    if environ.get_type().is(&os.getattr("_Environ")?) {
        return Ok(Environment::process());
    }
    let get = environ.getattr("get")?;
    let mut variables = Vec::new();
    for name in Environment::names() {
        let value = python_call::call(&get, (name,), None)?;
        if !value.is_none() {
            variables.push((name, value.extract::<OsString>()?));
        }
    }
    Ok(Environment::of(variables))
}

/// The options of a pool: its own, and those that all its clients share.
pub(crate) fn apply_to_pool(
    mut builder: ClientPoolBuilder,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<ClientPoolBuilder> {
    for (name, value) in options.into_iter().flatten() {
        let name = name.extract::<String>()?;
        builder = match name.as_str() {
            "max_clients" | "logins_per_second" | "concurrent_logins" if value.is_none() => builder,
            "max_clients" => {
                let most = count(&name, &value, "such as 10000")?;
                builder.max_clients(usize::try_from(most).unwrap_or(usize::MAX))
            }
            "logins_per_second" => builder.logins_per_second(limit(&name, &value)?),
            "concurrent_logins" => builder.concurrent_logins(limit(&name, &value)?),
            _ => {
                let mut outcome = Ok(());
                let builder = builder.options(|client| match set(client.clone(), &name, &value) {
                    Ok(client) => client,
                    Err(error) => {
                        outcome = Err(error);
                        client
                    }
                });
                outcome.map(|()| builder)?
            }
        };
    }
    Ok(builder)
}

fn auth_style(name: &str, value: &Bound<'_, PyAny>) -> PyResult<AuthStyle> {
    match text(name, value)?.as_str() {
        "body" => Ok(AuthStyle::Body),
        "basic" => Ok(AuthStyle::Basic),
        other => Err(invalid_option(
            value.py(),
            name,
            &format!("there is no style '{other}'"),
            "Give \"body\" or \"basic\".",
        )),
    }
}

fn resolve(mut builder: ClientBuilder, value: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    let mapping = value.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err("option 'resolve': expected a mapping of host name to 'address:port'")
    })?;
    for item in mapping.items()?.iter() {
        let item = item.cast_into::<PyTuple>()?;
        let host = text("resolve", &item.get_item(0)?)?;
        let address = text("resolve", &item.get_item(1)?)?;
        let address: SocketAddr = address.parse().map_err(|_| {
            invalid_option(
                value.py(),
                "resolve",
                &format!("'{address}' is not an IP address with a port"),
                "Give an address and a port, such as 127.0.0.1:8443 or [::1]:8443.",
            )
        })?;
        builder = builder.resolve(host, address);
    }
    Ok(builder)
}

fn roots(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Roots> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Roots::Pem(bytes.as_bytes().to_vec()));
    }
    Ok(match text(name, value)?.as_str() {
        "platform" => Roots::Platform,
        "bundled" => Roots::Bundled,
        pem => Roots::Pem(pem.as_bytes().to_vec()),
    })
}

fn proxy(value: &Bound<'_, PyAny>) -> PyResult<Proxy> {
    if value.is_none() {
        return Ok(Proxy::None);
    }
    Ok(match text("proxy", value)?.as_str() {
        "env" => Proxy::Environment,
        url => Proxy::Url(url.to_owned()),
    })
}

/// What tokens are shared through, in the text form of the core.
fn store(value: &Bound<'_, PyAny>) -> PyResult<StoreConfig> {
    let text: String = typed("store", value, "a str or a store")?;
    text.parse().map_err(|error| raise(value.py(), &error))
}

/// Whether an option's value is a store: it has the methods of one.
pub(crate) fn is_store(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    for method in ["get", "put", "acquire", "release", "count"] {
        if !value.hasattr(method)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn clock(_: &str, value: &Bound<'_, PyAny>) -> PyResult<Clock> {
    let clock = value.cast::<PyTestClock>().map_err(|_| {
        PyTypeError::new_err("option 'clock': expected a forcegrant.testing.TestClock")
    })?;
    Ok(clock.get().0.clone().into())
}
