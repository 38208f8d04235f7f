//! The client as JavaScript holds it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forcegrant::ffi::{self, Start};
use forcegrant::{Client, Token};
use napi::bindgen_prelude::{Env, Function, Object};
use napi_derive::napi;
use serde_json::Value;

use crate::callbacks::callback_functions;
use crate::calls::{NativeApiCall, NativeResolvedUrl};
use crate::clock::NativeTestClock;
use crate::credentials::{NativeCredentials, NativeQuestion};
use crate::data::{self, NativeCachedToken, Result, internal, throw};
use crate::event::EventForwarder;
use crate::failpoint::{failpoint, hide_panic_texts, lock};
use crate::given;
use crate::pending::{NativeOutcome, NativePending, promise};
use crate::source::NativeSource;
use crate::store::NativeStoreStep;

/// A token, or a promise of one.
#[napi(object, object_from_js = false)]
pub struct NativeStarted<'env> {
    /// The token.
    pub cached: Option<NativeCachedToken>,
    /// The promise.
    pub pending: Option<NativePending<'env>>,
}

/// A client.
#[napi]
pub struct NativeClient {
    client: Client,
    tokens: Arc<Mutex<TokenNumbers>>,
    events: EventForwarder,
}

/// Numbers the tokens that went to JavaScript, so that each goes there once.
#[derive(Default)]
struct TokenNumbers {
    id: u32,
    token: Option<Token>,
}

/// Makes a client.
#[napi(catch_unwind)]
pub fn open(
    options: Object<'_>,
    source: Option<&NativeSource>,
    environment: HashMap<String, String>,
    clock: Option<&NativeTestClock>,
    on_event: Option<Function<'_, Value, ()>>,
    credentials: Option<Function<'_, NativeQuestion, ()>>,
    store: Option<Function<'_, NativeStoreStep, ()>>,
) -> Result<NativeClient> {
    hide_panic_texts();
    failpoint("open");
    let mut builder = match source {
        None => given::builder(&options, &environment)?,
        Some(source) => {
            let builder = given::surrounded(source.builder.clone(), &environment);
            given::client_options(&options)?.apply(builder)
        }
    };
    if let Some(clock) = clock {
        builder = builder.clock(clock.clock.clone());
    }
    let (functions, events) = callback_functions(on_event, credentials, store)?;
    let client = functions.attach(builder).build().map_err(throw)?;
    Ok(NativeClient::new(client, events))
}

