//! When to mint, and what is served meanwhile.

pub(crate) mod budget;
mod handles;
pub(crate) mod landing;
pub(crate) mod learning;
pub(crate) mod lease;
pub(crate) mod policy;
pub(crate) mod renewals;
pub(crate) mod slot;
pub(crate) mod state;
