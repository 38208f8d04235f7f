//! Why a connection cannot be used, before it is known where it is kept.

use crate::error::{Error, ErrorCode, InputField};

/// What is wrong with a connection and how to mend it. It holds no value of the text, which may be a secret.
#[derive(Clone, Debug)]
pub struct ConnectionProblem {
    pub reason: String,
    pub cure: String,
    pub field: Option<InputField>,
}

impl ConnectionProblem {
    pub fn new(reason: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            cure: cure.into(),
            field: None,
        }
    }

    #[must_use]
    pub fn about(self, field: InputField) -> Self {
        Self {
            field: Some(field),
            ..self
        }
    }

    pub(super) fn too_large() -> Self {
        Self::new(
            "it is larger than 64 KiB",
            "No connection needs that much; is it another file? Shorten its labels.",
        )
    }

    pub(super) fn no_randomness() -> Self {
        Self::new(
            "the system has no random numbers to seal it with",
            "Look at what keeps this process from the system's source of random numbers.",
        )
    }

    /// The error, with the place of the connection.
    pub fn at(self, place: &str) -> Error {
        Error::new(
            ErrorCode::ConnectionUnreadable,
            format!("the connection {place} cannot be used: {}", self.reason),
        )
        .with_help(self.cure)
        .with_field(self.field)
    }
}

/// The problem that a value of the connection has by itself.
impl From<Error> for ConnectionProblem {
    fn from(error: Error) -> Self {
        Self {
            reason: error.message().to_owned(),
            cure: error.help().unwrap_or_default().to_owned(),
            field: error.field(),
        }
    }
}
