//! The locks of the flight: the standard library's, or those of a model checker that tries the
//! interleavings (feature `model`, for this crate's own tests).

#[cfg(feature = "model")]
pub(crate) use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard};
