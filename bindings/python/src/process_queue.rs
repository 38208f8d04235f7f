//! A queue for what waits until a Python thread comes by, as no native thread touches the interpreter.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use forcegrant::ffi::PerProcess;

/// In a forked child it is empty: the items are the parent's.
pub(crate) struct ProcessQueue<T> {
    /// Whether an item waits, which is mostly all that is looked at.
    is_filled: AtomicBool,
    items: PerProcess<Mutex<VecDeque<T>>>,
}

impl<T> Default for ProcessQueue<T> {
    fn default() -> Self {
        Self {
            is_filled: AtomicBool::new(false),
            items: PerProcess::default(),
        }
    }
}

impl<T> ProcessQueue<T> {
    #[inline]
    pub(crate) fn is_filled(&self) -> bool {
        self.is_filled.load(Ordering::Acquire)
    }

    /// Adds an item; `before` may make space for it.
    pub(crate) fn push(&self, item: T, before: impl FnOnce(&mut VecDeque<T>)) {
        let queue = self.items.current();
        let mut items = queue.lock().unwrap_or_else(PoisonError::into_inner);
        before(&mut items);
        items.push_back(item);
        self.is_filled.store(true, Ordering::Release);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        let queue = self.items.current();
        let mut items = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let item = items.pop_front();
        if item.is_none() {
            self.is_filled.store(false, Ordering::Release);
        }
        item
    }
}
