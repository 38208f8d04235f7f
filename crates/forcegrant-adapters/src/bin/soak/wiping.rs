//! The allocator of the system, which can overwrite memory when it is freed: a secret that is still found then is still
//! owned by an object.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

/// Off until [`Wiping::on`].
pub(crate) struct Wiping;

static ON: AtomicBool = AtomicBool::new(false);

impl Wiping {
    pub(crate) fn on() {
        ON.store(true, Ordering::Relaxed);
    }
}

// SAFETY: everything is passed on to the system's allocator; the bytes that are overwritten belong to
// the block that is being freed.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    // `realloc` is the trait's own: a new block, a copy, and this.
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            for offset in 0..layout.size() {
                // SAFETY: within the block. Volatile, so that the compiler does not remove it.
                unsafe { block.add(offset).write_volatile(0) };
            }
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) }
    }
}
