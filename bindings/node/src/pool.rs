//! The pool as JavaScript holds it: clients by key.

use std::collections::HashMap;

use forcegrant::{ClientPool, Prewarmed, ffi};
use napi::bindgen_prelude::{Env, Function, Object};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::callbacks::callback_functions;
use crate::client::NativeClient;
use crate::clock::NativeTestClock;
use crate::connections::NativeConnections;
use crate::credentials::{NativeCredentials, NativeQuestion};
use crate::data::{self, Result, internal, throw};
use crate::event::EventForwarder;
use crate::failpoint::hide_panic_texts;
use crate::given;
use crate::pending::{NativeOutcome, NativePending, promise};
use crate::store::NativeStoreStep;

/// A pool.
#[napi]
pub struct NativePool {
    pool: ClientPool,
    events: EventForwarder,
}

/// Makes a pool.
#[napi(catch_unwind)]
pub fn open_pool(
    options: Object<'_>,
    environment: HashMap<String, String>,
    connections: Option<&NativeConnections>,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, Value, ()>>,
    credentials: Option<Function<'_, NativeQuestion, ()>>,
    store: Option<Function<'_, NativeStoreStep, ()>>,
) -> Result<NativePool> {
    hide_panic_texts();
    let mut builder = given::pool_builder(&options, &environment, ClientPool::builder())?;
    if let Some(clock) = clock {
        builder = builder.options(|client| client.clock(clock.clock.clone()));
    }
    if let Some(connections) = connections {
        builder = builder.connections(connections.core().clone());
    }
    let (functions, events) = callback_functions(on_event, credentials, store)?;
    let pool = functions.attach_pool(builder).build().map_err(throw)?;
    Ok(NativePool { pool, events })
}

#[napi]
impl NativePool {
    /// The client of a key.
    #[napi(catch_unwind)]
    pub fn client(&self, key: String) -> Result<NativeClient> {
        let client = self.pool.client(&key).map_err(throw)?;
        // The pool has the events.
        Ok(NativeClient::new(client, EventForwarder::default()))
    }

    /// Whether this is the client that the pool holds for a key; it counts as a use.
    #[napi(catch_unwind)]
    pub fn holds(&self, key: String, client: &NativeClient) -> bool {
        self.pool.contains(&key)
            && self
                .pool
                .client(&key)
                .is_ok_and(|held| ffi::is_same(&held, client.core()))
    }

    /// Gives the pool an org.
    #[napi(catch_unwind)]
    pub fn insert(&self, key: String, org: NativeCredentials) -> Result<()> {
        let inserted = org
            .org()
            .and_then(|org| self.pool.insert_credentials(&key, org));
        inserted.map(drop).map_err(throw)
    }

    /// Replaces the credentials of a key.
    #[napi(catch_unwind)]
    pub fn set_credentials(&self, key: String, org: NativeCredentials) -> Result<()> {
        let set = org
            .org()
            .and_then(|org| self.pool.set_credentials(&key, org));
        set.map(drop).map_err(throw)
    }

    /// Forgets a key.
    #[napi(catch_unwind)]
    pub fn remove(&self, key: String) -> bool {
        self.pool.remove(&key)
    }

    /// Whether the pool knows a key.
    #[napi(catch_unwind)]
    pub fn has(&self, key: String) -> bool {
        self.pool.contains(&key)
    }

    /// How many clients it holds.
    #[napi(catch_unwind)]
    pub fn size(&self) -> u32 {
        u32::try_from(self.pool.len()).unwrap_or(u32::MAX)
    }

    /// The state of the client of a key.
    #[napi(catch_unwind, ts_return_type = "object | null")]
    pub fn status(&self, key: String) -> Option<Value> {
        self.pool.status(&key).map(|status| data::status(&status))
    }

    /// The states of all clients.
    #[napi(catch_unwind, ts_return_type = "Array<[key: string, status: object]>")]
    pub fn statuses(&self) -> Value {
        let statuses = self.pool.statuses();
        statuses
            .map(|(key, status)| json!([key, data::status(&status)]))
            .collect()
    }

    /// Logs in for keys that nobody waits for yet.
    #[napi(catch_unwind)]
    pub fn start_prewarm<'env>(
        &self,
        env: &'env Env,
        keys: Vec<String>,
    ) -> Result<NativePending<'env>> {
        let finish = |warm: Prewarmed| {
            let failed = warm.failed.iter();
            let failed = failed.map(|(key, error)| json!([key, data::error(error)]));
            NativeOutcome {
                result: Some(json!({
                    "ready": warm.ready,
                    "failed": failed.collect::<Value>(),
                })),
                ..NativeOutcome::default()
            }
        };
        promise(env, ffi::start_prewarm(&self.pool, keys), finish).map_err(internal)
    }

    /// Waits until nothing is in flight.
    #[napi(catch_unwind)]
    pub fn start_wait_idle<'env>(&self, env: &'env Env) -> Result<NativePending<'env>> {
        let finish = |()| NativeOutcome::default();
        promise(env, ffi::start_wait_idle_of_pool(&self.pool), finish).map_err(internal)
    }

    /// Sends the events to a listener, if they go to none yet.
    #[napi(catch_unwind)]
    pub fn listen(&self, listener: Function<'_, Value, ()>) -> Result<()> {
        self.events.open(&listener)
    }
}
