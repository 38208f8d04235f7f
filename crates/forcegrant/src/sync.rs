//! The locks of the flight: the standard library's, or those of a model checker that tries the
//! interleavings (feature `model`, for this crate's own tests).

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
