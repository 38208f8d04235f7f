//! Promises that the core's worker thread settles.
//!
//! A pending promise keeps the loop of its thread alive. One that nobody waits for any more is settled at once, so that
//! it keeps nothing alive.

use std::sync::{Arc, Mutex};

use forcegrant::Error;
use forcegrant::ffi::Pending;
use napi::JsDeferred;
use napi::bindgen_prelude::{Env, Object, Result};
use napi_derive::napi;
use serde_json::Value;

use crate::connection::NativeConnection;
use crate::data::{self, NativeCachedToken};
use crate::failpoint::{catch_panic, failpoint, lock};

/// How a wait ended. Everything is absent when it was cancelled, or when this library panicked.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeOutcome {
    /// The token.
    pub cached: Option<NativeCachedToken>,
    /// The connections.
    pub connections: Option<Vec<NativeConnection>>,
    /// What else was asked for.
    #[napi(ts_type = "unknown")]
    pub result: Option<Value>,
    /// What went wrong.
    #[napi(ts_type = "object")]
    pub error: Option<Value>,
}

/// A promise and the means to cancel it.
#[napi(object, object_from_js = false)]
pub struct NativePending<'env> {
    /// Cancels the wait.
    pub subscription: NativeSubscription,
    /// The core never rejects it.
    #[napi(ts_type = "Promise<NativeOutcome>")]
    pub outcome: Object<'env>,
}

/// The right to cancel a wait. Collecting it cancels nothing.
#[napi]
pub struct NativeSubscription {
    deferred: SharedDeferred,
    /// Drops the core's subscription (true) or leaves it in place (false).
    end: Option<Box<dyn FnOnce(bool) + Send>>,
}

type SettlePromise = Box<dyn FnOnce(Env) -> Result<NativeOutcome> + Send>;
/// The caller that takes the deferred out settles it, so it is settled once.
type SharedDeferred = Arc<Mutex<Option<JsDeferred<NativeOutcome, SettlePromise>>>>;

/// Makes a promise for `pending`. `finish` runs on the thread of JavaScript.
pub(crate) fn promise<T: Clone + Send + 'static>(
    env: &Env,
    pending: Pending<T>,
    finish: impl FnOnce(T) -> NativeOutcome + Send + 'static,
) -> Result<NativePending<'_>> {
    let (deferred, outcome) = env.create_deferred::<NativeOutcome, SettlePromise>()?;
    let deferred: SharedDeferred = Arc::new(Mutex::new(Some(deferred)));
    let settled = Arc::clone(&deferred);
    let subscription = pending.on_ready(move |result| {
        let Some(deferred) = lock(&settled).take() else {
            return;
        };
        deferred.resolve(Box::new(move |_| {
            // A panic must not unwind through frames that are not Rust's.
            Ok(catch_panic(|| {
                failpoint("outcome");
                result.map_or_else(|error| failed(&error), finish)
            })
            .unwrap_or_default())
        }));
    });
    let end = Box::new(move |cancels: bool| {
        if !cancels {
            subscription.detach();
        }
    });
    Ok(NativePending {
        subscription: NativeSubscription {
            deferred,
            end: Some(end),
        },
        outcome,
    })
}

fn failed(error: &Error) -> NativeOutcome {
    NativeOutcome {
        error: Some(data::error(error)),
        ..NativeOutcome::default()
    }
}

#[napi]
impl NativeSubscription {
    /// Settles the promise with nothing.
    #[napi(catch_unwind)]
    pub fn cancel(&mut self) {
        if let Some(end) = self.end.take() {
            end(true);
        }
        let deferred = lock(&self.deferred).take();
        if let Some(deferred) = deferred {
            deferred.resolve(Box::new(|_| Ok(NativeOutcome::default())));
        }
    }
}

impl Drop for NativeSubscription {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(false);
        }
    }
}
