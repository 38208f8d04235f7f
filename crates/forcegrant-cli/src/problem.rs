//! A failure as it is shown: an error of the core, or one of this program's own.

use forcegrant::{Error, ErrorCode, SetupStep};

#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) help: String,
    pub(crate) step: Option<SetupStep>,
}

impl Problem {
    /// A failure of this program's own, under one of the core's codes.
    pub(crate) fn new(
        code: ErrorCode,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            code,
            message: message.into(),
            help: help.into(),
            step: code.setup_step(),
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
        .for_command_line()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl Problem {
    /// The same for a person at the command line: options of the library by their names here.
    fn for_command_line(mut self) -> Self {
        for (option, here) in [("`replace`", "--replace"), ("`other_org`", "--other-org")] {
            self.help = self.help.replace(option, here);
        }
        self
    }
}

/// Why a command stopped.
#[derive(Clone, Debug)]
pub(crate) enum CommandFailure {
    /// The command line is wrong.
    Usage(String),
    Problem(Problem),
}

impl<P: Into<Problem>> From<P> for CommandFailure {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// Place of a step among the six, from 1.
pub(crate) fn number(step: SetupStep) -> usize {
    SetupStep::ALL
        .iter()
        .position(|other| *other == step)
        .map_or(0, |place| place + 1)
}
