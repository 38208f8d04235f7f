//! State that must not cross a fork: rebuilt in the child, the parent's copy left alone.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value that belongs to the process that made it. After a fork the first use in the child makes
/// a new one; the parent's is leaked there, because its locks may be held by threads that do not
/// exist in the child and its sockets belong to the parent.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(ArcSwap<Owned<T>>);

#[derive(Debug)]
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
            value: Arc::new(T::default()),
        }
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value. Costs a system call (the process id), so it is not for the read path.
    pub(crate) fn current(&self) -> Arc<T> {
        let found = self.0.load_full();
        if found.process == std::process::id() {
            return Arc::clone(&found.value);
        }
        let own = Arc::new(Owned::new());
        let previous = self.0.compare_and_swap(&found, Arc::clone(&own));
        if Arc::ptr_eq(&previous, &found) {
            // Never drop what the parent made.
            std::mem::forget(found);
            return Arc::clone(&own.value);
        }
        Arc::clone(&self.0.load().value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_per_process() {
        let cell = PerProcess::<std::sync::Mutex<u32>>::default();
        assert!(Arc::ptr_eq(&cell.current(), &cell.current()));
    }

    #[test]
    fn another_process_gets_another_value() {
        let cell = PerProcess::<std::sync::Mutex<u32>>::default();
        let parents = cell.current();
        // What a child sees: a value that another process made.
        cell.0.store(Arc::new(Owned {
            process: std::process::id().wrapping_add(1),
            value: Arc::clone(&parents),
        }));
        let childs = cell.current();
        assert!(!Arc::ptr_eq(&parents, &childs));
        assert!(Arc::ptr_eq(&childs, &cell.current()));
    }
}
