//! Keyword arguments to the core's builder. An absent option, or None, is left to the core.

use std::ffi::OsString;
use std::net::SocketAddr;

use forcegrant::ffi::{CLIENT_OPTIONS, OptionKind, OptionTable, POOL_OPTIONS};
use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, ClientPoolBuilder, Clock, Environment, Proxy, Roots};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMapping, PyTuple};

use crate::clock::PyTestClock;
use crate::error::{invalid_option, raise};
use crate::python_call;
use crate::values::{
    credentials, duration, durations, flag, limit, number, path, text, texts, typed,
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
        "auth_style" | "clock" | "resolve" | "roots" | "store" if value.is_none() => Ok(builder),
        "auth_style" => Ok(builder.auth_style(auth_style(name, value)?)),
        "clock" => Ok(builder.clock(clock(value)?)),
        "resolve" => resolve(builder, value),
        "roots" => Ok(builder.roots(roots(name, value)?)),
        "store" if is_store(value)? => Ok(builder),
        "store" => Ok(builder.store(store(value)?)),
        _ => match kind_of(CLIENT_OPTIONS, name) {
            None | Some(OptionKind::Own) => {
                Err(PyTypeError::new_err(format!("unknown option '{name}'")))
            }
            Some(kind) => set_kind(kind, builder, name, value),
        },
    }
}

fn kind_of<B>(table: OptionTable<B>, name: &str) -> Option<&'static OptionKind<B>> {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| kind)
}

/// Sets an option of a kind that the core's table tells.
fn set_kind<B>(
    kind: &OptionKind<B>,
    builder: B,
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<B> {
    Ok(match kind {
        _ if value.is_none() => builder,
        OptionKind::Duration(set) => set(builder, duration(name, value)?),
        OptionKind::Backoff(set) => {
            let (first, cap) = durations(name, value)?;
            set(builder, first, cap)
        }
        OptionKind::Number(set) => set(builder, number(name, value)?),
        OptionKind::Limit(set) => set(builder, limit(name, value)?),
        OptionKind::Flag(set) => set(builder, flag(name, value)?),
        OptionKind::Text(set) => set(builder, text(name, value)?),
        OptionKind::Texts(set) => set(builder, texts(name, value)?),
        OptionKind::Path(set) => set(builder, path(name, value)?),
        OptionKind::Credentials(set) => {
            let (id, secret) = credentials(name, value)?;
            set(builder, id, secret)
        }
        OptionKind::Own => builder,
    })
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
        if let Some(kind) = kind_of(POOL_OPTIONS, &name) {
            builder = set_kind(kind, builder, &name, &value)?;
            continue;
        }
        let mut outcome = Ok(());
        builder = builder.options(|client| {
            set(client.clone(), &name, &value).unwrap_or_else(|error| {
                outcome = Err(error);
                client
            })
        });
        outcome?;
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

fn clock(value: &Bound<'_, PyAny>) -> PyResult<Clock> {
    let clock = value.cast::<PyTestClock>().map_err(|_| {
        PyTypeError::new_err("option 'clock': expected a forcegrant.testing.TestClock")
    })?;
    Ok(clock.get().0.clone().into())
}
