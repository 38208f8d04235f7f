//! What must not cross a fork: made anew in the child, the parent's left alone there.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value of the process that made it. The first use in a forked child makes a new one; the
/// parent's is leaked there, because its locks may be held by threads that the child does not have.
pub(crate) struct PerProcess<T>(ArcSwap<Owned<T>>);

struct Owned<T> {
    process: u32,
    value: Arc<T>,
}

impl<T: Default> Default for PerProcess<T> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Owned::new()))
    }
}

impl<T: Default> Owned<T> {
    fn new() -> Self {
        Self {
            process: std::process::id(),
            value: Arc::default(),
        }
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value. Costs a system call, so it is not for the cached read.
    pub(crate) fn current(&self) -> Arc<T> {
        let found = self.0.load_full();
        if found.process == std::process::id() {
            return Arc::clone(&found.value);
        }
        let own = Arc::new(Owned::new());
        let previous = self.0.compare_and_swap(&found, Arc::clone(&own));
        if Arc::ptr_eq(&previous, &found) {
            std::mem::forget(found);
            return Arc::clone(&own.value);
        }
        // Another thread of the child came first.
        Arc::clone(&self.0.load().value)
    }
}
