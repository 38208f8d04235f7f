//! Keyword arguments to the core's builder. An absent option, or None, is left to the core.

use std::ffi::OsString;
use std::net::SocketAddr;

use forcegrant::ffi::{self, CLIENT_OPTIONS, OptionKind, OptionTable, POOL_OPTIONS};
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

/// What an option does to a builder.
type SetOption<B> = Box<dyn Fn(B) -> B + Send + Sync>;

/// The options of a client as they were read, to be set on any thread.
pub(crate) struct OptionSetters(Vec<SetOption<ClientBuilder>>);

impl OptionSetters {
    /// All but the functions and a store in Python, which `Callbacks` knows.
    pub(crate) fn read(options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options.into_iter().flatten();
        let read = options.map(|(name, value)| option(&name.extract::<String>()?, &value));
        read.collect::<PyResult<_>>().map(Self)
    }

    pub(crate) fn apply(&self, builder: ClientBuilder) -> ClientBuilder {
        self.0.iter().fold(builder, |builder, set| set(builder))
    }
}

fn option(name: &str, value: &Bound<'_, PyAny>) -> PyResult<SetOption<ClientBuilder>> {
    match name {
        "on_event" | "credentials_callback" => Ok(nothing()),
        // None says "no proxy"; everywhere else it says nothing.
        "proxy" => Ok(with(proxy(value)?, ClientBuilder::proxy)),
        "auth_style" | "clock" | "resolve" | "roots" | "store" if value.is_none() => Ok(nothing()),
        "auth_style" => Ok(with(auth_style(name, value)?, ClientBuilder::auth_style)),
        "clock" => Ok(with(clock(value)?, ClientBuilder::clock)),
        "resolve" => Ok(with(resolve(value)?, |builder, hosts| {
            let set = |builder: ClientBuilder, (host, address)| builder.resolve(host, address);
            hosts.into_iter().fold(builder, set)
        })),
        "roots" => Ok(with(roots(name, value)?, ClientBuilder::roots)),
        "store" if is_store(value)? => Ok(nothing()),
        "store" => Ok(with(store(value)?, ClientBuilder::store)),
        _ => match kind_of(CLIENT_OPTIONS, name) {
            None | Some(OptionKind::Own) => {
                Err(PyTypeError::new_err(format!("unknown option '{name}'")))
            }
            Some(kind) => option_of_kind(kind, name, value),
        },
    }
}

fn with<B, T: Clone + Send + Sync + 'static>(
    value: T,
    set: impl Fn(B, T) -> B + Send + Sync + 'static,
) -> SetOption<B> {
    Box::new(move |builder| set(builder, value.clone()))
}

fn nothing<B>() -> SetOption<B> {
    Box::new(|builder| builder)
}

fn kind_of<B>(table: OptionTable<B>, name: &str) -> Option<&'static OptionKind<B>> {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| kind)
}

/// An option of a kind that the core's table tells.
fn option_of_kind<B: 'static>(
    kind: &'static OptionKind<B>,
    name: &str,
    value: &Bound<'_, PyAny>,
) -> PyResult<SetOption<B>> {
    Ok(match kind {
        _ if value.is_none() => nothing(),
        OptionKind::Duration(set) => with(duration(name, value)?, set),
        OptionKind::Backoff(set) => with(durations(name, value)?, |builder, (first, cap)| {
            set(builder, first, cap)
        }),
        OptionKind::Number(set) => with(number(name, value)?, set),
        OptionKind::Limit(set) => with(limit(name, value)?, set),
        OptionKind::Flag(set) => with(flag(name, value)?, set),
        OptionKind::Text(set) => with(text(name, value)?, set),
        OptionKind::Texts(set) => with(texts(name, value)?, set),
        OptionKind::Path(set) => with(path(name, value)?, set),
        OptionKind::Credentials(set) => {
            let pair = credentials(name, value)?;
            with(pair, |builder, (id, secret)| set(builder, id, secret))
        }
        OptionKind::Own => nothing(),
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
        builder = match kind_of(POOL_OPTIONS, &name) {
            // The pool has read it.
            _ if name == "connections" => builder,
            Some(kind) => option_of_kind(kind, &name, &value)?(builder),
            None => builder.options(option(&name, &value)?),
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

fn resolve(value: &Bound<'_, PyAny>) -> PyResult<Vec<(String, SocketAddr)>> {
    let mapping = value.cast::<PyMapping>().map_err(|_| {
        PyTypeError::new_err("option 'resolve': expected a mapping of host name to 'address:port'")
    })?;
    let mut hosts = Vec::new();
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
        hosts.push((host, address));
    }
    Ok(hosts)
}

fn roots(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Roots> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Roots::Pem(bytes.as_bytes().to_vec()));
    }
    Ok(ffi::roots_of_text(&text(name, value)?))
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
