//! The largest allocation of a check. The allocator is that of a whole program, so the tests do without it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest single allocation of a check for any input: a few times the longest response, which is 1 MiB.
const MAX_ALLOCATION_BYTES: usize = 16 * 1024 * 1024;

/// The largest allocation since the check began.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct RecordingAllocator;

#[global_allocator]
static ALLOCATOR: RecordingAllocator = RecordingAllocator;

// SAFETY: every call goes to the allocator of the system.
unsafe impl GlobalAlloc for RecordingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

/// Runs a check.
///
/// # Panics
/// If one of its promises does not hold, or if one allocation is too large.
pub(crate) fn run(check: fn(&[u8]), data: &[u8]) {
    LARGEST.store(0, Ordering::Relaxed);
    check(data);
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(
        largest <= MAX_ALLOCATION_BYTES,
        "one allocation of {largest} bytes"
    );
}
