//! What a person enters, and what comes of it.

use forcegrant::{Secret, SetupStep};

/// One of the three inputs of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    LoginUrl,
    ClientId,
    ClientSecret,
}

impl Field {
    pub(crate) const ALL: [Self; 3] = [Self::LoginUrl, Self::ClientId, Self::ClientSecret];

    /// The name of the input, and the value of the attribute `field` of errors.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LoginUrl => "login_url",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::LoginUrl => "Hostname",
            Self::ClientId => "Client ID",
            Self::ClientSecret => "Client Secret",
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::LoginUrl => {
                "Your My Domain, such as acme.my.salesforce.com. The address of any page of the org will do."
            }
            Self::ClientId => "The Consumer Key of your External Client App. It begins with 3MVG9.",
            Self::ClientSecret => "The Consumer Secret of the same app.",
        }
    }
}

/// The values of one attempt.
#[derive(Clone, Default)]
pub(crate) struct ConnectionEntries {
    pub(crate) login_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    /// The person has seen that this is another org, and wants it.
    pub(crate) other_org: bool,
}

/// Why an attempt was refused. Nothing was saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct RefusedAttempt {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) help: String,
    /// The input that is wrong, if one of them is.
    pub(crate) field: Option<Field>,
    /// The step of the set-up to look at.
    pub(crate) step: Option<SetupStep>,
    /// The entries are right, and belong to another org than the saved connection.
    pub(crate) other_org: bool,
}

/// A connection that was verified and saved.
#[derive(Clone, Debug, Default)]
pub(crate) struct CompletedConnection {
    pub(crate) id: String,
    pub(crate) login_host: String,
    pub(crate) org_id: String,
    pub(crate) user_id: String,
    /// What the person should know besides: "The Run-As user changed".
    pub(crate) notes: Vec<String>,
}
