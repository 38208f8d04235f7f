//! One result of many logins.

use std::sync::{Arc, Mutex, PoisonError};

use crate::wait::{Pending, Promise};
use forcegrant_proto::error::Error;

/// The results of logging in ahead.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Prewarmed {
    /// Keys that have a usable token now.
    pub ready: usize,
    /// Keys whose login failed, and why.
    pub failed: Vec<(String, Error)>,
}

/// Counts the results of the logins that `start` starts, one for each key.
pub(super) fn prewarm<K: AsRef<str>, T: Clone + Send + 'static>(
    keys: impl IntoIterator<Item = K>,
    start: impl Fn(&str) -> Pending<T>,
) -> Pending<Prewarmed> {
    let tally = Tally::<Prewarmed>::new();
    let pending = tally.promise.pending();
    for key in keys {
        let (key, tally) = (key.as_ref().to_owned(), Arc::clone(&tally));
        let arrival = start(&key);
        let count = move |result: Result<T, Error>| {
            let mut sum = tally.sum.lock().unwrap_or_else(PoisonError::into_inner);
            match result {
                Ok(_) => sum.ready += 1,
                Err(error) => sum.failed.push((key, error)),
            }
            drop(sum);
        };
        arrival.on_ready(count).detach();
    }
    pending
}

/// Ready when all are.
pub(super) fn all<T: Clone + 'static>(pending: impl Iterator<Item = Pending<T>>) -> Pending<()> {
    let tally = Tally::<()>::new();
    let all = tally.promise.pending();
    for one in pending {
        let tally = Arc::clone(&tally);
        one.on_ready(move |_| drop(tally)).detach();
    }
    all
}

/// A sum that becomes the result when the last reference to it is dropped.
struct Tally<S: Clone + Default> {
    sum: Mutex<S>,
    promise: Promise<S>,
}

impl<S: Clone + Default> Tally<S> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            sum: Mutex::default(),
            promise: Promise::new(),
        })
    }
}

impl<S: Clone + Default> Drop for Tally<S> {
    fn drop(&mut self) {
        let sum = std::mem::take(self.sum.get_mut().unwrap_or_else(PoisonError::into_inner));
        self.promise.keep(&Ok(sum));
    }
}
