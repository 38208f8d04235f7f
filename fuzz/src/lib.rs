//! What all fuzz targets share: the call of a check, with a limit to what it may allocate.
#![cfg(feature = "libfuzzer")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What one check may ask for at once, whatever the input says: a few times the longest response, which is 1 MiB.
const MAX_ALLOCATION: usize = 16 * 1024 * 1024;

/// The largest allocation since the last look.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

#[global_allocator]
static ALLOCATOR: Watched = Watched;

// SAFETY: it passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Watched {
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

/// Runs the check of one target.
///
/// # Panics
/// When one of its promises does not hold, or when it asks for much memory at once.
pub fn run(target: &str, data: &[u8]) {
    LARGEST.store(0, Ordering::Relaxed);
    forcegrant::fuzz::run(target, data);
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest <= MAX_ALLOCATION, "{largest} bytes at once");
}
