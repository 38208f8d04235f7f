//! API calls: attach the token, renew it once when Salesforce says that it is dead, never leak it.

pub mod api_call;
pub mod client;
pub mod resolve_url;
pub mod retry;
