//! State that a forked child must not use: the child makes its own, and leaves the parent's alone.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

/// A value of this process, made at its first use. After a fork the first use in the child makes another one. The
/// parent's is leaked there: threads that do not exist in the child may hold its locks, and its sockets belong to the
/// parent.
#[derive(Debug)]
pub struct PerProcess<T>(ArcSwapOption<Owned<T>>);

/// The value of this process, shared.
#[derive(Debug)]
pub struct ProcessRef<T>(Arc<Owned<T>>);

#[derive(Debug)]
struct Owned<T> {
    process: u32,
    value: T,
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> Deref for ProcessRef<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> Clone for ProcessRef<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PerProcess<T> {
    /// This process's value, if it was made.
    pub fn existing(&self) -> Option<ProcessRef<T>> {
        let found = self.0.load();
        let found = found.as_ref()?;
        (found.process == std::process::id()).then(|| ProcessRef(Arc::clone(found)))
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value. Costs a system call (the process id), so it is not for the read path.
    pub fn current(&self) -> ProcessRef<T> {
        let process = std::process::id();
        let mut found = self.0.load_full();
        loop {
            if let Some(found) = found.as_ref().filter(|found| found.process == process) {
                return ProcessRef(Arc::clone(found));
            }
            let own = Arc::new(Owned {
                process,
                value: T::default(),
            });
            let previous = self.0.compare_and_swap(&found, Some(Arc::clone(&own)));
            let previous = Guard::into_inner(previous);
            if is_same(previous.as_ref(), found.as_ref()) {
                // Never drop what the parent made.
                std::mem::forget(found);
                return ProcessRef(own);
            }
            found = previous;
        }
    }
}

fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_per_process() {
        let cell = PerProcess::<std::sync::Mutex<u32>>::default();
        assert!(cell.existing().is_none());
        assert!(Arc::ptr_eq(&cell.current().0, &cell.current().0));
        assert!(Arc::ptr_eq(&cell.current().0, &cell.existing().unwrap().0));
    }

    #[test]
    fn another_process_gets_another_value() {
        let cell = PerProcess::<std::sync::Mutex<u32>>::default();
        // What a child sees: a value that another process made.
        cell.0.store(Some(Arc::new(Owned {
            process: std::process::id().wrapping_add(1),
            value: std::sync::Mutex::new(7),
        })));
        let in_parent = cell.0.load_full().unwrap();
        assert!(cell.existing().is_none());
        let in_child = cell.current();
        assert!(!Arc::ptr_eq(&in_parent, &in_child.0));
        assert!(Arc::ptr_eq(&in_child.0, &cell.current().0));
        assert_eq!(
            Arc::strong_count(&in_parent),
            2,
            "the parent's is not dropped"
        );
    }
}
