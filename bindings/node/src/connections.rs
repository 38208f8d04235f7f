//! The saved connections of a folder as JavaScript holds them. What reads or writes files, and what logs in, is a promise.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use forcegrant::connections::{Authorization, Connection, ConnectionList, Connections};
use forcegrant::ffi::{CallbackFunctions, command_line};
use forcegrant::{ClientBuilder, Environment, Error, ffi};
use napi::bindgen_prelude::{Env, Function, Object};
use napi_derive::napi;
use serde_json::Value;

use crate::clock::NativeTestClock;
use crate::connection::NativeConnection;
use crate::data::{self, Result, internal, throw};
use crate::event::EventForwarder;
use crate::failpoint::hide_panic_texts;
use crate::given;
use crate::pending::{NativeOutcome, NativePending, promise};
use crate::source::NativeSource;

/// The saved connections of a folder.
#[napi]
pub struct NativeConnections(Connections);

/// What a connection shall be.
#[napi(object, object_to_js = false)]
pub struct NativeAuthorization {
    /// The id.
    pub id: String,
    /// The My Domain host.
    pub login_url: Option<String>,
    /// The consumer key.
    pub client_id: Option<String>,
    /// The consumer secret.
    pub client_secret: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The labels.
    pub labels: Option<HashMap<String, String>>,
    /// Whether there may be one with this id.
    pub replace: bool,
    /// Whether it may become one of another org.
    pub other_org: bool,
}

impl NativeAuthorization {
    fn apply(self, mut authorization: Authorization) -> Authorization {
        if let Some(login_url) = self.login_url {
            authorization = authorization.login_url(login_url);
        }
        if let Some(client_id) = self.client_id {
            authorization = authorization.client_id(client_id);
        }
        if let Some(client_secret) = self.client_secret {
            authorization = authorization.client_secret(client_secret);
        }
        if let Some(name) = self.name {
            authorization = authorization.name(name);
        }
        if let Some(labels) = self.labels {
            authorization = authorization.labels(labels.into_iter().collect());
        }
        authorization
            .replace(self.replace)
            .other_org(self.other_org)
    }
}

/// The connections of a folder, or of the one that the environment names.
#[napi(catch_unwind)]
pub fn open_connections(
    folder: Option<String>,
    environment: HashMap<String, String>,
) -> Result<NativeConnections> {
    hide_panic_texts();
    let (folder, environment) = (folder.map(PathBuf::from), Environment::of(&environment));
    let connections = command_line::connections(folder, &environment);
    connections.map(NativeConnections).map_err(throw)
}

/// Verifies a connection that is saved in no folder.
#[napi(catch_unwind)]
pub fn start_authorize_unsaved<'env>(
    env: &'env Env,
    given: NativeAuthorization,
    options: Object<'_>,
    environment: HashMap<String, String>,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, Value, ()>>,
) -> Result<NativePending<'env>> {
    hide_panic_texts();
    let set = login_options(&options, &environment, clock, on_event)?;
    let environment = Environment::of(&environment);
    let authorization = ffi::authorize_in(given.id.clone(), environment);
    let authorization = given.apply(authorization).options(set);
    settled(env, ffi::start_authorize(authorization))
}

#[napi]
impl NativeConnections {
    /// The folder.
    #[napi(catch_unwind)]
    pub fn folder(&self) -> String {
        self.0.folder().to_string_lossy().into_owned()
    }

