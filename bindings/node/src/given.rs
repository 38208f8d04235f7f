//! The options that JavaScript gave: each is looked up in the table and set; errors say what is wrong with one.

use forcegrant::{Client, ClientBuilder, ClientPoolBuilder, Environment};
use napi::bindgen_prelude::{Object, Unknown};
use napi::{JsValue, ValueType};
use napi_derive::napi;
use serde_json::json;

use crate::data::{Result, Thrower, internal, throw, throw_data};
use crate::options::{
    InvalidValue, OF_CLIENT, OF_POOL, OF_TYPESCRIPT, OptionKind, OptionTable, read,
};

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
    let mut given = GivenOptions::of(options)?;
    let builder = if from_env {
        if let Some((name, _)) = given.find(|kind| matches!(kind, OptionKind::Start(..))) {
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
    let mut given = GivenOptions::of(options)?;
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

    fn find(
        &self,
        wanted: fn(&OptionKind<ClientBuilder>) -> bool,
    ) -> Option<&(&'static str, OptionKind<ClientBuilder>)> {
        OF_CLIENT
            .iter()
            .find(|(name, kind)| wanted(kind) && self.get(name).is_some())
    }

    /// Applies the options that the table has.
    fn apply<B>(&mut self, table: OptionTable<B>, mut builder: B) -> Result<B> {
        for (name, value) in std::mem::take(&mut self.0) {
            match (table.iter().find(|(known, _)| *known == name), value) {
                (None, value) => self.0.push((name, value)),
                (Some(_), None) => {}
                (Some((_, kind)), Some(value)) => {
                    builder = kind.set(builder, value).map_err(|refused| match refused {
                        InvalidValue::Type => wrong_type(&name, value, &kind.expected()),
                        InvalidValue::Core(error) => throw(error),
                        InvalidValue::Value(what, help) => invalid(&what, help),
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
