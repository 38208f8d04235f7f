//! What `forcegrant` decides, without the means to act: no socket, no file, no clock, no lock, no runtime
//! and no randomness. What a function needs of these is passed in.
//!
//! The crate `forcegrant` acts on these decisions, and so do its adapters, stores, simulation and fuzz
//! targets. Use `forcegrant`: this crate is published because it is built from it, all its items are
//! released together, and it is exempt from semantic versioning. Items that are hidden from the
//! documentation are for these crates alone.

#![forbid(unsafe_code)]
// The names that users meet are documented, and checked where `forcegrant` re-exports them.
#![allow(missing_docs)]

pub mod backoff;
pub mod cache;
pub mod calls;
pub mod connection;
pub mod credentials;
pub mod error;
pub mod event;
pub mod expiry;
pub mod grant;
pub mod host;
pub mod http_message;
pub mod measurement;
pub mod moment;
pub mod no_proxy;
pub mod pasted_text;
pub mod percent_encoding;
pub mod redaction;
pub mod response_class;
pub mod retry_after;
pub mod secret;
pub mod status;
pub mod store;
pub mod token;
pub mod token_data;
pub mod url_spelling;
