//! The pool as JavaScript holds it: clients by key, which JavaScript keeps at hand.

use forcegrant::ffi::{self, Pending};
use forcegrant::{ClientPool, ClientPoolBuilder, Error, OrgCredentials, Prewarmed};
use napi::JsDeferred;
use napi::bindgen_prelude::{Env, Function, Object, Result};
use napi_derive::napi;

use crate::client::{NativeClient, NativeOpened};
use crate::clock::NativeTestClock;
use crate::credentials::{self, NativeQuestion};
use crate::data::{NativeError, NativeStatus};
use crate::event::{EventQueue, NativeEvent};
use crate::options::{NativeClientCredentials, NativeOptions};
use crate::store::{NativeStoreStep, ScriptStore};

/// The options of a pool beside those that its clients share.
#[napi(object, object_to_js = false)]
pub struct NativePoolOptions {
    /// How many clients are kept.
    pub max_clients: Option<u32>,
    /// Logins that start within a second.
    pub logins_per_second: Option<u32>,
    /// Whether there is no such limit.
    pub no_logins_per_second: Option<bool>,
    /// Logins in flight.
    pub concurrent_logins: Option<u32>,
    /// Whether there is no such limit.
    pub no_concurrent_logins: Option<bool>,
}

/// What `open_pool` made: a pool, or an error.
#[napi(object, object_from_js = false)]
pub struct NativeOpenedPool {
    /// The pool.
    pub pool: Option<NativePool>,
    /// Why there is none.
    pub error: Option<NativeError>,
}

/// Makes a pool.
#[napi(catch_unwind)]
pub fn open_pool(
    options: NativeOptions,
    own: NativePoolOptions,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, NativeEvent, ()>>,
    credentials: Option<Function<'_, NativeQuestion, ()>>,
    store: Option<Function<'_, NativeStoreStep, ()>>,
) -> Result<NativeOpenedPool> {
    let refused = |error| NativeOpenedPool {
        pool: None,
        error: Some(error),
    };
    let mut builder = own.apply(ClientPool::builder());
    let mut failed = None;
    builder = builder.options(|client| match options.apply(client.clone()) {
        Ok(client) => client,
        Err(error) => {
            failed = Some(*error);
            client
        }
    });
    if let Some(error) = failed {
        return Ok(refused(error));
    }
    if let Some(clock) = clock {
        builder = builder.options(|client| client.clock(clock.clock.clone()));
    }
    if let Some(callback) = credentials {
        builder = credentials::ask_of_keys(builder, &callback)?;
    }
    if let Some(store) = store {
        let store = ScriptStore::new(&store)?;
        builder = builder.options(|client| client.store(store));
    }
    let events = EventQueue::default();
    builder = events.attach_pool(builder);
    if let Some(listener) = on_event {
        events.open(&listener)?;
    }
    Ok(match builder.build() {
        Ok(pool) => NativeOpenedPool {
            pool: Some(NativePool { pool, events }),
            error: None,
        },
        Err(error) => refused((&error).into()),
    })
}

impl NativePoolOptions {
    fn apply(self, mut builder: ClientPoolBuilder) -> ClientPoolBuilder {
        if let Some(most) = self.max_clients {
            builder = builder.max_clients(usize::try_from(most).unwrap_or(usize::MAX));
        }
        if self.logins_per_second.is_some() || self.no_logins_per_second == Some(true) {
            builder = builder.logins_per_second(self.logins_per_second);
        }
        if self.concurrent_logins.is_some() || self.no_concurrent_logins == Some(true) {
            builder = builder.concurrent_logins(self.concurrent_logins);
        }
        builder
    }
}

/// A handle of the core's pool.
#[napi]
pub struct NativePool {
    pool: ClientPool,
    events: EventQueue,
}

/// Where one org's credentials go and what they are.
#[napi(object, object_to_js = false)]
pub struct NativeOrg {
    /// The My Domain host.
    pub login_url: String,
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// A second pair.
    pub next: Option<NativeClientCredentials>,
}

