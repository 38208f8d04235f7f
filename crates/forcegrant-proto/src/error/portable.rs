//! An error in the form in which another process reads it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Error, ErrorCode, InputField, SetupStep};
use crate::moment::millis;

/// All of an error except its cause. Like the error, it holds no secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Portable {
    code: String,
    message: String,
    help: Option<String>,
    setup_step: Option<String>,
    field: Option<String>,
    http_status: Option<u16>,
    oauth_error: Option<String>,
    oauth_description: Option<String>,
    /// In milliseconds.
    retry_after: Option<u64>,
}

impl Error {
    #[doc(hidden)]
    pub fn portable(&self) -> Portable {
        let text = |text: Option<&str>| text.map(str::to_owned);
        Portable {
            code: self.code().as_str().to_owned(),
            message: self.message().to_owned(),
            help: text(self.help()),
            setup_step: text(self.setup_step().map(SetupStep::as_str)),
            field: text(self.field().map(InputField::as_str)),
            http_status: self.http_status(),
            oauth_error: text(self.oauth_error()),
            oauth_description: text(self.oauth_description()),
            retry_after: self.retry_after().map(millis),
        }
    }
}

impl Portable {
    /// `None`: this release does not know the code.
    pub fn into_error(self) -> Option<Error> {
        let code = ErrorCode::ALL.iter().find(|code| **code == *self.code)?;
        let step = SetupStep::ALL
            .into_iter()
            .find(|step| Some(step.as_str()) == self.setup_step.as_deref());
        let error = Error::new(*code, self.message).with_setup_step(step);
        let field = self.field.as_deref().and_then(InputField::of_option);
        Some(error.change(|details| {
            details.field = field.or(details.field);
            details.help = self.help;
            details.http_status = self.http_status;
            details.oauth_error = self.oauth_error;
            details.oauth_description = self.oauth_description;
            details.retry_after = self.retry_after.map(Duration::from_millis);
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_crosses_whole_and_an_unknown_code_does_not() {
        let error = Error::new(ErrorCode::NoRunAsUser, "refused")
            .with_help("one\ntwo")
            .with_http_status(400)
            .with_oauth("invalid_grant".to_owned(), None)
            .with_retry_after(Some(Duration::from_secs(7)));
        let mut text = serde_json::to_string(&error.portable()).unwrap();
        let read: Portable = serde_json::from_str(&text).unwrap();
        assert_eq!(
            format!("{:?}", read.into_error().unwrap()),
            format!("{error:?}")
        );
        text = text.replace("no_run_as_user", "of_a_later_release");
        let read: Portable = serde_json::from_str(&text).unwrap();
        assert!(read.into_error().is_none());
    }
}
