//! Errors about what the user set: an option or an environment variable.

use std::fmt;

use super::{Error, ErrorCode, InputField};

/// An option has a value that cannot work.
pub fn invalid_option(option: &str, problem: &str, right: &str) -> Error {
    Setting::Option(option).wrong(problem, right)
}

/// Where a value was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<'a> {
    Option(&'a str),
    Variable(&'a str),
}

impl Setting<'_> {
    pub fn wrong(self, problem: &str, right: &str) -> Error {
        let field = match self {
            Self::Option(name) => InputField::of_option(name),
            Self::Variable(_) => None,
        };
        Error::new(ErrorCode::InvalidOption, format!("{self}: {problem}"))
            .with_help(right)
            .with_field(field)
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => write!(f, "option `{name}`"),
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
        }
    }
}
