//! The forms that the client secret of a connection has.

use std::fmt;

use crate::redaction::HIDDEN;
use crate::secret::Secret;

/// Where the client secret of a connection is.
#[derive(Clone)]
pub enum SecretSource {
    /// In the connection itself.
    Text(Secret),
    /// In a file, whose absolute path this is.
    File(String),
    /// In what a command writes: its program and arguments.
    Command(Vec<String>),
    /// In the connection itself, sealed.
    Sealed(String),
}

impl SecretSource {
    /// The word for the form.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::File(_) => "file",
            Self::Command(_) => "command",
            Self::Sealed(_) => "sealed",
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A path or an argument may be the secret itself, put in the wrong place.
        write!(f, "{HIDDEN} ({})", self.as_str())
    }
}
