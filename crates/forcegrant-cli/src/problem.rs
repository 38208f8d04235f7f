//! A failure in the form in which it is shown: the core's, or one of this program's own.

use forcegrant::ffi::{Row, TABLE};
use forcegrant::{Error, SetupStep};

#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) step: Option<SetupStep>,
}

impl Problem {
    /// A failure of this program's own, under one of the core's codes.
    pub(crate) fn new(
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            help: help.into(),
            step: row(code).and_then(|row| row.setup_step),
        }
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code(),
            message: error.message().to_owned(),
            help: error.help().unwrap_or_default().to_owned(),
            step: error.setup_step(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

/// The line of the error table for a code.
pub(crate) fn row(code: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.code == code)
}

/// Place of a step among the six, from 1.
pub(crate) fn number(step: SetupStep) -> usize {
    SetupStep::ALL
        .iter()
        .position(|other| *other == step)
        .map_or(0, |place| place + 1)
}
