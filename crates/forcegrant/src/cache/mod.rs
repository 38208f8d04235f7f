//! When to login, and what is served meanwhile.

pub(crate) mod after_login;
pub(crate) mod budget;
pub(crate) mod cached_token;

pub(crate) mod learning;

pub(crate) mod policy;
pub(crate) mod renewals;

pub(crate) mod state;
