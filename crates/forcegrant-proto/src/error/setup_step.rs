//! The steps of the set-up in Salesforce that an error can point to.

/// The six steps of the set-up in Salesforce, as the README numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetupStep {
    /// 1. Create the external client app, with OAuth and its scopes.
    CreateApp,
    /// 2. Enable the client credentials flow for the app.
    EnableFlow,
    /// 3. Choose the user that the app runs as.
    RunAsUser,
    /// 4. Permit that user to use the app.
    AppPolicies,
    /// 5. Copy the consumer key and secret.
    KeyAndSecret,
    /// 6. Use the org's My Domain host name.
    Hostname,
}

impl SetupStep {
    /// All steps, in their order.
    pub const ALL: [Self; 6] = [
        Self::CreateApp,
        Self::EnableFlow,
        Self::RunAsUser,
        Self::AppPolicies,
        Self::KeyAndSecret,
        Self::Hostname,
    ];

    /// The step's stable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CreateApp => "create-app",
            Self::EnableFlow => "enable-flow",
            Self::RunAsUser => "run-as-user",
            Self::AppPolicies => "app-policies",
            Self::KeyAndSecret => "key-and-secret",
            Self::Hostname => "hostname",
        }
    }

    /// Where in Salesforce's Setup it is done.
    #[must_use]
    pub fn setup_path(self) -> &'static str {
        match self {
            Self::CreateApp => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings"
            }
            Self::EnableFlow => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings > Flow Enablement"
            }
            Self::RunAsUser => {
                "Setup > External Client App Manager > your app > Policies > OAuth Policies > OAuth Flows and External Client App Enhancements"
            }
            Self::AppPolicies => {
                "Setup > External Client App Manager > your app > Policies > App Policies"
            }
            Self::KeyAndSecret => {
                "Setup > External Client App Manager > your app > Settings > OAuth Settings > Consumer Key and Secret"
            }
            Self::Hostname => "Setup > My Domain > Current My Domain URL",
        }
    }
}
