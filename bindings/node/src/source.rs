//! Credentials of a client that are not among its options.

use std::collections::HashMap;

use forcegrant::{ClientBuilder, Environment};
use napi_derive::napi;

use crate::data::{Result, throw};

/// Where the credentials of a client come from, if not from its options.
#[napi]
pub struct NativeSource {
    pub(crate) builder: ClientBuilder,
}

/// Credentials, or a connection, that these variables name.
#[napi(catch_unwind)]
pub fn environment_source(environment: HashMap<String, String>) -> Result<NativeSource> {
    let environment = Environment::of(&environment);
    let builder = ClientBuilder::from_environment(environment);
    builder
        .map(|builder| NativeSource { builder })
        .map_err(throw)
}
