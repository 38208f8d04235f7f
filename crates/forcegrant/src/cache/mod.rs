//! When to mint, and what is served meanwhile.

mod handles;
pub(crate) mod policy;
pub(crate) mod slot;
pub(crate) mod state;