/// A key and where its client stands.
#[napi(object, object_from_js = false)]
pub struct NativeMember {
    /// The key.
    pub key: String,
    /// Where it stands.
    pub status: NativeStatus,
}

/// A key and why its login failed.
#[napi(object, object_from_js = false)]
pub struct NativeFailure {
    /// The key.
    pub key: String,
    /// Why.
    pub error: NativeError,
}

/// What came of logging in ahead.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativePrewarmed {
    /// Keys that have a token.
    pub ready: u32,
    /// Keys whose login failed.
    pub failed: Vec<NativeFailure>,
}

#[napi]
impl NativePool {
    /// The client of a key.
    #[napi(catch_unwind)]
    pub fn client(&self, key: String) -> NativeOpened {
        match self.pool.client(&key) {
            Ok(client) => NativeOpened {
                client: Some(NativeClient::of_pool(client)),
                error: None,
            },
            Err(error) => NativeOpened {
                client: None,
                error: Some((&error).into()),
            },
        }
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
    pub fn insert(&self, key: String, org: NativeOrg) -> Option<NativeError> {
        let inserted = credentials::org(&org)
            .and_then(|credentials| self.pool.insert_credentials(&key, credentials));
        inserted.err().map(|error| (&error).into())
    }

    /// Replaces the credentials of a key.
    #[napi(catch_unwind)]
    pub fn set_credentials(&self, key: String, org: NativeOrg) -> Option<NativeError> {
        let set = credentials::org(&org)
            .and_then(|credentials: OrgCredentials| self.pool.set_credentials(&key, credentials));
        set.err().map(|error| (&error).into())
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

    /// Where the client of a key stands.
    #[napi(catch_unwind)]
    pub fn status(&self, key: String) -> Option<NativeStatus> {
        self.pool.status(&key).map(Into::into)
    }

    /// Where all stand.
    #[napi(catch_unwind)]
    pub fn statuses(&self) -> Vec<NativeMember> {
        let member = |(key, status): (String, forcegrant::Status)| NativeMember {
            key,
            status: status.into(),
        };
        self.pool.statuses().map(member).collect()
    }

    /// Logs in ahead.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePrewarmed>")]
    pub fn prewarm<'env>(&self, env: &'env Env, keys: Vec<String>) -> Result<Object<'env>> {
        promise(
            env,
            ffi::start_prewarm(&self.pool, keys),
            |warm: Prewarmed| {
                let failure = |(key, error): &(String, Error)| NativeFailure {
                    key: key.clone(),
                    error: error.into(),
                };
                NativePrewarmed {
                    ready: u32::try_from(warm.ready).unwrap_or(u32::MAX),
                    failed: warm.failed.iter().map(failure).collect(),
                }
            },
        )
    }

    /// Waits until nothing is in flight.
    #[napi(catch_unwind, ts_return_type = "Promise<NativePrewarmed>")]
    pub fn wait_idle<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let nothing = |()| NativePrewarmed::default();
        promise(env, ffi::start_wait_idle_of_pool(&self.pool), nothing)
    }

    /// Has the events go to a listener, if they go to none yet.
    #[napi(catch_unwind)]
    pub fn listen(&self, listener: Function<'_, NativeEvent, ()>) -> Result<()> {
        self.events.open(&listener)
    }
}

type Settle = Box<dyn FnOnce(Env) -> Result<NativePrewarmed> + Send>;

/// A promise that the core's worker thread settles.
fn promise<T: Clone + Send + Default + 'static>(
    env: &Env,
    pending: Pending<T>,
    finish: fn(T) -> NativePrewarmed,
) -> Result<Object<'_>> {
    let (deferred, outcome) = env.create_deferred::<NativePrewarmed, Settle>()?;
    let deferred: JsDeferred<NativePrewarmed, Settle> = deferred;
    pending
        .on_ready(move |result| {
            // What the core can not finish is told by the clients themselves.
            let finished = result.unwrap_or_default();
            deferred.resolve(Box::new(move |_| Ok(finish(finished))));
        })
        .detach();
    Ok(outcome)
}
