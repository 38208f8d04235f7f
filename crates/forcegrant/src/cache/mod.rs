//! When to log in, and what is served meanwhile.

pub(crate) mod after_login;
pub(crate) mod budget;
pub(crate) mod cached_token;

pub(crate) mod learning;

pub(crate) mod policy;
pub(crate) mod renewals;

mod sharded_refs;
pub(crate) mod state;
pub(crate) mod token_cell;
