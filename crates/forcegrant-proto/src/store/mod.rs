//! The arguments and results of a store's calls, the content of its entries, and the rules that it keeps.

pub mod breaker;
pub mod file_entry;
pub mod protocol;
pub mod record;
pub mod seal;

use std::fmt;
use std::time::Duration;

/// An entry, as it was put.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bytes.
    pub entry: Vec<u8>,
    /// What is left of its time to live by the store's own clock, if it has one that does not depend
    /// on this machine's. With it, a machine whose clock is wrong does not serve a token too long.
    pub left: Option<Duration>,
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("entry", &format_args!("[{} bytes]", self.entry.len()))
            .field("left", &self.left)
            .finish()
    }
}

/// The right to log in, as it was granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Who has it: 32 hexadecimal digits, drawn for each login.
    pub owner: String,
    /// Its fencing number.
    pub fence: u64,
}

/// The response of a store to `acquire`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquired {
    /// The caller has the lease.
    Granted {
        /// Its fencing number: below 2^53, so that every language can hold it.
        fence: u64,
    },
    /// Another owner has the lease.
    Held {
        /// The other's fencing number.
        fence: u64,
        /// How long it holds, unless it is extended or ended.
        left: Duration,
    },
}

/// The response of a store to `put`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The entry is there.
    Stored,
    /// A newer one was there, and stays.
    Outdated,
}

/// A call of a store failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(String);

impl StoreError {
    /// One line for a log: what failed. It must hold no password and no entry.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}
