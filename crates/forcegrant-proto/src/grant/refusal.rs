//! The table of what a refusal by the token endpoint means, by error and description; and the general meaning of each
//! error, for unknown descriptions.
//!
//! Salesforce responds with HTTP 400 to all of them, `invalid_client` included (seen in several clients).

use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode};
use crate::redaction::Redactor;

struct RefusalRow {
    /// Lower case. Empty: any error with this description.
    error: &'static str,
    /// Lower case; found anywhere in the description. Empty: any description.
    description: &'static str,
    code: ErrorCode,
    /// What it means and what to do.
    help: &'static str,
}

const RUN_AS: &str = "The app has no execution user. Setup > External Client App Manager > your app > Policies > OAuth Flows:\nenable Client Credentials Flow and set \"Run As (Username)\" - the username, not the e-mail address.\nToggling the flow can clear this field.";
const FLOW_OFF: &str = "Client Credentials Flow is off for this app. Enable it in two places:\nSetup > External Client App Manager > your app > Settings > OAuth Settings > Flow Enablement, and\nthe same app > Policies > OAuth Flows, where Run As (Username) is set too.";
const KEY: &str = "Salesforce does not know this client id in this org. Check that it is the app's Consumer Key\n(Settings > OAuth Settings > Consumer Key and Secret) and that the login URL is of the same org.\nA new or changed app can take 2 to 10 minutes, some say 30, to be known everywhere.";
const SECRET: &str = "The client id is known, the client secret is wrong or was rotated. Copy the Consumer Secret again\nfrom the app's Settings > OAuth Settings > Consumer Key and Secret.";
const POLICIES: &str = "The Run-As user may not use this app. Setup > External Client App Manager > your app > Policies > App Policies:\nselect a profile or permission set that this user has.";
const USER_KIND: &str = "The Run-As user is a portal or community user, which this flow does not accept.\nSet Run As (Username) in the app's Policies to an internal user, best one with the API Only permission.";
const DOMAIN: &str = "Only an org's own My Domain host serves this flow, for example acme.my.salesforce.com.\nIt is shown in Setup > My Domain > Current My Domain URL.";
const RATE: &str = "A user may log in 3,600 times an hour, and this one has. Wait; more tries make it worse.\nFind out what else logs in as this user: each uncached process counts.";
const RESTRICTED: &str = "The Run-As user's profile has login IP ranges or login hours that exclude this login.\nAllow this machine's public address or the hour in the profile, or relax IP restrictions in the app's Policies.";
const USER_INACTIVE: &str = "The Run-As user is inactive or frozen. Activate or unfreeze it in Setup > Users,\nor set another Run As (Username) in the app's Policies.";
const ORG_INACTIVE: &str =
    "The org is locked, closed or suspended. Its administrator or Salesforce Support can tell why.";
const SCOPES: &str = "None of the app's scopes can be used with this flow: full, web and refresh_token do not count.\nAdd \"Manage user data via APIs (api)\" in Settings > OAuth Settings.";
const SCOPE_SENT: &str = "Salesforce refuses any scope parameter with this flow, and forcegrant never sends one.\nA proxy or gateway on the way must be adding it.";
const GRANT_TYPE: &str = "Salesforce did not see grant_type=client_credentials. Either the flow is off\n(Settings > OAuth Settings > Flow Enablement), or something on the way dropped the request's body.";
const NOT_INSTALLED: &str = "The app is of another org, or comes from a package that is not installed here. Check that the login URL is of the org\nthat has the app; else install the app into this org and set its policies. A refreshed sandbox needs it anew.";
const BLOCKED: &str = "An administrator blocked this app for the org. Setup > External Client App Manager (or Connected Apps OAuth Usage):\nunblock the app, then let the Run-As user use it in its Policies > App Policies.";
const NOT_APPROVED: &str = "The Run-As user has not been authorized for this app beforehand. Setup > External Client App Manager > your app >\nPolicies > App Policies: choose \"Admin approved users are pre-authorized\" and select a profile or permission set of this user.";
const CREDENTIALS: &str = "Salesforce does not say which part is wrong. Check the client id and secret (Settings > OAuth Settings >\nConsumer Key and Secret) and the Run-As user's entry in Setup > Login History.";
const LOCKED: &str = "The Run-As user is locked out, or its password has expired. Unlock it in Setup > Users, and give it the permission\nPassword Never Expires, or set another Run As (Username) in the app's Policies.";
const RETRY: &str = "Salesforce had a fault while it handled the request, and asks for another. The client tries again by itself.";
const UNKNOWN: &str = "This version does not know this refusal. Salesforce's own words are above; the org's Login History\n(Setup > Login History) often says more.";

