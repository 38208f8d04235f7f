//! The input of a login that an error can be about.

use super::ErrorCode;

/// One of the three values that a user enters to connect an org, for a form that marks the one to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputField {
    /// The login URL: the org's My Domain.
    LoginUrl,
    /// The client id (consumer key).
    ClientId,
    /// The client secret (consumer secret).
    ClientSecret,
}

impl InputField {
    /// All fields, in the order of a form.
    pub const ALL: [Self; 3] = [Self::LoginUrl, Self::ClientId, Self::ClientSecret];

    /// The name of the option that takes the value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoginUrl => "login_url",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
        }
    }

    /// The field of the option with this name.
    #[doc(hidden)]
    pub fn of_option(option: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == option)
    }

    /// The field that an error with this code is about, where that is always the same.
    pub(super) fn of_code(code: ErrorCode) -> Option<Self> {
        match code {
            ErrorCode::InvalidLoginUrl
            | ErrorCode::UntrustedHost
            | ErrorCode::UnsupportedLoginHost
            | ErrorCode::DnsFailed => Some(Self::LoginUrl),
            ErrorCode::InvalidClientId => Some(Self::ClientId),
            ErrorCode::InvalidClientSecret => Some(Self::ClientSecret),
            _ => None,
        }
    }
}
