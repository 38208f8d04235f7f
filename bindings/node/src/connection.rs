//! A connection as JavaScript holds it: what it shows crosses as data, and its secret stays here.

use std::collections::HashMap;

use forcegrant::connections::Connection;
use forcegrant::{Environment, Secret, ffi};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::data::{Result, instant, object, throw};
use crate::source::NativeSource;

/// A connection.
#[napi]
pub struct NativeConnection(Connection);

/// Reads the text of a connection. Without a key, those of the environment open it.
#[napi(catch_unwind)]
pub fn load_connection(
    text: String,
    id: String,
    key: Option<String>,
    environment: HashMap<String, String>,
) -> Result<NativeConnection> {
    let (key, environment) = (key.map(Secret::new), Environment::of(&environment));
    let loaded = ffi::load(&text, &id, key, &environment);
    loaded.map(NativeConnection).map_err(throw)
}

#[napi]
impl NativeConnection {
    /// What it shows.
    #[napi(catch_unwind, ts_return_type = "object")]
    pub fn shown(&self) -> Value {
        let connection = &self.0;
        object(json!({
            "id": connection.id(),
            "name": connection.name(),
            "labels": connection.labels(),
            "loginUrl": connection.login_url(),
            "clientId": connection.client_id(),
            "orgId": connection.org_id(),
            "userId": connection.user_id(),
            "created": connection.created().map(instant),
            "verified": connection.verified().map(instant),
            "revision": connection.revision(),
        }))
    }

    /// Its text, sealed with a key or those of the environment, or in clear.
    #[napi(catch_unwind)]
    pub fn dump(
        &self,
        key: Option<String>,
        plain: bool,
        environment: HashMap<String, String>,
    ) -> Result<String> {
        let (key, environment) = (key.map(Secret::new), Environment::of(&environment));
        let dumped = ffi::dump(&self.0, key, plain, &environment).map_err(throw)?;
        Ok(dumped.expose().to_owned())
    }

    /// The source of a client of it.
    #[napi(catch_unwind)]
    pub fn source(&self, environment: HashMap<String, String>) -> NativeSource {
        let environment = Environment::of(&environment);
        NativeSource {
            builder: ffi::builder_of_connection(&self.0, environment),
        }
    }
}

impl NativeConnection {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(connection)
    }

    pub(crate) fn core(&self) -> &Connection {
        &self.0
    }
}
