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
