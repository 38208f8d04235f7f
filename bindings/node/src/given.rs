//! The options that JavaScript gave: each is looked up in the table and set; errors say what is wrong with one.

use forcegrant::ffi::{CLIENT_OPTIONS, OptionKind, OptionTable, POOL_OPTIONS};
use forcegrant::{Client, ClientBuilder, ClientPoolBuilder, Environment};
use napi::bindgen_prelude::{Object, Unknown};
use napi::{JsValue, ValueType};
use napi_derive::napi;
use serde_json::json;

use crate::data::{Result, Thrower, internal, throw, throw_data};
use crate::options::{
    InvalidValue, OF_ENVIRONMENT, OF_TYPESCRIPT, WithOption, camel_case, expected, names, read,
    set, set_own,
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
        let mut names = OF_ENVIRONMENT.into_iter().map(camel_case);
        if let Some(name) = names.find(|name| given.get(name).is_some()) {
            let what = format!("{name} comes from the environment");
            return Err(invalid(&what, "To set it, use new Client."));
        }
        ClientBuilder::from_environment(environment.clone()).map_err(throw)?
    } else {
        // The core has an error for what is missing.
        let text = |name| given.get(name).and_then(read::<String>).unwrap_or_default();
        Client::builder(text("loginUrl"), text("clientId"), text("clientSecret"))
    };
    let builder = given.apply(CLIENT_OPTIONS, builder.environment(environment), set_own)?;
    given.end(CLIENT_OPTIONS.iter().map(|(name, _)| *name))?;
    Ok(builder)
}

/// Sets the options of a pool and those of its clients.
pub(crate) fn pool_builder(
    options: &Object<'_>,
    environment: Environment,
    builder: ClientPoolBuilder,
) -> Result<ClientPoolBuilder> {
    let mut given = GivenOptions::of(options)?;
    let builder = given.apply(POOL_OPTIONS, builder, |_, builder, _| Ok(builder))?;
    let mut refused = None;
    let builder = builder.options(|client| {
        let builder = client.clone().environment(environment);
        let options = given.apply(CLIENT_OPTIONS, builder, set_own);
        options.unwrap_or_else(|error| {
            refused = Some(error);
            client
        })
    });
    if let Some(error) = refused {
        return Err(error);
    }
    given.end(names())?;
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

    /// Applies the options that the table has.
    fn apply<B>(
        &mut self,
        table: OptionTable<B>,
        mut builder: B,
        set_own: fn(&str, B, Unknown<'_>) -> WithOption<B>,
    ) -> Result<B> {
        for (given, value) in std::mem::take(&mut self.0) {
            match (
                table.iter().find(|(name, _)| camel_case(name) == given),
                value,
            ) {
                (None, value) => self.0.push((given, value)),
                (Some(_), None) => {}
                (Some((name, kind)), Some(value)) => {
                    let set = match kind {
                        OptionKind::Own => set_own(name, builder, value),
                        _ => set(kind, builder, value),
                    };
                    builder = set.map_err(|invalid_value| match invalid_value {
                        InvalidValue::Type => wrong_type(&given, value, expected(name, kind)),
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
