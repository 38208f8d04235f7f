//! What the adapters of HTTP libraries have in common: the requests of one API call, and a response body whose beginning
//! is read ahead.
//!
//! Use the crate `forcegrant`. This one is published because its adapters are built from it, all are released together,
//! and it is exempt from semantic versioning.

#![forbid(unsafe_code)]

mod attempt;
mod peeked_body;

pub use self::attempt::{Attempt, CallAttempts, CallError, Resend};
pub use self::peeked_body::PeekedBody;
