//! One login without I/O: `request` encodes, `response` decodes, `classification` and `refusal` say what a
//! response means, `retry` says when to try again.

pub(crate) mod classification;
pub(crate) mod introspection;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod retry;
