//! A store that is written in JavaScript: the core's steps go to its loop, and what its methods
//! return comes back through a channel.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forcegrant::store::{
    Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored, conformance,
};
use napi::Status;
use napi::bindgen_prelude::{Buffer, Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::data::milliseconds;

/// What a store is asked; the fields that a step does not have are absent. Times in milliseconds.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeTask {
    /// The method of the store that takes it.
    pub method: &'static str,
    /// The key.
    pub key: String,
    /// The entry to put.
    pub entry: Option<Buffer>,
    /// The time to live, of a lease, or to wait.
    pub time: Option<f64>,
    /// Who asks, or who has the lease.
    pub owner: Option<String>,
    /// The fence of the lease.
    pub fence: Option<f64>,
    /// Logins to count.
    pub logins: Option<u32>,
}

/// What a store answered; the fields that an answer does not have are absent.
#[napi(object, object_to_js = false)]
pub struct NativeReply {
    /// The entry that was found.
    pub entry: Option<Buffer>,
    /// What is left of its time, or of another's lease, in milliseconds.
    pub left: Option<f64>,
    /// Whether the entry was put.
    pub stored: Option<bool>,
    /// Whether the lease was granted.
    pub granted: Option<bool>,
    /// Its fence.
    pub fence: Option<f64>,
    /// The count of the last hour.
    pub count: Option<f64>,
}

/// One step that waits to be taken. When it is collected without an answer, the core is told.
#[napi]
pub struct NativeStoreStep {
    task: Option<NativeTask>,
    callback_queue: Option<oneshot::Sender<std::result::Result<NativeReply, StoreError>>>,
}

#[napi]
impl NativeStoreStep {
    /// What is asked. Only the first call has it.
    #[napi(catch_unwind)]
    pub fn take(&mut self) -> Option<NativeTask> {
        self.task.take()
    }

    /// Answers. Only the first answer counts.
    #[napi(catch_unwind)]
    pub fn answer(&mut self, reply: NativeReply) {
        self.settle(Ok(reply));
    }

    /// Says why there is no answer.
    #[napi(catch_unwind)]
    pub fn fail(&mut self, reason: String) {
        self.settle(Err(StoreError::new(reason)));
    }

    fn settle(&mut self, reply: std::result::Result<NativeReply, StoreError>) {
        if let Some(callback_queue) = self.callback_queue.take() {
            // An asker that is gone has stopped waiting.
            let _ = callback_queue.send(reply);
        }
    }
}

type Call = ThreadsafeFunction<NativeStoreStep, (), NativeStoreStep, Status, false, true>;

/// The way to a store, which does not keep the loop alive.
#[derive(Clone)]
pub(crate) struct ScriptStore(Arc<Call>);

/// Checks the contract of a store written in JavaScript, and calls `done` with what it does not keep,
/// one line each. Takes a few seconds.
#[napi(catch_unwind)]
pub fn check_store(
    store: Function<'_, NativeStoreStep, ()>,
    done: Function<'_, Vec<String>, ()>,
) -> Result<()> {
    let store = ScriptStore::new(&store)?;
    // It keeps the loop alive until it was called.
    let done = done.build_threadsafe_function::<Vec<String>>().build()?;
    std::thread::Builder::new()
        .name("forcegrant-check".to_owned())
        .spawn(move || {
            let _ = done.call(check(&store), ThreadsafeFunctionCallMode::NonBlocking);
        })?;
    Ok(())
}

fn check(store: &ScriptStore) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    match runtime.map(|runtime| runtime.block_on(conformance::check(store))) {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(violations)) => violations.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

impl ScriptStore {
    pub(crate) fn new(store: &Function<'_, NativeStoreStep, ()>) -> Result<Self> {
        let call = store
            .build_threadsafe_function::<NativeStoreStep>()
            .weak::<true>()
            .build()?;
        Ok(Self(Arc::new(call)))
    }

    /// Has the step taken, and picks what belongs to it from the answer.
    fn ask<'a, T: Send + 'a>(
        &self,
        task: NativeTask,
        pick: impl FnOnce(NativeReply) -> Option<T> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let call = Arc::clone(&self.0);
        Box::pin(async move {
            let (callback_queue, reply) = oneshot::channel();
            let step = NativeStoreStep {
                task: Some(task),
                callback_queue: Some(callback_queue),
            };
            if call.call(step, ThreadsafeFunctionCallMode::NonBlocking) != Status::Ok {
                return Err(StoreError::new("the thread of the store has ended"));
            }
            let reply = reply
                .await
                .unwrap_or_else(|_| Err(StoreError::new("the store's promise was dropped")))?;
            pick(reply).ok_or_else(|| StoreError::new("the store answered something else"))
        })
    }
}

impl Store for ScriptStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        self.ask(task("get", key), |reply| {
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
        let task = NativeTask {
            entry: Some(entry.to_vec().into()),
            time: Some(milliseconds(time_to_live)),
            ..held(task("put", key), lease)
        };
        self.ask(task, |reply| {
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
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        let task = NativeTask {
            owner: Some(owner.to_owned()),
            time: Some(milliseconds(time)),
            ..task("acquire", key)
        };
        self.ask(task, |reply| {
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
        self.ask(held(task("release", key), lease), |_| Some(()))
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        let task = NativeTask {
            fence: Some(number(fence)),
            time: Some(milliseconds(limit)),
            ..task("watch", key)
        };
        self.ask(task, |_| Some(()))
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        let task = NativeTask {
            logins: Some(logins),
            ..task("count", key)
        };
        self.ask(task, |reply| whole(reply.count?))
    }
}

impl fmt::Debug for ScriptStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptStore")
    }
}

fn task(method: &'static str, key: &str) -> NativeTask {
    NativeTask {
        method,
        key: key.to_owned(),
        ..NativeTask::default()
    }
}

fn held(task: NativeTask, lease: &Lease) -> NativeTask {
    NativeTask {
        owner: Some(lease.owner.clone()),
        fence: Some(number(lease.fence)),
        ..task
    }
}

/// What is no length of time is none.
fn duration(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "fences are below 2^53")]
fn number(fence: u64) -> f64 {
    fence as f64
}

/// A whole number below 2^53.
fn whole(number: f64) -> Option<u64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    let fits = number.fract() == 0.0 && (0.0..LIMIT).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "looked at just before"
    )]
    fits.then_some(number as u64)
}