    /// Verifies a connection and saves it.
    #[napi(catch_unwind)]
    pub fn start_authorize<'env>(
        &self,
        env: &'env Env,
        given: NativeAuthorization,
        options: Object<'_>,
        environment: HashMap<String, String>,
        clock: Option<&NativeTestClock>,
        on_event: Option<Function<'_, Value, ()>>,
    ) -> Result<NativePending<'env>> {
        let set = login_options(&options, &environment, clock, on_event)?;
        let authorization = self.0.authorize(given.id.clone());
        let authorization = given.apply(authorization).options(set);
        settled(env, ffi::start_authorize(authorization))
    }

    /// Verifies a connection that is saved.
    #[napi(catch_unwind)]
    pub fn start_verify<'env>(
        &self,
        env: &'env Env,
        id: String,
        options: Object<'_>,
        environment: HashMap<String, String>,
        clock: Option<&NativeTestClock>,
        on_event: Option<Function<'_, Value, ()>>,
    ) -> Result<NativePending<'env>> {
        let set = login_options(&options, &environment, clock, on_event)?;
        settled(env, ffi::start_verify_connection(&self.0, id, set))
    }

    /// Lists those with these labels.
    #[napi(catch_unwind)]
    pub fn start_list<'env>(
        &self,
        env: &'env Env,
        labels: HashMap<String, String>,
    ) -> Result<NativePending<'env>> {
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        let listing =
            ffi::start_on_connections(&self.0, move |connections| connections.list(&labels));
        let finish = |list: ConnectionList| NativeOutcome {
            result: Some(list.unreadable.iter().map(data::error).collect()),
            connections: Some(
                list.connections
                    .into_iter()
                    .map(NativeConnection::new)
                    .collect(),
            ),
            ..NativeOutcome::default()
        };
        promise(env, listing, finish).map_err(internal)
    }

    /// Reads one.
    #[napi(catch_unwind)]
    pub fn start_get<'env>(&self, env: &'env Env, id: String) -> Result<NativePending<'env>> {
        self.one(env, move |connections| connections.get(&id))
    }

    /// Replaces its labels.
    #[napi(catch_unwind)]
    pub fn start_set_labels<'env>(
        &self,
        env: &'env Env,
        id: String,
        labels: HashMap<String, String>,
    ) -> Result<NativePending<'env>> {
        let labels: BTreeMap<_, _> = labels.into_iter().collect();
        self.one(env, move |connections| connections.set_labels(&id, &labels))
    }

    /// Seals it anew.
    #[napi(catch_unwind)]
    pub fn start_reseal<'env>(&self, env: &'env Env, id: String) -> Result<NativePending<'env>> {
        self.one(env, move |connections| connections.reseal(&id))
    }

    /// Removes it.
    #[napi(catch_unwind)]
    pub fn start_remove<'env>(&self, env: &'env Env, id: String) -> Result<NativePending<'env>> {
        let removing =
            ffi::start_on_connections(&self.0, move |connections| connections.remove(&id));
        promise(env, removing, |()| NativeOutcome::default()).map_err(internal)
    }

    /// The source of a client of one.
    #[napi(catch_unwind)]
    pub fn source(&self, id: String) -> Result<NativeSource> {
        let builder = self.0.client_builder(&id);
        builder
            .map(|builder| NativeSource { builder })
            .map_err(throw)
    }
}

impl NativeConnections {
    pub(crate) fn core(&self) -> &Connections {
        &self.0
    }

    fn one<'env>(
        &self,
        env: &'env Env,
        work: impl FnOnce(&Connections) -> std::result::Result<Connection, Error> + Send + 'static,
    ) -> Result<NativePending<'env>> {
        settled(env, ffi::start_on_connections(&self.0, work))
    }
}

fn settled(env: &Env, pending: ffi::Pending<Connection>) -> Result<NativePending<'_>> {
    let finish = |connection| NativeOutcome {
        connections: Some(vec![NativeConnection::new(connection)]),
        ..NativeOutcome::default()
    };
    promise(env, pending, finish).map_err(internal)
}

/// What is set for the client of one login.
fn login_options(
    options: &Object<'_>,
    environment: &HashMap<String, String>,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, Value, ()>>,
) -> Result<impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + use<>> {
    let setters = given::client_options(options)?;
    let clock = clock.map(|clock| clock.clock.clone());
    let environment = environment.clone();
    let events = EventForwarder::default();
    if let Some(listener) = on_event {
        events.open(&listener)?;
    }
    Ok(move |builder: ClientBuilder| {
        let functions = CallbackFunctions {
            event: events.listener(),
            credentials: None,
            store: None,
        };
        let builder = functions.attach(given::surrounded(builder, &environment));
        let builder = setters.apply(builder);
        match &clock {
            Some(clock) => builder.clock(clock.clone()),
            None => builder,
        }
    })
}
