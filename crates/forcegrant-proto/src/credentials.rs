//! The client id and client secret of an app, checked, and the set of credentials that are valid at the same time.

use std::fmt;

use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, InputField, Setting};
use crate::pasted_text as text;
use crate::redaction::{HIDDEN, looks_random};
use crate::secret::{CredentialsFingerprint, Secret};

/// A consumer key and consumer secret, in OAuth's terms client id and client secret.
#[derive(Clone)]
pub struct ClientCredentials {
    /// The id and then the secret: one allocation, because a pool holds many.
    text: Zeroizing<Box<str>>,
    id_length: usize,
}

impl ClientCredentials {
    /// Removes what people paste by mistake (blanks, line breaks, byte order marks, quotes around it), and refuses what
    /// cannot be right.
    ///
    /// # Errors
    /// `missing_credentials` for an empty one, `invalid_option` for one that is not a single word.
    pub fn new(
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        let given = client_secret.into();
        let client_id = text::meant(client_id.as_ref());
        let client_secret = text::meant(given.expose());
        if client_id.is_empty() {
            return Err(missing("client_id", "SALESFORCE_CLIENT_ID", "consumer key"));
        }
        if client_secret.is_empty() {
            return Err(missing(
                "client_secret",
                "SALESFORCE_CLIENT_SECRET",
                "consumer secret",
            ));
        }
        let setting = Setting::Option("client_id");
        if client_id.contains(' ') {
            return Err(setting.wrong(
                "it holds a blank in its middle",
                "A consumer key is one word of about 85 characters that starts with 3MVG9. Copy it again from the app's settings.",
            ));
        }
        text::check(setting, client_id)?;
        text::check(Setting::Option("client_secret"), client_secret)?;
        // Large enough that it does not grow, which would leave a part of the secret behind.
        let mut text = String::with_capacity(client_id.len() + client_secret.len());
        text.push_str(client_id);
        text.push_str(client_secret);
        Ok(Self {
            text: Zeroizing::new(text.into_boxed_str()),
            id_length: client_id.len(),
        })
    }

    /// The client id (consumer key).
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.text[..self.id_length]
    }

    /// The secret itself. Do not print it.
    #[doc(hidden)]
    pub fn expose_client_secret(&self) -> &str {
        &self.text[self.id_length..]
    }

    /// 16 hexadecimal digits that tell these credentials from others; safe to log.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.mark().to_string()
    }

    /// The fingerprint as a number.
    #[doc(hidden)]
    pub fn mark(&self) -> CredentialsFingerprint {
        CredentialsFingerprint::of(&[self.client_id(), "\0", self.expose_client_secret()])
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            // People sometimes swap id and secret.
            .field(
                "client_id",
                &Some(self.client_id())
                    .filter(|id| !looks_random(id))
                    .unwrap_or(HIDDEN),
            )
            .field("client_secret", &HIDDEN)
            .finish()
    }
}

/// The credentials of an app: Salesforce lets two be valid at once while one replaces the other.
#[derive(Clone, Debug)]
pub struct CredentialSet {
    #[doc(hidden)]
    pub current: ClientCredentials,
    /// Boxed, because few have one.
    #[doc(hidden)]
    pub next: Option<Box<ClientCredentials>>,
}

impl CredentialSet {
    /// One id and secret.
    #[must_use]
    pub fn new(current: ClientCredentials) -> Self {
        Self {
            current,
            next: None,
        }
    }

    /// A second id and secret, which are tried if the first are refused.
    #[must_use]
    pub fn with_next(self, next: ClientCredentials) -> Self {
        Self {
            next: Some(Box::new(next)),
            ..self
        }
    }

    #[doc(hidden)]
    pub fn iter(&self) -> impl Iterator<Item = &ClientCredentials> {
        std::iter::once(&self.current).chain(self.next.as_deref())
    }
}

fn missing(option: &str, variable: &str, salesforce: &str) -> Error {
    Error::new(
        ErrorCode::MissingCredentials,
        format!("`{option}` is empty"),
    )
    .with_field(InputField::of_option(option))
    .with_help(format!(
        "Give the app's {salesforce} as `{option}`, or in the environment variable {variable}."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: &str, secret: &str) -> ClientCredentials {
        ClientCredentials::new(id, secret).unwrap()
    }

    #[test]
    fn pasted_blanks_are_trimmed() {
        let credentials = credentials(" 3MVG9x\n", "\tABC \r\n");
        assert_eq!(credentials.client_id(), "3MVG9x");
        assert_eq!(credentials.expose_client_secret(), "ABC");
    }

    #[test]
    fn nonsense_is_refused_without_showing_it() {
        for (id, secret) in [("", "x"), ("x", " "), ("a b", "x"), ("x", "hunter\n22")] {
            let error = ClientCredentials::new(id, secret).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
        assert!(!format!("{:?}", credentials("id", "hunter22")).contains("hunter22"));
    }

    #[test]
    fn the_fingerprint_depends_on_both() {
        assert_ne!(
            credentials("a", "b").fingerprint(),
            credentials("a", "c").fingerprint()
        );
        assert_ne!(
            credentials("a", "b").fingerprint(),
            credentials("c", "b").fingerprint()
        );
        assert_eq!(
            credentials("a", "b").fingerprint(),
            credentials("a ", "b").fingerprint()
        );
    }
}