const TABLE: &[RefusalRow] = &[
    // Temporary: Salesforce asks for another attempt (reported), or the error says so by itself (RFC 6749
    // section 4.1.2.1, which gives these two names).
    row("unknown_error", "", ErrorCode::ServerUnavailable, RETRY),
    row("server_error", "", ErrorCode::ServerUnavailable, RETRY),
    row(
        "temporarily_unavailable",
        "",
        ErrorCode::ServerUnavailable,
        RETRY,
    ),
    row(
        "",
        "retry your request",
        ErrorCode::ServerUnavailable,
        RETRY,
    ),
    // Descriptions that are clear with any error.
    row(
        "",
        "app is not installed in this org",
        ErrorCode::AppNotInstalled,
        NOT_INSTALLED,
    ),
    row("", "oauth_app_blocked", ErrorCode::AppNotApproved, BLOCKED),
    row(
        "",
        "hasn't approved this consumer",
        ErrorCode::AppNotApproved,
        NOT_APPROVED,
    ),
    row(
        "",
        "has not approved this consumer",
        ErrorCode::AppNotApproved,
        NOT_APPROVED,
    ),
    row(
        "",
        "not admin approved",
        ErrorCode::AppNotApproved,
        POLICIES,
    ),
    row(
        "invalid_grant",
        "not supported on this domain",
        ErrorCode::UnsupportedLoginHost,
        DOMAIN,
    ),
    row(
        "invalid_grant",
        "no client credentials user enabled",
        ErrorCode::NoRunAsUser,
        RUN_AS,
    ),
    row(
        "invalid_grant",
        "client credentials flow not enabled",
        ErrorCode::FlowNotEnabled,
        FLOW_OFF,
    ),
    row(
        "invalid_grant",
        "no valid scopes",
        ErrorCode::NoValidScopes,
        SCOPES,
    ),
    row(
        "invalid_grant",
        "logins exceeded",
        ErrorCode::LoginRateExceeded,
        RATE,
    ),
    row(
        "invalid_grant",
        "login rate exceeded",
        ErrorCode::LoginRateExceeded,
        RATE,
    ),
    row(
        "invalid_grant",
        "user is locked",
        ErrorCode::UserInactive,
        LOCKED,
    ),
    row(
        "invalid_grant",
        "expired password",
        ErrorCode::UserInactive,
        LOCKED,
    ),
    row(
        "invalid_grant",
        "user is frozen",
        ErrorCode::UserInactive,
        USER_INACTIVE,
    ),
    row(
        "invalid_grant",
        "inactive org",
        ErrorCode::OrgInactive,
        ORG_INACTIVE,
    ),
    row(
        "invalid_grant",
        "organization is inactive",
        ErrorCode::OrgInactive,
        ORG_INACTIVE,
    ),
    row(
        "invalid_grant",
        "authentication failure",
        ErrorCode::Refused,
        CREDENTIALS,
    ),
    row(
        "invalid_grant",
        "ip restricted",
        ErrorCode::LoginRestricted,
        RESTRICTED,
    ),
    row(
        "invalid_grant",
        "login hours",
        ErrorCode::LoginRestricted,
        RESTRICTED,
    ),
    row(
        "invalid_grant",
        "inactive user",
        ErrorCode::UserInactive,
        USER_INACTIVE,
    ),
    row(
        "invalid_grant",
        "user is inactive",
        ErrorCode::UserInactive,
        USER_INACTIVE,
    ),
    row(
        "rate_limit_exceeded",
        "",
        ErrorCode::LoginRateExceeded,
        RATE,
    ),
    row(
        "login_rate_exceeded",
        "",
        ErrorCode::LoginRateExceeded,
        RATE,
    ),
    row("invalid_client_id", "", ErrorCode::InvalidClientId, KEY),
    row(
        "invalid_client",
        "client identifier invalid",
        ErrorCode::InvalidClientId,
        KEY,
    ),
    row(
        "invalid_client",
        "app must be installed",
        ErrorCode::AppNotInstalled,
        NOT_INSTALLED,
    ),
    row("invalid_client", "", ErrorCode::InvalidClientSecret, SECRET),
    row(
        "invalid_client_credentials",
        "",
        ErrorCode::InvalidClientSecret,
        SECRET,
    ),
    row(
        "app_not_found",
        "",
        ErrorCode::AppNotInstalled,
        NOT_INSTALLED,
    ),
    row(
        "oauth_ec_app_not_found",
        "",
        ErrorCode::AppNotInstalled,
        NOT_INSTALLED,
    ),
    row("oauth_app_blocked", "", ErrorCode::AppNotApproved, BLOCKED),
    row(
        "invalid_app_access",
        "",
        ErrorCode::AppNotApproved,
        POLICIES,
    ),
    row(
        "oauth_app_access_denied",
        "",
        ErrorCode::AppNotApproved,
        POLICIES,
    ),
    row("access_denied", "", ErrorCode::UserNotPermitted, USER_KIND),
    row("inactive_user", "", ErrorCode::UserInactive, USER_INACTIVE),
    row("inactive_org", "", ErrorCode::OrgInactive, ORG_INACTIVE),
    row("ip restricted", "", ErrorCode::LoginRestricted, RESTRICTED),
    row(
        "invalid login hours",
        "",
        ErrorCode::LoginRestricted,
        RESTRICTED,
    ),
    row(
        "invalid_request",
        "scope parameter not supported",
        ErrorCode::ScopeNotSupported,
        SCOPE_SENT,
    ),
    row("invalid_scope", "", ErrorCode::NoValidScopes, SCOPES),
    row(
        "unsupported_grant_type",
        "",
        ErrorCode::UnsupportedGrantType,
        GRANT_TYPE,
    ),
    // The general meaning of the two broad errors comes last.
    row("invalid_grant", "", ErrorCode::Refused, UNKNOWN),
    row("invalid_request", "", ErrorCode::Refused, UNKNOWN),
];

