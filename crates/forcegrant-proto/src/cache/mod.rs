//! When to log in, and what is served meanwhile.

pub mod after_login;
pub mod budget;
pub mod cache_state;
pub mod cached_token;
pub mod learning;
pub mod policy;
pub mod renewals;
pub mod reports;
pub mod state;
