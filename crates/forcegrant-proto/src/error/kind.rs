//! The kinds of errors, for a `match`.

/// The general kind of an [`Error`](super::Error); each binding has one class for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An option, an environment variable or the host is wrong; nothing was sent.
    Configuration,
    /// Salesforce refused the request: something in the org's set-up must change.
    Refused,
    /// The user has too many logins in this hour; another try makes it worse.
    LoginRate,
    /// No response within the time allowed.
    Timeout,
    /// The endpoint could not be reached, or the connection broke.
    Transport,
    /// The endpoint cannot serve now.
    Unavailable,
    /// The response was not that of a Salesforce token endpoint.
    Response,
    /// A token was issued, and it is of no use.
    Token,
    /// A defect of this library, or the process is out of resources.
    Internal,
}

impl ErrorKind {
    /// The kind as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Refused => "refused",
            Self::LoginRate => "login_rate",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Unavailable => "unavailable",
            Self::Response => "response",
            Self::Token => "token",
            Self::Internal => "internal",
        }
    }
}
