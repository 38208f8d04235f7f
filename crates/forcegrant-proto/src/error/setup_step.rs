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

    /// What is done in this step, in a few words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::CreateApp => "Create the app",
            Self::EnableFlow => "Enable the flow for the app",
            Self::RunAsUser => "Choose the user that the app runs as",
            Self::AppPolicies => "Let that user use the app",
            Self::KeyAndSecret => "Copy the key and the secret",
            Self::Hostname => "Find the My Domain host",
        }
    }

    /// How it is done: a few sentences for a person in front of Salesforce's Setup.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::CreateApp => {
                "Choose New External Client App and give it a name, an API name and a contact e-mail address. Under OAuth Settings tick Enable OAuth, enter any callback URL (this flow never uses it) and select at least the scope Manage user data via APIs (api)."
            }
            Self::EnableFlow => {
                "Tick Enable Client Credentials Flow and save the app. It has to be ticked a second time in step 3."
            }
            Self::RunAsUser => {
                "On the app's Policies tab choose Edit, tick Enable Client Credentials Flow and set Run As (Username): the username, which is not always the e-mail address. Save, open the page again and see that the name is still there. Use a user of its own with the permission API Only User."
            }
            Self::AppPolicies => {
                "Select a profile or a permission set that the Run-As user has. Login IP ranges and login hours of the user's profile apply to this login too."
            }
            Self::KeyAndSecret => {
                "Salesforce sends a code by e-mail and then shows both. The Consumer Key is the client id, the Consumer Secret is the client secret. A new or changed app can take 2 to 10 minutes, and up to 30, until it is known everywhere."
            }
            Self::Hostname => {
                "It looks like acme.my.salesforce.com, and like acme--uat.sandbox.my.salesforce.com for a sandbox. It is also shown under your profile picture. login.salesforce.com and test.salesforce.com do not serve this flow."
            }
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