#[napi]
impl NativeClient {
    /// The token, or a promise of one. `known` is the number of the token that the caller has.
    #[napi(catch_unwind)]
    pub fn start<'env>(&self, env: &'env Env, known: u32) -> Result<NativeStarted<'env>> {
        failpoint("start");
        let token = match ffi::start(&self.client) {
            Start::Ready(token) => token,
            Start::Pending(mut pending) => {
                // A failure that is still remembered is there at once.
                let Some(result) = pending.wait_timeout(Duration::ZERO) else {
                    let tokens = Arc::clone(&self.tokens);
                    let pending = promise(env, pending, move |token| NativeOutcome {
                        cached: Some(lock(&tokens).unchecked(&token, 0)),
                        ..NativeOutcome::default()
                    });
                    return Ok(NativeStarted {
                        cached: None,
                        pending: Some(pending.map_err(internal)?),
                    });
                };
                result.map_err(throw)?
            }
        };
        Ok(NativeStarted {
            cached: Some(self.checked(&token, known)),
            pending: None,
        })
    }

    /// The cached token.
    #[napi(catch_unwind)]
    pub fn cached(&self, known: u32) -> Option<NativeCachedToken> {
        let token = self.client.cached()?;
        Some(self.checked(&token, known))
    }

    /// Reports a rejected token, by its text.
    #[napi(catch_unwind)]
    pub fn invalidate(&self, access_token: String) -> bool {
        self.client.invalidate_access_token(&access_token)
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
        ffi::is_allowed_for(&self.client, &instance_url, api, &url)
    }

    /// Where a request with a token of these instances goes, and whether it carries the token.
    #[napi(catch_unwind)]
    pub fn resolve_url(
        &self,
        instance_url: String,
        api_instance_url: Option<String>,
        path_or_url: String,
    ) -> Result<NativeResolvedUrl> {
        let api = api_instance_url.as_deref();
        let resolved =
            ffi::resolve_url(&self.client, &instance_url, api, &path_or_url).map_err(throw)?;
        Ok(NativeResolvedUrl {
            url: resolved.url,
            carries_token: resolved.carries_token,
        })
    }

    /// One API call. Without `repeats_when_busy`, it does not repeat what a busy service refused.
    #[napi(catch_unwind)]
    pub fn api_call(&self, method: String, repeats_when_busy: bool) -> NativeApiCall {
        NativeApiCall::new(self.client.clone(), method, repeats_when_busy)
    }

    /// Notes that a host accepted the token. Returns whether the next such note is of use too.
    #[napi(catch_unwind)]
    pub fn note_accepted(&self, url: String) -> bool {
        ffi::note_accepted(&self.client, &url)
    }

    /// Notes a header `Sforce-Limit-Info`.
    #[napi(catch_unwind)]
    pub fn note_limit_info(&self, header: String) {
        self.client.note_limit_info(&header);
    }

    /// The API usage that was noted last.
    #[napi(
        catch_unwind,
        ts_return_type = "{ used: number, limit: number } | null"
    )]
    pub fn limits(&self) -> Option<Value> {
        let usage = self.client.limits()?;
        Some(data::api_usage(usage.used, usage.limit))
    }

    /// The state of the client.
    #[napi(catch_unwind, ts_return_type = "object")]
    pub fn status(&self) -> Value {
        data::status(&self.client.status())
    }

    /// Logs in and calls an API.
    #[napi(catch_unwind)]
    pub fn start_verify<'env>(&self, env: &'env Env) -> Result<NativePending<'env>> {
        let tokens = Arc::clone(&self.tokens);
        let finish = move |verified: forcegrant::Verified| NativeOutcome {
            cached: Some(lock(&tokens).unchecked(&verified.token, 0)),
            result: verified
                .api_usage
                .map(|(used, limit)| data::api_usage(used, limit)),
            ..NativeOutcome::default()
        };
        promise(env, ffi::start_verify(&self.client), finish).map_err(internal)
    }

    /// Waits until nothing is in flight.
    #[napi(catch_unwind)]
    pub fn start_wait_idle<'env>(&self, env: &'env Env) -> Result<NativePending<'env>> {
        let finish = |()| NativeOutcome::default();
        promise(env, ffi::start_wait_idle(&self.client), finish).map_err(internal)
    }

    /// Forgets the token and every failure.
    #[napi(catch_unwind)]
    pub fn reset(&self) {
        self.client.reset();
    }

    /// Uses other credentials from the next login on.
    #[napi(catch_unwind)]
    pub fn set_credentials(&self, credentials: NativeCredentials) -> Result<()> {
        let set = credentials.set().map_err(throw)?;
        self.client.set_credentials(set);
        Ok(())
    }

    /// Drops the token if it was issued to credentials that are retired.
    #[napi(catch_unwind)]
    pub fn invalidate_if_rotated(&self) -> bool {
        self.client.invalidate_if_rotated()
    }

    /// Sends the events to a listener, if they go to none yet.
    #[napi(catch_unwind)]
    pub fn listen(&self, listener: Function<'_, Value, ()>) -> Result<()> {
        self.events.open(&listener)
    }

    /// The host that the credentials go to.
    #[napi(catch_unwind)]
    pub fn login_host(&self) -> String {
        self.client.login_host()
    }
}

impl NativeClient {
    pub(crate) fn new(client: Client, events: EventForwarder) -> Self {
        Self {
            client,
            tokens: Arc::default(),
            events,
        }
    }

    pub(crate) fn core(&self) -> &Client {
        &self.client
    }

    /// A token and the time for which the core has checked it.
    fn checked(&self, token: &Token, known: u32) -> NativeCachedToken {
        let mut cached = lock(&self.tokens).unchecked(token, known);
        if let Some(view) = ffi::view(&self.client)
            && is_same(&view.token, token)
        {
            (cached.from, cached.until) = (view.from_ms, view.until_ms);
        }
        cached
    }
}

impl TokenNumbers {
    /// A token whose use has to be checked each time: an invalidation may come before the promise of it is settled.
    fn unchecked(&mut self, token: &Token, known: u32) -> NativeCachedToken {
        if !self.token.as_ref().is_some_and(|last| is_same(last, token)) {
            self.id = self.id.checked_add(1).unwrap_or(1);
            self.token = Some(token.clone());
        }
        NativeCachedToken {
            id: self.id,
            from: 0,
            until: 0,
            token: (self.id != known).then(|| data::token(token)),
        }
    }
}

/// The same token of the same login: Salesforce often issues the same text again.
fn is_same(one: &Token, other: &Token) -> bool {
    one.fingerprint() == other.fingerprint() && one.expiry() == other.expiry()
}
