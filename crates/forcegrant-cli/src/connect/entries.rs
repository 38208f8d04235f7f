//! What a person enters, and what comes of it.

use forcegrant::{InputField, Secret, SetupStep};

/// What the form calls an input.
pub(crate) fn label(field: InputField) -> &'static str {
    match field {
        InputField::LoginUrl => "Hostname",
        InputField::ClientId => "Client ID",
        InputField::ClientSecret => "Client Secret",
        _ => field.as_str(),
    }
}

/// What is to be entered.
pub(crate) fn hint(field: InputField) -> &'static str {
    match field {
        InputField::LoginUrl => {
            "Your My Domain, such as acme.my.salesforce.com. The address of any page of the org will do."
        }
        InputField::ClientId => {
            "The Consumer Key of your External Client App. It begins with 3MVG9."
        }
        InputField::ClientSecret => "The Consumer Secret of the same app.",
        _ => "",
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
    pub(crate) field: Option<InputField>,
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
