//! A store that is written in JavaScript: the core's calls go to its loop.

use std::time::Duration;

use forcegrant::ffi::{self, CallbackStore, StoreCall};
use forcegrant::store::{Acquired, Lease, Put, StoreError, Stored};
use napi::bindgen_prelude::{Buffer, Either4, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::data::{Result, count, internal, milliseconds};
use crate::js_callback::{JsCallback, PendingRequest};

/// The lease of a step.
#[napi(object, object_from_js = false)]
pub struct NativeLease {
    /// Who holds it.
    pub owner: String,
    /// Its fencing number.
    pub fence: f64,
}

type StoreArgument = Either4<String, f64, Buffer, NativeLease>;

/// A call of a method of the store. Times are in milliseconds.
#[napi(object, object_from_js = false)]
pub struct NativeStoreCall {
    /// The method.
    pub method: String,
    /// Its arguments.
    #[napi(ts_type = "unknown[]")]
    pub args: Vec<StoreArgument>,
}

/// What the method returned; what it does not return is absent.
#[napi(object, object_to_js = false)]
pub struct NativeReply {
    /// `get`: the entry.
    pub entry: Option<Buffer>,
    /// `get` and `acquire`: the milliseconds left, of the entry or of another's lease.
    pub left: Option<f64>,
    /// `put`: whether the entry was stored.
    pub stored: Option<bool>,
    /// `acquire`: whether the lease was granted.
    pub granted: Option<bool>,
    /// `acquire`: its fence.
    pub fence: Option<f64>,
    /// `count`: the count of the last hour.
    pub count: Option<f64>,
}

/// One call of the core, which waits for its reply.
#[napi]
pub struct NativeStoreStep {
    call: Option<NativeStoreCall>,
    request: PendingRequest<StoreCall>,
}

#[napi]
impl NativeStoreStep {
    /// The call to make; null after the first time.
    #[napi(catch_unwind)]
    pub fn take(&mut self) -> Option<NativeStoreCall> {
        self.call.take()
    }

    /// Replies with what the method returned.
    #[napi(catch_unwind)]
    pub fn answer(&self, reply: NativeReply) {
        if let Some(call) = self.request.take() {
            answer(call, reply);
        }
    }

    /// Says what the method threw.
    #[napi(catch_unwind)]
    pub fn fail(&self, texts: Vec<String>) {
        if let Some(call) = self.request.take() {
            let text = texts.into_iter().next();
            call.fail(text.unwrap_or_else(|| "unknown error".to_owned()));
        }
    }
}

/// Checks the contract of a store of JavaScript, and calls `done` with the violations, one line each. It takes a few
/// seconds.
#[napi(catch_unwind)]
pub fn check_store(
    store: Function<'_, NativeStoreStep, ()>,
    done: Function<'_, Vec<String>, ()>,
) -> Result<()> {
    let store = store_of(&store)?;
    // It keeps the loop alive until it is called.
    let done = done.build_threadsafe_function::<Vec<String>>().build();
    let done = done.map_err(internal)?;
    std::thread::Builder::new()
        .name("forcegrant-check".to_owned())
        .spawn(move || {
            let violations = ffi::check_store(&store);
            let _ = done.call(violations, ThreadsafeFunctionCallMode::NonBlocking);
        })
        .map_err(|error| internal(error.into()))?;
    Ok(())
}

/// The store whose calls go to a function of JavaScript.
pub(crate) fn store_of(function: &Function<'_, NativeStoreStep, ()>) -> Result<CallbackStore> {
    let callback = JsCallback::new(function)?;
    // JavaScript itself waits for a store without a method `watch`.
    Ok(CallbackStore::new(true, move |request| {
        let call = Some(NativeStoreCall {
            method: request.method().to_owned(),
            args: arguments(&request),
        });
        let wrap = |request| NativeStoreStep { call, request };
        callback.ask(request, wrap, StoreCall::fail);
    }))
}

fn arguments(call: &StoreCall) -> Vec<StoreArgument> {
    let text = |text: &str| Either4::A(text.to_owned());
    let time = |time: &Duration| Either4::B(milliseconds(*time));
    let held = |Lease { owner, fence }: &Lease| {
        let (owner, fence) = (owner.clone(), count(*fence));
        Either4::D(NativeLease { owner, fence })
    };
    match call {
        StoreCall::Get { key, .. } => vec![text(key)],
        StoreCall::Put {
            key,
            entry,
            time_to_live,
            lease,
            ..
        } => {
            let entry = Either4::C(entry.clone().into());
            vec![text(key), entry, time(time_to_live), held(lease)]
        }
        StoreCall::Acquire {
            key,
            owner,
            time: length,
            ..
        } => vec![text(key), text(owner), time(length)],
        StoreCall::Release { key, lease, .. } => vec![text(key), held(lease)],
        StoreCall::Watch {
            key, fence, limit, ..
        } => vec![text(key), Either4::B(count(*fence)), time(limit)],
        StoreCall::Count { key, logins, .. } => vec![text(key), Either4::B((*logins).into())],
    }
}

fn answer(call: StoreCall, given: NativeReply) {
    let method = call.method();
    let wrong = || StoreError::new(format!("unexpected return value of `{method}`"));
    match call {
        StoreCall::Get { reply, .. } => {
            let left = given.left.map(duration);
            let entry = given.entry.map(|entry| entry.to_vec());
            reply.send(Ok(entry.map(|entry| Stored { entry, left })));
        }
        StoreCall::Put { reply, .. } => {
            let put = |stored| if stored { Put::Stored } else { Put::Outdated };
            reply.send(given.stored.map(put).ok_or_else(wrong));
        }
        StoreCall::Acquire { reply, .. } => reply.send(acquired(&given).ok_or_else(wrong)),
        StoreCall::Release { reply, .. } | StoreCall::Watch { reply, .. } => reply.send(Ok(())),
        StoreCall::Count { reply, .. } => {
            reply.send(given.count.and_then(whole).ok_or_else(wrong));
        }
    }
}

fn acquired(given: &NativeReply) -> Option<Acquired> {
    let fence = whole(given.fence?)?;
    Some(if given.granted? {
        Acquired::Granted { fence }
    } else {
        let left = duration(given.left?);
        Acquired::Held { fence, left }
    })
}

/// A number that is no duration counts as no time.
fn duration(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default()
}

/// A whole number below 2^53.
fn whole(number: f64) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let fits = number.fract() == 0.0 && (0.0..LIMIT).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits"
    )]
    fits.then_some(number as u64)
}
