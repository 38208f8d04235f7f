//! The client id and secret: checked and trimmed.

use crate::error::{Code, Error, invalid_option};
use crate::secret::Secret;

/// A consumer key and consumer secret, in OAuth's terms client id and client secret.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
}

impl Credentials {
    /// Trims both, as people paste blanks and newlines, and refuses what can not be right.
    pub(crate) fn new(client_id: &str, client_secret: &Secret) -> Result<Self, Error> {
        let client_id = client_id.trim();
        let client_secret = client_secret.trimmed();
        if client_id.is_empty() {
            return Err(missing("client_id", "SALESFORCE_CLIENT_ID", "consumer key"));
        }
        if client_secret.expose().is_empty() {
            return Err(missing(
                "client_secret",
                "SALESFORCE_CLIENT_SECRET",
                "consumer secret",
            ));
        }
        if client_id
            .chars()
            .any(|c| c.is_whitespace() || c.is_control())
        {
            return Err(invalid_option(
                "client_id",
                "it holds a blank or a control character in its middle",
                "A consumer key is one word of about 85 characters that starts with 3MVG9. Copy it again from the app's settings.",
            ));
        }
        if client_secret.expose().chars().any(char::is_control) {
            return Err(invalid_option(
                "client_secret",
                "it holds a control character (a line break?) in its middle",
                "A consumer secret is one word. Copy it again from the app's settings.",
            ));
        }
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret,
        })
    }
}

fn missing(option: &str, variable: &str, salesforce: &str) -> Error {
    Error::new(Code::MissingCredentials, format!("`{option}` is empty")).with_help(format!(
        "Give the app's {salesforce} as `{option}`, or in the environment variable {variable}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_blanks_are_trimmed() {
        let credentials = Credentials::new(" 3MVG9x\n", &Secret::new("\tABC \r\n")).unwrap();
        assert_eq!(credentials.client_id, "3MVG9x");
        assert_eq!(credentials.client_secret.expose(), "ABC");
    }

    #[test]
    fn nonsense_is_refused_without_showing_it() {
        for (id, secret) in [("", "x"), ("x", " "), ("a b", "x"), ("x", "hunter\n22")] {
            let error = Credentials::new(id, &Secret::new(secret)).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
    }
}
