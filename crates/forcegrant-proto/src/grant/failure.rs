//! Why one request to the token endpoint gives no token.

use crate::error::Error;

/// Why a request failed, or its response gives no token.
#[derive(Clone, Debug)]
pub struct RequestFailure {
    pub error: Error,
    /// Temporary: another attempt within the same login may help.
    pub transient: bool,
}

impl RequestFailure {
    pub fn transient(error: Error) -> Self {
        Self {
            error,
            transient: true,
        }
    }

    pub fn permanent(error: Error) -> Self {
        Self {
            error,
            transient: false,
        }
    }
}

/// Why a body is not that of a token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    Empty,
    Html,
    Gzip,
    Utf16,
    /// JSON that ends too early.
    Cut,
    /// JSON, but neither a token nor an OAuth error.
    OtherJson,
    TooLarge,
    Other,
}
