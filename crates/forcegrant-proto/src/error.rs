//! The error of this crate: opaque, with a stable code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

mod cause;
mod code;
mod input_field;
mod kind;
mod portable;
mod settings;
mod setup_step;

pub use self::cause::Cause;
pub use self::code::ErrorCode;
pub use self::input_field::InputField;
pub use self::kind::ErrorKind;
pub use self::portable::Portable;
pub use self::settings::{Setting, invalid_option};
pub use self::setup_step::SetupStep;

/// What went wrong, what it means in Salesforce's terms, and what to do about it.
///
/// Cheap to clone: every caller that waited for the same login gets the same error. `Display` is the
/// message, one line that says what happened; [`Error::help`] says what to do about it. No form of it
/// holds a secret or a token.
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Error(Arc<Details>);

#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
struct Details {
    code: ErrorCode,
    message: String,
    help: Option<String>,
    setup_step: Option<SetupStep>,
    field: Option<InputField>,
    http_status: Option<u16>,
    oauth_error: Option<String>,
    oauth_description: Option<String>,
    retry_after: Option<Duration>,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    #[doc(hidden)]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Arc::new(Details {
            code,
            message: message.into(),
            help: None,
            setup_step: code.setup_step(),
            field: InputField::of_code(code),
            http_status: None,
            oauth_error: None,
            oauth_description: None,
            retry_after: None,
            cause: None,
        }))
    }

    /// The system refused to start a thread or an event loop.
    #[doc(hidden)]
    pub fn worker_unavailable(error: &std::io::Error) -> Self {
        Self::new(
            ErrorCode::WorkerUnavailable,
            "the system would not start a thread that is needed",
        )
        .with_help("The process has too many threads or open files, or is short of memory. Look at its limits (ulimit).")
        .with_cause(Cause::of(error, &str::to_owned))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Self {
        self.change(|details| details.help = Some(help.into()))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_setup_step(self, step: Option<SetupStep>) -> Self {
        self.change(|details| details.setup_step = step)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_field(self, field: Option<InputField>) -> Self {
        self.change(|details| details.field = field)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_http_status(self, status: u16) -> Self {
        self.change(|details| details.http_status = Some(status))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_oauth(self, error: String, description: Option<String>) -> Self {
        self.change(|details| {
            details.oauth_error = Some(error);
            details.oauth_description = description;
        })
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_retry_after(self, wait: Option<Duration>) -> Self {
        self.change(|details| details.retry_after = wait)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn with_cause(self, cause: Cause) -> Self {
        self.change(|details| details.cause = Some(cause))
    }

    /// With the texts of its cause passed through `clean`.
    #[doc(hidden)]
    #[must_use]
    pub fn with_clean_cause(self, clean: &dyn Fn(&str) -> String) -> Self {
        match self.0.cause.as_ref().map(|cause| Cause::of(cause, clean)) {
            Some(cause) => self.with_cause(cause),
            None => self,
        }
    }

    fn change(mut self, edit: impl FnOnce(&mut Details)) -> Self {
        edit(Arc::make_mut(&mut self.0));
        self
    }

    /// The general kind, for a `match`.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind()
    }

    /// What failed, by its stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// One line: what happened. `Display` prints the same.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What it means and where to fix it; may have several lines.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// Whether the same call may succeed later with nothing changed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.code.is_retryable()
    }

    /// How long to wait before another try has a chance: the server's `Retry-After`, or what is
    /// left of this client's own back-off. `None` when nothing is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The HTTP status of the response, if there was one.
    #[must_use]
    pub fn http_status(&self) -> Option<u16> {
        self.0.http_status
    }

    /// The `error` field of the OAuth response (RFC 6749 section 5.2), as Salesforce sent it.
    #[must_use]
    pub fn oauth_error(&self) -> Option<&str> {
        self.0.oauth_error.as_deref()
    }

    /// The `error_description` field of the OAuth response, as Salesforce sent it.
    #[must_use]
    pub fn oauth_description(&self) -> Option<&str> {
        self.0.oauth_description.as_deref()
    }

    /// Which of the six set-up steps in Salesforce to look at.
    #[must_use]
    pub fn setup_step(&self) -> Option<SetupStep> {
        self.0.setup_step
    }

    /// Which of the values that a user enters is wrong, if the error is about one of them: a form can mark it.
    #[must_use]
    pub fn field(&self) -> Option<InputField> {
        self.0.field
    }
}

/// Leaves out what the error does not have.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        let mut shown = f.debug_struct("Error");
        shown.field("code", &details.code.as_str());
        shown.field("message", &details.message);
        let mut optional = |name, value: Option<&dyn fmt::Debug>| {
            if let Some(value) = value {
                shown.field(name, value);
            }
        };
        optional("help", details.help.as_ref().map(|text| text as _));
        optional(
            "setup_step",
            details.setup_step.as_ref().map(|step| step as _),
        );
        optional("field", details.field.as_ref().map(|field| field as _));
        optional(
            "http_status",
            details.http_status.as_ref().map(|status| status as _),
        );
        optional(
            "oauth_error",
            details.oauth_error.as_ref().map(|text| text as _),
        );
        optional(
            "oauth_description",
            details.oauth_description.as_ref().map(|text| text as _),
        );
        optional(
            "retry_after",
            details.retry_after.as_ref().map(|wait| wait as _),
        );
        optional("cause", details.cause.as_ref().map(|cause| cause as _));
        shown.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_what_the_error_has() {
        let error = Error::new(ErrorCode::Timeout, "late").with_http_status(504);
        assert_eq!(
            format!("{error:?}"),
            r#"Error { code: "timeout", message: "late", http_status: 504 }"#
        );
    }

    #[test]
    fn display_is_the_message_and_help_stays_apart() {
        let error = Error::new(ErrorCode::NoRunAsUser, "refused").with_help("one\ntwo");
        assert_eq!(error.to_string(), "refused");
        assert_eq!(error.message(), "refused");
        assert_eq!(error.help(), Some("one\ntwo"));
        assert_eq!(error.setup_step(), Some(SetupStep::RunAsUser));
    }

    #[test]
    fn an_error_about_one_input_names_it() {
        let of = |error: Error| error.field().map(InputField::as_str);
        let new = |code| of(Error::new(code, "x"));
        assert_eq!(new(ErrorCode::InvalidLoginUrl), Some("login_url"));
        assert_eq!(new(ErrorCode::InvalidClientId), Some("client_id"));
        assert_eq!(new(ErrorCode::InvalidClientSecret), Some("client_secret"));
        assert_eq!(new(ErrorCode::NoRunAsUser), None);
        assert_eq!(of(invalid_option("client_id", "x", "y")), Some("client_id"));
        assert_eq!(of(invalid_option("max_attempts", "x", "y")), None);
    }

    #[test]
    fn cause_keeps_the_chain() {
        let io = std::io::Error::other("inner");
        let error =
            Error::new(ErrorCode::ConnectFailed, "x").with_cause(Cause::of(&io, &str::to_owned));
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            "inner"
        );
    }
}
