//! The client as JavaScript holds it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forcegrant::ffi::{self, Start};
use forcegrant::{Client, ClientBuilder, Error, Token, Verified};
use napi::bindgen_prelude::{Env, Function, Result};
use napi_derive::napi;

use crate::calls::{self, NativeApiCall, NativeRoute};
use crate::clock::NativeTestClock;
use crate::credentials::{self, NativeQuestion};
use crate::data::{NativeApiUsage, NativeCachedToken, NativeError, NativeStatus, NativeToken};
use crate::defect::{keep_silent, reach};
use crate::event::{EventQueue, NativeEvent};
use crate::options::{NativeClientCredentials, NativeOptions};
use crate::store::{NativeStoreStep, ScriptStore};
use crate::wait::{NativeOutcome, NativeWait, Waits, lock};

/// What `open` made: a client, or an error.
#[napi(object, object_from_js = false)]
pub struct NativeOpened {
    /// The client.
    pub client: Option<NativeClient>,
    /// Why there is none.
    pub error: Option<NativeError>,
}

/// Makes a client.
#[napi(catch_unwind)]
pub fn open(
    options: NativeOptions,
    from_env: bool,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, NativeEvent, ()>>,
    credentials: Option<Function<'_, NativeQuestion, ()>>,
    store: Option<Function<'_, NativeStoreStep, ()>>,
) -> Result<NativeOpened> {
    keep_silent();
    reach("open");
    let mut opened = NativeOpened {
        client: None,
        error: None,
    };
    match prepare(options, from_env) {
        Ok(mut builder) => {
            if let Some(clock) = clock {
                builder = builder.clock(clock.clock.clone());
            }
            if let Some(callback) = credentials {
                builder = credentials::ask(builder, &callback)?;
            }
            if let Some(store) = store {
                builder = builder.store(ScriptStore::new(&store)?);
            }
            let events = EventQueue::default();
            builder = events.attach(builder);
            if let Some(listener) = on_event {
                events.open(&listener)?;
            }
            match builder.build() {
                Ok(client) => opened.client = Some(NativeClient::new(client, events)),
                Err(error) => opened.error = Some((&error).into()),
            }
        }
        Err(error) => opened.error = Some(*error),
    }
    Ok(opened)
}

fn prepare(
    mut options: NativeOptions,
    from_env: bool,
) -> std::result::Result<ClientBuilder, Box<NativeError>> {
    let builder = if from_env {
        ClientBuilder::from_environment(options.environment())
            .map_err(|error| Box::new((&error).into()))?
    } else {
        // What is missing is empty, which the core knows how to complain about.
        Client::builder(
            options.login_url.take().unwrap_or_default(),
            options.client_id.take().unwrap_or_default(),
            options.client_secret.take().unwrap_or_default(),
        )
    };
    options.apply(builder)
}

/// A token or an error at once, or a wait for one of them.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeStarted<'env> {
    /// The token.
    pub lease: Option<NativeCachedToken>,
    /// The failure that still holds.
    pub error: Option<NativeError>,
    /// The wait.
    pub wait: Option<NativeWait<'env>>,
}

/// A handle of the core's client.
#[napi]
pub struct NativeClient {
    shared: Arc<Shared>,
    events: EventQueue,
}

/// What the answers on other threads need too.
pub(crate) struct Shared {
    client: Client,
    leases: Mutex<CachedTokens>,
    pub(crate) waits: Waits,
}

/// Numbers the tokens that went to JavaScript, so that each goes there once.
#[derive(Default)]
struct CachedTokens {
    id: u32,
    token: Option<Token>,
}

