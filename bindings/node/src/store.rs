//! A store that is written in JavaScript: the core's steps go to its loop.

use std::fmt;
use std::time::Duration;

use forcegrant::store::{
    Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored, conformance,
};
use napi::bindgen_prelude::{Buffer, Either4, Function};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::callback::{Callback, Reply, Thrown, send};
use crate::data::{Result, count, internal, milliseconds};

/// The lease of a step.
#[napi(object, object_from_js = false)]
pub struct NativeLease {
    /// Who holds it.
    pub owner: String,
    /// Its fencing number.
    pub fence: f64,
}

type Argument = Either4<String, f64, Buffer, NativeLease>;

/// A call of a method of the store. Times are in milliseconds.
#[napi(object, object_from_js = false)]
pub struct NativeStoreCall {
    /// The method.
    pub method: String,
    /// Its arguments.
    #[napi(ts_type = "unknown[]")]
    pub args: Vec<Argument>,
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

/// One step of the core, which waits for its reply.
#[napi]
pub struct NativeStoreStep {
    call: Option<NativeStoreCall>,
    reply: Reply<NativeReply>,
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
    pub fn answer(&mut self, reply: NativeReply) {
        send(&mut self.reply, Ok(reply));
    }

    /// Says what the method threw.
    #[napi(catch_unwind)]
    pub fn fail(&mut self, texts: Vec<String>) {
        send(&mut self.reply, Err(Thrown::chain(texts)));
    }
}

/// A store of JavaScript.
#[derive(Clone)]
pub(crate) struct JsStore(Callback<NativeStoreStep>);

/// Checks the contract of a store of JavaScript, and calls `done` with the violations, one line each. It takes a few
/// seconds.
#[napi(catch_unwind)]
pub fn check_store(
    store: Function<'_, NativeStoreStep, ()>,
    done: Function<'_, Vec<String>, ()>,
) -> Result<()> {
    let store = JsStore::new(&store)?;
    // It keeps the loop alive until it is called.
    let done = done.build_threadsafe_function::<Vec<String>>().build();
    let done = done.map_err(internal)?;
    std::thread::Builder::new()
        .name("forcegrant-check".to_owned())
        .spawn(move || {
            let _ = done.call(check(&store), ThreadsafeFunctionCallMode::NonBlocking);
        })
        .map_err(|error| internal(error.into()))?;
    Ok(())
}

fn check(store: &JsStore) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime.map(|runtime| runtime.block_on(conformance::check(store))) {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(violations)) => violations.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

impl JsStore {
    pub(crate) fn new(store: &Function<'_, NativeStoreStep, ()>) -> Result<Self> {
        Ok(Self(Callback::new(store)?))
    }

    /// Has the method called, and takes what belongs to it from the reply.
    fn ask<'a, T: Send + 'a>(
        &self,
        method: &'static str,
        args: impl IntoIterator<Item = Argument>,
        pick: impl FnOnce(NativeReply) -> Option<T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let callback = self.0.clone();
        let call = Some(NativeStoreCall {
            method: method.to_owned(),
            args: args.into_iter().collect(),
        });
        Box::pin(async move {
            let reply = callback
                .ask(|reply| NativeStoreStep { call, reply })
                .await
                .map_err(|thrown| StoreError::new(thrown.to_string()))?;
            let wrong = || StoreError::new(format!("unexpected return value of `{method}`"));
            pick(reply).ok_or_else(wrong)
        })
    }
}

impl Store for JsStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        self.ask("get", [text(key)], |reply| {
            let left = reply.left.map(duration);
            Some(reply.entry.map(|entry| Stored {
                entry: entry.to_vec(),
                left,
            }))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        let entry = Either4::C(entry.to_vec().into());
        let args = [text(key), entry, time(time_to_live), held(lease)];
        self.ask("put", args, |reply| {
            Some(if reply.stored? {
                Put::Stored
            } else {
                Put::Outdated
            })
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        lease_time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        let args = [text(key), text(owner), time(lease_time)];
        self.ask("acquire", args, |reply| {
            let fence = whole(reply.fence?)?;
            Some(if reply.granted? {
                Acquired::Granted { fence }
            } else {
                let left = duration(reply.left?);
                Acquired::Held { fence, left }
            })
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        self.ask("release", [text(key), held(lease)], |_| Some(()))
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        let args = [text(key), Either4::B(count(fence)), time(limit)];
        self.ask("watch", args, |_| Some(()))
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        let args = [text(key), Either4::B(f64::from(logins))];
        self.ask("count", args, |reply| whole(reply.count?))
    }
}

impl fmt::Debug for JsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsStore")
    }
}

fn text(text: &str) -> Argument {
    Either4::A(text.to_owned())
}

fn time(time: Duration) -> Argument {
    Either4::B(milliseconds(time))
}

fn held(lease: &Lease) -> Argument {
    Either4::D(NativeLease {
        owner: lease.owner.clone(),
        fence: count(lease.fence),
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
