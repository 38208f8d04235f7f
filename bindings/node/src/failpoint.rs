//! Panics: how one in this library is contained, and failpoints, where a test can cause one.
//!
//! A panic on a thread of JavaScript becomes an `internal` error of the call. The core handles one on its worker thread.
//! The text of a panic can contain a secret, so it is never shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Installs a panic hook that prints where a panic of this library happened, without its text. Only this library
/// uses the standard library that the hook belongs to: it is linked statically.
pub(crate) fn hide_panic_texts() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let place = place.as_deref().unwrap_or("an unknown place");
            eprintln!("forcegrant: internal error at {place}; please report it");
        }));
    });
}

/// What `work` returns, or `None` if it panics.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Nothing that holds one of these locks leaves its value half changed when it panics.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(feature = "failpoints")]
pub(crate) use enabled::failpoint;

/// A test can cause a panic here, in a build with the feature `failpoints`.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub(crate) fn failpoint(_: &str) {}

#[cfg(feature = "failpoints")]
mod enabled {
    use std::sync::Mutex;

    use napi_derive::napi;

    use super::lock;

    static ARMED: Mutex<Option<(String, String)>> = Mutex::new(None);

    /// The next time that the failpoint `name` is reached, it panics with this text.
    #[napi]
    pub fn arm_failpoint(name: String, text: String) {
        *lock(&ARMED) = Some((name, text));
    }

    pub(crate) fn failpoint(name: &str) {
        let armed = lock(&ARMED).take_if(|(armed, _)| armed == name);
        if let Some((_, text)) = armed {
            panic!("{text}");
        }
    }
}
