//! Keyword arguments to the core's builder. An absent option, or None, is left to the core.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forcegrant::store::StoreConfig;
use forcegrant::{AuthStyle, ClientBuilder, ClientPoolBuilder, Environment, Proxy, Roots};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDelta, PyDict, PyMapping, PyString, PyTuple};

use crate::clock::TestClock;
use crate::error::invalid_option;
use crate::python_call;
use crate::store::is_store;

const NAMES: [&str; 32] = [
    "credentials_callback",
    "client_secret_file",
    "next_credentials",
    "introspect",
    "introspection_timeout",
    "login_budget",
    "auth_style",
    "token_url",
    "trusted_hosts",
    "allow_http_loopback",
    "resolve",
    "roots",
    "proxy",
    "connect_timeout",
    "attempt_timeout",
    "total_timeout",
    "max_attempts",
    "retry_backoff",
    "retry_after_cap",
    "call_attempts",
    "call_backoff",
    "call_retry_after_cap",
    "session_timeout",
    "refresh_window",
    "safety_margin",
    "max_stale",
    "refusal_backoff",
    "transient_backoff",
    "store",
    "store_timeout",
    "clock",
    "on_event",
];

pub(crate) fn apply(
    mut builder: ClientBuilder,
    options: &Bound<'_, PyDict>,
) -> PyResult<ClientBuilder> {
    for (name, value) in options {
        let name: String = name.extract()?;
        if !NAMES.contains(&name.as_str()) {
            return Err(PyTypeError::new_err(format!("unknown option '{name}'")));
        }
        // None says "no proxy"; everywhere else it says nothing.
        if !value.is_none() || name == "proxy" {
            builder = set(builder, &name, &value)?;
        }
    }
    Ok(builder)
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

const POOL_NAMES: [&str; 3] = ["max_clients", "logins_per_second", "concurrent_logins"];

/// The options of a pool: its own, and those that all its clients share.
pub(crate) fn apply_to_pool(
    mut builder: ClientPoolBuilder,
    options: &Bound<'_, PyDict>,
) -> PyResult<ClientPoolBuilder> {
    let shared = options.copy()?;
    for name in POOL_NAMES {
        let Some(value) = options.get_item(name)? else {
            continue;
        };
        shared.del_item(name)?;
        if value.is_none() {
            continue;
        }
        builder = match name {
            "max_clients" => {
                let most = count(name, &value, "such as 10000")?;
                builder.max_clients(usize::try_from(most).unwrap_or(usize::MAX))
            }
            "logins_per_second" => builder.logins_per_second(limit(name, &value)?),
            _ => builder.concurrent_logins(limit(name, &value)?),
        };
    }
    let mut failed = None;
    let builder = builder.options(|client| {
        apply(client.clone(), &shared).unwrap_or_else(|error| {
            failed = Some(error);
            client
        })
    });
    match failed {
        None => Ok(builder),
        Some(error) => Err(error),
    }
}

fn set(builder: ClientBuilder, name: &str, value: &Bound<'_, PyAny>) -> PyResult<ClientBuilder> {
    Ok(match name {
        "client_secret_file" => {
            builder.client_secret_file(typed::<PathBuf>(name, value, "a path")?)
        }
        "next_credentials" => {
            let (client_id, client_secret) = credentials(name, value)?;
            builder.next_credentials(client_id, client_secret)
        }
        "introspect" => builder.introspect(typed(name, value, "a bool")?),
        "introspection_timeout" => builder.introspection_timeout(duration(name, value)?),
        "login_budget" => builder.login_budget(login_budget(value)?),
        "auth_style" => builder.auth_style(auth_style(value)?),
        "token_url" => builder.token_url(text(name, value)?),
        "trusted_hosts" => builder.trusted_hosts(texts(name, value)?),
        "allow_http_loopback" => builder.allow_http_loopback(typed(name, value, "a bool")?),
        "resolve" => resolve(builder, value)?,
        "roots" => builder.roots(roots(value)?),
        "proxy" => builder.proxy(proxy(value)?),
        "connect_timeout" => builder.connect_timeout(duration(name, value)?),
        "attempt_timeout" => builder.attempt_timeout(duration(name, value)?),
        "total_timeout" => builder.total_timeout(duration(name, value)?),
        "max_attempts" => builder.max_attempts(count(name, value, "such as 3")?),
        "retry_backoff" => builder.retry_backoff(duration(name, value)?),
        "retry_after_cap" => builder.retry_after_cap(duration(name, value)?),
        "call_attempts" => builder.call_attempts(count(name, value, "such as 3")?),
        "call_backoff" => {
            let (first, cap) = durations(name, value)?;
            builder.call_backoff(first, cap)
        }
        "call_retry_after_cap" => builder.call_retry_after_cap(duration(name, value)?),
        "session_timeout" => builder.session_timeout(duration(name, value)?),
        "refresh_window" => builder.refresh_window(duration(name, value)?),
        "safety_margin" => builder.safety_margin(duration(name, value)?),
        "max_stale" => builder.max_stale(duration(name, value)?),
        "refusal_backoff" => {
            let (first, cap) = durations(name, value)?;
            builder.refusal_backoff(first, cap)
        }
        "transient_backoff" => {
            let (first, cap) = durations(name, value)?;
            builder.transient_backoff(first, cap)
        }
        // A store that is written in Python: see `Core::build`.
        "store" if is_store(value)? => builder,
        "store" => builder.store(sharing(value)?),
        "store_timeout" => builder.store_timeout(duration(name, value)?),
        "clock" => builder.clock(clock(value)?),
        // `on_event` and `credentials_callback`: see `callable`.
        _ => builder,
    })
}

/// The function that an option names, if it does.
pub(crate) fn callable(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Option<Py<PyAny>>> {
    match options.get_item(name)? {
        Some(function) if function.is_callable() => Ok(Some(function.unbind())),
        Some(other) if !other.is_none() => Err(wrong_type(name, &other, "a callable")),
        _ => Ok(None),
    }
}

/// The number of seconds in a number or a `timedelta`.
#[pyfunction]
pub(crate) fn seconds(name: &str, value: &Bound<'_, PyAny>) -> PyResult<f64> {
    Ok(duration(name, value)?.as_secs_f64())
}

pub(crate) fn duration(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let seconds: f64 = if value.is_instance_of::<PyDelta>() {
        python_call::call(&value.getattr("total_seconds")?, (), None)?.extract()?
    } else {
        typed(name, value, "a number of seconds or a timedelta")?
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| {
        invalid_option(
            value.py(),
            name,
            &format!("{seconds} seconds is no length of time"),
            "Give a number of seconds that is not negative, such as 10 or 0.5, or a timedelta.",
        )
    })
}

fn durations(name: &str, value: &Bound<'_, PyAny>) -> PyResult<(Duration, Duration)> {
    let wrong = || {
        invalid_option(
            value.py(),
            name,
            "it takes two lengths of time",
            "Give the first and the longest, in seconds, such as (5, 60).",
        )
    };
    if value.is_instance_of::<PyString>() {
        return Err(wrong());
    }
    let items: Vec<Bound<'_, PyAny>> = value.extract().map_err(|_| wrong())?;
    match items.as_slice() {
        [first, cap] => Ok((duration(name, first)?, duration(name, cap)?)),
        _ => Err(wrong()),
    }
}

fn auth_style(value: &Bound<'_, PyAny>) -> PyResult<AuthStyle> {
    match text("auth_style", value)?.as_str() {
        "body" => Ok(AuthStyle::Body),
        "basic" => Ok(AuthStyle::Basic),
        other => Err(invalid_option(
            value.py(),
            "auth_style",
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

fn roots(value: &Bound<'_, PyAny>) -> PyResult<Roots> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Roots::Pem(bytes.as_bytes().to_vec()));
    }
    Ok(match text("roots", value)?.as_str() {
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
fn sharing(value: &Bound<'_, PyAny>) -> PyResult<StoreConfig> {
    let text: String = typed("store", value, "a str or a store")?;
    text.parse()
        .map_err(|error| crate::error::raise(value.py(), &error))
}

fn login_budget(value: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    limit("login_budget", value)
}

/// A number, or "none" for no limit.
fn limit(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
    if value.extract::<&str>().is_ok_and(|text| text == "none") {
        return Ok(None);
    }
    count(name, value, "such as 1000, or \"none\"").map(Some)
}

fn count(name: &str, value: &Bound<'_, PyAny>, right: &str) -> PyResult<u32> {
    let number: i64 = typed(name, value, "an int")?;
    u32::try_from(number).map_err(|_| {
        invalid_option(
            value.py(),
            name,
            &format!("{number} is out of range"),
            &format!("Give a number of 1 or more, {right}."),
        )
    })
}

/// A client id and its secret.
pub(crate) fn credentials(name: &str, value: &Bound<'_, PyAny>) -> PyResult<(String, String)> {
    typed(name, value, "a tuple of client id and client secret")
}

fn clock(value: &Bound<'_, PyAny>) -> PyResult<forcegrant::Clock> {
    let clock = value.cast::<TestClock>().map_err(|_| {
        PyTypeError::new_err("option 'clock': expected a forcegrant.testing.TestClock")
    })?;
    Ok(clock.get().0.clone().into())
}

pub(crate) fn text(name: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    typed(name, value, "a str")
}

fn texts(name: &str, value: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    // A str is an iterable of strings too, and never what was meant.
    if value.is_instance_of::<PyString>() {
        return Err(wrong_type(name, value, "an iterable of str"));
    }
    let items = value
        .try_iter()
        .map_err(|_| wrong_type(name, value, "an iterable of str"))?;
    items.map(|item| text(name, &item?)).collect()
}

fn typed<'py, T>(name: &str, value: &Bound<'py, PyAny>, expected: &str) -> PyResult<T>
where
    T: for<'a> FromPyObject<'a, 'py>,
{
    value
        .extract()
        .map_err(|_| wrong_type(name, value, expected))
}

/// Names the type that was given, never the value: it may be a secret in the wrong place.
fn wrong_type(name: &str, value: &Bound<'_, PyAny>, expected: &str) -> PyErr {
    let given = value
        .get_type()
        .name()
        .map_or_else(|_| "something else".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("option '{name}': expected {expected}, not {given}"))
}
