//! The options that JavaScript gave: each is looked up in the table and set; errors say what is wrong with one.

use std::collections::HashMap;

use forcegrant::ffi::{self, CLIENT_OPTIONS, OptionKind, OptionTable, POOL_OPTIONS};
use forcegrant::{Client, ClientBuilder, ClientPoolBuilder, Environment};
use napi::bindgen_prelude::{Object, Unknown};
use napi::{JsValue, ValueType};
use napi_derive::napi;
use serde_json::json;

use crate::data::{Result, Thrower, internal, throw, throw_data};
use crate::options::{
    InvalidValue, OF_TYPESCRIPT, OptionSetter, ReadOption, camel_case, expected, names, nothing,
    of_kind, own, read,
};

/// The names of the environment variables that the core reads. JavaScript passes their values, because `process.env`
/// of a worker is not the environment of the process.
#[napi(catch_unwind)]
pub fn environment_names() -> Vec<String> {
    let names = Environment::names().chain([EXTRA_ROOTS]);
    names.map(str::to_owned).collect()
}

/// Names a PEM file with certificates beside the system's.
const EXTRA_ROOTS: &str = "NODE_EXTRA_CA_CERTS";

/// A builder with these variables.
pub(crate) fn surrounded(
    builder: ClientBuilder,
    variables: &HashMap<String, String>,
) -> ClientBuilder {
    let builder = builder.environment(Environment::of(variables));
    match variables.get(EXTRA_ROOTS).filter(|path| !path.is_empty()) {
        Some(path) => ffi::with_extra_roots(builder, path.into()),
        None => builder,
    }
}

/// Options as they were read, to be set on any thread.
pub(crate) struct ReadOptions<B>(Vec<OptionSetter<B>>);

impl<B> ReadOptions<B> {
    pub(crate) fn apply(&self, builder: B) -> B {
        self.0.iter().fold(builder, |builder, set| set(builder))
    }
}

/// The builder of a client with these options, credentials among them.
pub(crate) fn builder(
    options: &Object<'_>,
    environment: &HashMap<String, String>,
) -> Result<ClientBuilder> {
    let given = GivenOptions::of(options)?;
    // The core has an error for what is missing.
    let text = |name| given.get(name).and_then(read::<String>).unwrap_or_default();
    let builder = Client::builder(text("loginUrl"), text("clientId"), text("clientSecret"));
    let setters = given.of_client()?;
    Ok(setters.apply(surrounded(builder, environment)))
}

/// The options of a client whose credentials come from somewhere else, as TypeScript has checked.
pub(crate) fn client_options(options: &Object<'_>) -> Result<ReadOptions<ClientBuilder>> {
    GivenOptions::of(options)?.of_client()
}

/// Sets the options of a pool and those of its clients.
pub(crate) fn pool_builder(
    options: &Object<'_>,
    environment: &HashMap<String, String>,
    builder: ClientPoolBuilder,
) -> Result<ClientPoolBuilder> {
    let mut given = GivenOptions::of(options)?;
    let of_pool = given.read(POOL_OPTIONS, |_, _| Ok(nothing()))?;
    let of_clients = given.read(CLIENT_OPTIONS, own)?;
    given.end(names())?;
    let set = |client: ClientBuilder| of_clients.apply(surrounded(client, environment));
    Ok(of_pool.apply(builder).options(set))
}

/// The options that were given and not yet read; `undefined` and `null` are as if absent.
struct GivenOptions<'env>(Vec<(String, Option<Unknown<'env>>)>);

impl<'env> GivenOptions<'env> {
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

    /// All of them, which are those of a client.
    fn of_client(mut self) -> Result<ReadOptions<ClientBuilder>> {
        let setters = self.read(CLIENT_OPTIONS, own)?;
        self.end(CLIENT_OPTIONS.iter().map(|(name, _)| *name))?;
        Ok(setters)
    }

    /// Reads the options that the table has.
    fn read<B: 'static>(
        &mut self,
        table: OptionTable<B>,
        own: fn(&str, Unknown<'_>) -> ReadOption<B>,
    ) -> Result<ReadOptions<B>> {
        let mut setters = Vec::new();
        for (given, value) in std::mem::take(&mut self.0) {
            let known = table.iter().find(|(name, _)| camel_case(name) == given);
            match (known, value) {
                (None, value) => self.0.push((given, value)),
                (Some(_), None) => {}
                (Some((name, kind)), Some(value)) => {
                    let read = match kind {
                        OptionKind::Own => own(name, value),
                        _ => of_kind(kind, value),
                    };
                    setters.push(read.map_err(|invalid_value| match invalid_value {
                        InvalidValue::Type => wrong_type(&given, value, expected(name, kind)),
                        InvalidValue::Core(error) => throw(error),
                        InvalidValue::Value(what, help) => invalid(&what, help),
                    })?);
                }
            }
        }
        Ok(ReadOptions(setters))
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
        let of_typescript = OF_TYPESCRIPT.into_iter().map(str::to_owned);
        let known: Vec<_> = known.map(camel_case).chain(of_typescript).collect();
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

/// Says the type of the value but not the value, which may be a secret in the wrong place.
fn wrong_type(name: &str, value: Unknown<'_>, expected: &str) -> napi::Error<Thrower> {
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

fn invalid(what: &str, help: &str) -> napi::Error<Thrower> {
    throw_data(&json!({
        "code": "invalid_option",
        "kind": "configuration",
        "message": what,
        "help": help,
    }))
}
