//! A function of JavaScript that the core calls from its worker thread: it runs on the loop of its thread and does not
//! keep it alive.

use std::sync::{Arc, Mutex};

use napi::Status;
use napi::bindgen_prelude::{Function, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

use crate::data::{Result, internal};
use crate::failpoint::lock;

/// A function of JavaScript that takes one value and returns nothing.
pub(crate) struct JsCallback<T: ToNapiValue + 'static>(
    Arc<ThreadsafeFunction<T, (), T, Status, false, true>>,
);

impl<T: ToNapiValue + Send + 'static> JsCallback<T> {
    pub(crate) fn new(function: &Function<'_, T, ()>) -> Result<Self> {
        let function = function
            .build_threadsafe_function::<T>()
            .weak::<true>()
            .build()
            .map_err(internal)?;
        Ok(Self(Arc::new(function)))
    }

    /// Queues a call. False if the thread of the function has ended.
    pub(crate) fn call(&self, value: T) -> bool {
        self.0.call(value, ThreadsafeFunctionCallMode::NonBlocking) == Status::Ok
    }

    /// Calls the function with a request of the core. It fails if the thread of the function has ended.
    pub(crate) fn ask<R>(
        &self,
        request: R,
        wrap: impl FnOnce(PendingRequest<R>) -> T,
        fail: impl FnOnce(R, &'static str),
    ) {
        let request = PendingRequest(Arc::new(Mutex::new(Some(request))));
        let other = PendingRequest(Arc::clone(&request.0));
        if !self.call(wrap(other))
            && let Some(request) = request.take()
        {
            fail(request, "the thread of the callback has ended");
        }
    }
}

/// A request of the core until its first answer.
pub(crate) struct PendingRequest<R>(Arc<Mutex<Option<R>>>);

impl<R> PendingRequest<R> {
    pub(crate) fn take(&self) -> Option<R> {
        lock(&self.0).take()
    }
}
