//! What the client `forcegrant` and the crates of its stores have in common: values that belong to one process, the
//! configuration of TLS, and the contract of a store.
//!
//! Use `forcegrant`: this crate is published because `forcegrant` is built from it, both are released together, and it
//! is exempt from semantic versioning.

#![forbid(unsafe_code)]

pub mod process;
pub mod store;
pub mod tls;
