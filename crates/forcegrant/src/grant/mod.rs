//! One mint, sans I/O: `request` encodes, `response` decodes, `refusal` classifies, `retry` decides.

pub(crate) mod introspection;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod retry;
