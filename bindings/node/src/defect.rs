//! What happens when this library panics: a defect, but neither the end of the process nor a leak.
//!
//! A panic on a thread of JavaScript becomes an error of the call, or an answer that holds nothing,
//! which the layer above tells as `internal`; one on the worker thread is the core's affair. The text
//! of a panic can hold whatever was being worked on, a secret among it, so it is shown nowhere.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// Has panics of this library say where, and not what. The standard library that the hook belongs to
/// is linked into this library and shared with no other.
pub(crate) fn keep_silent() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            let place = place.as_deref().unwrap_or("an unknown place");
            eprintln!("forcegrant: a defect at {place}; please report it");
        }));
    });
}

/// What `work` returns, or nothing if it panics.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(feature = "defects")]
pub(crate) use planted::reach;

/// Where a test can plant a defect; here is none.
#[cfg(not(feature = "defects"))]
#[inline]
pub(crate) fn reach(_: &str) {}

/// Defects on demand, in a build for tests only.
#[cfg(feature = "defects")]
mod planted {
    use std::sync::Mutex;

    use napi_derive::napi;

    use crate::wait::lock;

    static PLANTED: Mutex<Option<(String, String)>> = Mutex::new(None);

    /// The next time that `place` is reached, there is a panic with this text.
    #[napi]
    pub fn plant_defect(place: String, text: String) {
        *lock(&PLANTED) = Some((place, text));
    }

    pub(crate) fn reach(place: &str) {
        let planted = lock(&PLANTED).take_if(|(planted, _)| planted == place);
        if let Some((_, text)) = planted {
            panic!("{text}");
        }
    }
}
