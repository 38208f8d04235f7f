//! Waiting: a promise that the core's worker thread settles.
//!
//! A promise that waits keeps the loop of its thread alive, as any pending
//! operation does. One that nobody waits for any more is settled at once, so
//! that it keeps nothing alive. A worker that ends with promises open closes
//! them first; what the core brings afterwards is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::Error;
use forcegrant::ffi::Pending;
use napi::JsDeferred;
use napi::bindgen_prelude::{Env, Object, Result};
use napi_derive::napi;

use crate::client::Shared;
use crate::data::{NativeApiUsage, NativeCachedToken, NativeError};
use crate::defect::{contained, reach};

/// How a wait ended; all empty when it was given up.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeOutcome {
    /// The token.
    pub lease: Option<NativeCachedToken>,
    /// What went wrong.
    pub error: Option<NativeError>,
    /// What a verification learned of the org's daily API calls.
    pub api_usage: Option<NativeApiUsage>,
}

/// A wait that is up.
#[napi(object, object_from_js = false)]
pub struct NativeWait<'env> {
    /// For `cancel`.
    pub id: u32,
    /// Never rejects for a reason of the core's.
    #[napi(ts_type = "Promise<NativeOutcome>")]
    pub outcome: Object<'env>,
}

type Settle = Box<dyn FnOnce(Env) -> Result<NativeOutcome> + Send>;
type Deferred = JsDeferred<NativeOutcome, Settle>;

/// The waits of one client.
#[derive(Default)]
pub(crate) struct Waits(Mutex<Open>);

#[derive(Default)]
struct Open {
    last: u32,
    waits: HashMap<u32, (Slot, Option<Subscription>)>,
}

/// Dropping it calls the core's callback off, whatever it waits for.
type Subscription = Box<dyn Send>;

/// Whoever takes the deferred out settles it; there is no second time.
type Slot = Arc<Mutex<Option<Deferred>>>;

impl Waits {
    /// Makes a promise for what is pending. `finish` runs on the thread of
    /// JavaScript.
    pub(crate) fn open<'env, T: Clone + Send + 'static>(
        &self,
        env: &'env Env,
        shared: &Arc<Shared>,
        pending: Pending<T>,
        finish: fn(&Shared, std::result::Result<T, Error>) -> NativeOutcome,
    ) -> Result<NativeWait<'env>> {
        let (deferred, outcome) = env.create_deferred::<NativeOutcome, Settle>()?;
        let slot: Slot = Arc::new(Mutex::new(Some(deferred)));
        let id = {
            let mut open = lock(&self.0);
            open.last = open.last.wrapping_add(1);
            let id = open.last;
            open.waits.insert(id, (Arc::clone(&slot), None));
            id
        };
        let shared = Arc::clone(shared);
        let subscription = pending.on_ready(move |result| {
            let Some(deferred) = lock(&slot).take() else {
                return;
            };
            deferred.resolve(Box::new(move |_| {
                shared.waits.close(id);
                // A panic would leave this library through frames that are not Rust's.
                Ok(contained(|| {
                    reach("answer");
                    finish(&shared, result)
                })
                .unwrap_or_default())
            }));
        });
        if let Some(wait) = lock(&self.0).waits.get_mut(&id) {
            wait.1 = Some(Box::new(subscription));
        }
        Ok(NativeWait { id, outcome })
    }

    /// Gives a wait up: its promise is settled with nothing.
    pub(crate) fn cancel(&self, id: u32) {
        let Some((slot, subscription)) = self.close(id) else {
            return;
        };
        drop(subscription);
        let deferred = lock(&slot).take();
        if let Some(deferred) = deferred {
            deferred.resolve(Box::new(|_| Ok(NativeOutcome::default())));
        }
    }

    fn close(&self, id: u32) -> Option<(Slot, Option<Subscription>)> {
        lock(&self.0).waits.remove(&id)
    }
}

/// A panic while one of these was held left nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