#[napi]
impl NativeClient {
    /// The token, or a wait for one. `known` is the lease that the caller has.
    #[napi(catch_unwind)]
    pub fn start<'env>(&self, env: &'env Env, known: u32) -> Result<NativeStarted<'env>> {
        reach("call");
        let mut started = NativeStarted::default();
        let mut pending = match ffi::start(&self.shared.client) {
            Start::Pending(pending) => pending,
            Start::Ready(token) => {
                started.lease = Some(self.shared.lease(&token, known));
                return Ok(started);
            }
        };
        // A failure that still holds is there already: it needs no promise of its own.
        match pending.wait_timeout(Duration::ZERO) {
            Some(Ok(token)) => started.lease = Some(self.shared.lease(&token, known)),
            Some(Err(error)) => started.error = Some((&error).into()),
            None => {
                let wait = self.shared.waits.open(env, &self.shared, pending, landed)?;
                started.wait = Some(wait);
            }
        }
        Ok(started)
    }

    /// The token at hand.
    #[napi(catch_unwind)]
    pub fn cached(&self, known: u32) -> Option<NativeCachedToken> {
        let token = self.shared.client.cached()?;
        Some(self.shared.lease(&token, known))
    }

    /// Reports a token that was turned down, by its text.
    #[napi(catch_unwind)]
    pub fn invalidate(&self, access_token: String) -> bool {
        self.shared.client.invalidate_access_token(&access_token)
    }

    /// Whether a token of these instances may go to a URL.
    #[napi(catch_unwind)]
    pub fn is_allowed_for(
        &self,
        instance_url: String,
        api_instance_url: Option<String>,
        url: String,
    ) -> bool {
        let api = api_instance_url.as_deref();
        ffi::is_allowed_for(&self.shared.client, &instance_url, api, &url)
    }

    /// Where a call with a token of these instances goes, and whether the token goes along.
    #[napi(catch_unwind)]
    pub fn route(
        &self,
        instance_url: String,
        api_instance_url: Option<String>,
        path_or_url: String,
    ) -> NativeRoute {
        let api = api_instance_url.as_deref();
        calls::route(&self.shared.client, &instance_url, api, &path_or_url)
    }

    /// One call of an API. Without `repeats_when_busy` it repeats nothing that a busy service refused.
    #[napi(catch_unwind)]
    pub fn api_call(&self, method: String, repeats_when_busy: bool) -> NativeApiCall {
        NativeApiCall::new(self.shared.client.clone(), method, repeats_when_busy)
    }

    /// A host accepted the token of a request. Whether that matters still.
    #[napi(catch_unwind)]
    pub fn note_accepted(&self, url: String) -> bool {
        ffi::note_accepted(&self.shared.client, &url)
    }

    /// Notes a header `Sforce-Limit-Info`.
    #[napi(catch_unwind)]
    pub fn note_limit_info(&self, header: String) {
        self.shared.client.note_limit_info(&header);
    }

    /// The API usage that was noted last.
    #[napi(catch_unwind)]
    pub fn limits(&self) -> Option<NativeApiUsage> {
        calls::limits(&self.shared.client)
    }

    /// Where the client stands.
    #[napi(catch_unwind)]
    pub fn status(&self) -> NativeStatus {
        self.shared.client.status().into()
    }

    /// Logs in afresh, then calls an API.
    #[napi(catch_unwind)]
    pub fn start_verify<'env>(&self, env: &'env Env) -> Result<NativeWait<'env>> {
        let pending = ffi::start_verify(&self.shared.client);
        self.shared.waits.open(env, &self.shared, pending, verified)
    }

    /// Waits until nothing is in flight.
    #[napi(catch_unwind)]
    pub fn start_idle<'env>(&self, env: &'env Env) -> Result<NativeWait<'env>> {
        let pending = ffi::start_wait_idle(&self.shared.client);
        self.shared.waits.open(env, &self.shared, pending, idle)
    }

    /// Gives a wait up.
    #[napi(catch_unwind)]
    pub fn cancel(&self, id: u32) {
        self.shared.waits.cancel(id);
    }

    /// Forgets the token and every failure.
    #[napi(catch_unwind)]
    pub fn reset(&self) {
        self.shared.client.reset();
    }

    /// Uses other credentials from the next login on.
    #[napi(catch_unwind)]
    pub fn set_credentials(
        &self,
        current: NativeClientCredentials,
        next: Option<NativeClientCredentials>,
    ) -> Option<NativeError> {
        let pairs = credentials::pairs(&current, next.as_ref());
        match pairs {
            Ok(pairs) => {
                self.shared.client.set_credentials(pairs);
                None
            }
            Err(error) => Some((&error).into()),
        }
    }

    /// Drops the token if its client credentials are retired.
    #[napi(catch_unwind)]
    pub fn invalidate_if_rotated(&self) -> bool {
        self.shared.client.invalidate_if_rotated()
    }

    /// Has the events go to a listener, if they go to none yet.
    #[napi(catch_unwind)]
    pub fn listen(&self, listener: Function<'_, NativeEvent, ()>) -> Result<()> {
        self.events.open(&listener)
    }

    /// The host that the credentials go to.
    #[napi(catch_unwind)]
    pub fn login_host(&self) -> String {
        self.shared.client.login_host()
    }
}

impl NativeClient {
    /// One of a pool, which has the events.
    pub(crate) fn of_pool(client: Client) -> Self {
        Self::new(client, EventQueue::default())
    }

    pub(crate) fn core(&self) -> &Client {
        &self.shared.client
    }

    fn new(client: Client, events: EventQueue) -> Self {
        let shared = Shared {
            client,
            leases: Mutex::default(),
            waits: Waits::default(),
        };
        Self {
            shared: Arc::new(shared),
            events,
        }
    }
}

impl Shared {
    /// `known` is a lease that JavaScript surely has, 0 for none.
    fn lease(&self, token: &Token, known: u32) -> NativeCachedToken {
        let id = lock(&self.leases).id(token);
        let (from, until) = match ffi::view(&self.client) {
            Some(view) if same(&view.token, token) => (view.from_ms, view.until_ms),
            _ => (0, 0),
        };
        NativeCachedToken {
            id,
            from,
            until,
            token: (id != known).then(|| NativeToken::from(token)),
        }
    }
}

impl CachedTokens {
    fn id(&mut self, token: &Token) -> u32 {
        if !self.token.as_ref().is_some_and(|kept| same(kept, token)) {
            // 0 is what JavaScript says when it has none.
            self.id = self.id.checked_add(1).unwrap_or(1);
            self.token = Some(token.clone());
        }
        self.id
    }
}

fn landed(shared: &Shared, result: std::result::Result<Token, Error>) -> NativeOutcome {
    match result {
        Ok(token) => NativeOutcome {
            // Between the settling and the caller's turn other answers may reach it: the token goes along.
            lease: Some(shared.lease(&token, 0)),
            ..NativeOutcome::default()
        },
        Err(error) => failed(&error),
    }
}

fn verified(shared: &Shared, result: std::result::Result<Verified, Error>) -> NativeOutcome {
    match result {
        Ok(verified) => NativeOutcome {
            lease: Some(shared.lease(&verified.token, 0)),
            api_usage: verified.api_usage.map(Into::into),
            ..NativeOutcome::default()
        },
        Err(error) => failed(&error),
    }
}

fn idle(_: &Shared, result: std::result::Result<(), Error>) -> NativeOutcome {
    match result {
        Ok(()) => NativeOutcome::default(),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> NativeOutcome {
    NativeOutcome {
        error: Some(error.into()),
        ..NativeOutcome::default()
    }
}

/// The same token of the same login: Salesforce often issues the same text again.
fn same(one: &Token, other: &Token) -> bool {
    one.fingerprint() == other.fingerprint() && one.expiry() == other.expiry()
}