const fn row(
    error: &'static str,
    description: &'static str,
    code: ErrorCode,
    help: &'static str,
) -> RefusalRow {
    RefusalRow {
        error,
        description,
        code,
        help,
    }
}

/// The two fields of an OAuth error response (RFC 6749 section 5.2).
#[derive(Clone, Debug, Default)]
pub struct OauthError {
    error: String,
    description: Option<String>,
}

impl OauthError {
    /// `None`: these are not the fields of an OAuth error.
    pub fn of(fields: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| fields.get(name)?.as_str().map(str::to_owned);
        Some(Self {
            error: text("error")?,
            description: text("error_description"),
        })
    }

    /// Whether another attempt with nothing changed may bring a token.
    pub fn is_temporary(&self) -> bool {
        self.look_up().0 == ErrorCode::ServerUnavailable
    }

    fn look_up(&self) -> (ErrorCode, &'static str) {
        let error = self.error.trim().to_lowercase();
        let description = self.description.as_deref().unwrap_or_default();
        // Typographic apostrophes are seen too.
        let description = description.to_lowercase().replace('\u{2019}', "'");
        let fits = |row: &&RefusalRow| {
            (row.error.is_empty() || row.error == error) && description.contains(row.description)
        };
        let found = TABLE.iter().find(fits);
        found.map_or((ErrorCode::Refused, UNKNOWN), |row| (row.code, row.help))
    }

    /// The error, with Salesforce's words passed through `redactor`, because a server can echo a secret.
    pub fn into_error(self, status: u16, redactor: &Redactor) -> Error {
        const LIMIT: usize = 300;
        let (code, help) = self.look_up();
        let error = redactor.clean(&self.error, LIMIT);
        let description = self
            .description
            .map(|text| redactor.clean(&text, LIMIT))
            .filter(|text| !text.is_empty());
        let words = description
            .as_ref()
            .map_or_else(|| error.clone(), |text| format!("{text} ({error})"));
        let what = if code == ErrorCode::ServerUnavailable {
            "Salesforce could not handle the token request"
        } else {
            "Salesforce refused the credentials"
        };
        Error::new(code, format!("{what}: {words}"))
            .with_help(help)
            .with_http_status(status)
            .with_oauth(error, description)
    }
}

#[cfg(test)]
mod tests;
