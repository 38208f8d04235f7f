//! One token request without I/O: `request` encodes it, `response` decodes what comes back, `classification` and
//! `refusal` say what a response means, `retry` says when to try again.

pub mod classification;
pub mod context;
pub mod failure;
pub mod introspection;
pub mod refusal;
pub mod request;
pub mod response;
pub mod retry;
