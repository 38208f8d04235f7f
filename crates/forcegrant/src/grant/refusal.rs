//! What a refusal by the token endpoint means: a table of (error, description) pairs, and the
//! general meaning of each error for descriptions that it does not list.
//!
//! Salesforce answers HTTP 400 to all of them, `invalid_client` included (seen in several clients).

use crate::error::{Code, Error};
use crate::secret::redact;

struct Row {
    error: &'static str,
    /// Lower case; found anywhere in the description. Empty: any description.
    description: &'static str,
    code: Code,
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
const NOT_INSTALLED: &str =
    "The app comes from a package or another org. Install it into this org, then set its policies.";
const UNKNOWN: &str = "This version does not know this refusal. Salesforce's own words are above; the org's Login History\n(Setup > Login History) often says more.";

const TABLE: &[Row] = &[
    row(
        "invalid_grant",
        "not supported on this domain",
        Code::UnsupportedLoginHost,
        DOMAIN,
    ),
    row(
        "invalid_grant",
        "no client credentials user enabled",
        Code::NoRunAsUser,
        RUN_AS,
    ),
    row(
        "invalid_grant",
        "client credentials flow not enabled",
        Code::FlowNotEnabled,
        FLOW_OFF,
    ),
    row(
        "invalid_grant",
        "no valid scopes",
        Code::NoValidScopes,
        SCOPES,
    ),
    row(
        "invalid_grant",
        "logins exceeded",
        Code::LoginRateExceeded,
        RATE,
    ),
    row(
        "invalid_grant",
        "login rate exceeded",
        Code::LoginRateExceeded,
        RATE,
    ),
    row(
        "invalid_grant",
        "ip restricted",
        Code::LoginRestricted,
        RESTRICTED,
    ),
    row(
        "invalid_grant",
        "login hours",
        Code::LoginRestricted,
        RESTRICTED,
    ),
    row(
        "invalid_grant",
        "inactive user",
        Code::UserInactive,
        USER_INACTIVE,
    ),
    row(
        "invalid_grant",
        "user is inactive",
        Code::UserInactive,
        USER_INACTIVE,
    ),
    row("rate_limit_exceeded", "", Code::LoginRateExceeded, RATE),
    row("login_rate_exceeded", "", Code::LoginRateExceeded, RATE),
    row("invalid_client_id", "", Code::InvalidClientId, KEY),
    row(
        "invalid_client",
        "client identifier invalid",
        Code::InvalidClientId,
        KEY,
    ),
    row(
        "invalid_client",
        "app must be installed",
        Code::AppNotInstalled,
        NOT_INSTALLED,
    ),
    row("invalid_client", "", Code::InvalidClientSecret, SECRET),
    row(
        "invalid_client_credentials",
        "",
        Code::InvalidClientSecret,
        SECRET,
    ),
    row("invalid_app_access", "", Code::AppNotApproved, POLICIES),
    row("access_denied", "", Code::UserNotPermitted, USER_KIND),
    row("inactive_user", "", Code::UserInactive, USER_INACTIVE),
    row("inactive_org", "", Code::OrgInactive, ORG_INACTIVE),
    row("ip restricted", "", Code::LoginRestricted, RESTRICTED),
    row("invalid login hours", "", Code::LoginRestricted, RESTRICTED),
    row(
        "invalid_request",
        "scope parameter not supported",
        Code::ScopeNotSupported,
        SCOPE_SENT,
    ),
    row("invalid_scope", "", Code::NoValidScopes, SCOPES),
    row(
        "unsupported_grant_type",
        "",
        Code::UnsupportedGrantType,
        GRANT_TYPE,
    ),
    // The general meaning of the two broad errors comes last.
    row("invalid_grant", "", Code::Refused, UNKNOWN),
    row("invalid_request", "", Code::Refused, UNKNOWN),
];

const fn row(
    error: &'static str,
    description: &'static str,
    code: Code,
    help: &'static str,
) -> Row {
    Row {
        error,
        description,
        code,
        help,
    }
}

/// Turns the two fields of a refusal into an error. `secrets` are removed from Salesforce's words,
/// should a server ever echo one.
pub(crate) fn classify(
    status: u16,
    error: &str,
    description: Option<&str>,
    secrets: &[&str],
) -> Error {
    const LIMIT: usize = 300;
    let key = error.trim().to_lowercase();
    let text = description.unwrap_or_default().to_lowercase();
    let (code, help) = TABLE
        .iter()
        .find(|row| row.error == key && text.contains(row.description))
        .map_or((Code::Refused, UNKNOWN), |row| (row.code, row.help));

    let error = redact(error, secrets, LIMIT);
    let description = description
        .map(|text| redact(text, secrets, LIMIT))
        .filter(|text| !text.is_empty());
    let words = description
        .as_ref()
        .map_or_else(|| error.clone(), |text| format!("{text} ({error})"));
    Error::new(code, format!("Salesforce refused the credentials: {words}"))
        .with_help(help)
        .with_http_status(status)
        .with_oauth(error, description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: &str, description: &str) -> &'static str {
        classify(400, error, Some(description), &[]).code()
    }

    #[test]
    fn every_reported_pair_has_its_meaning() {
        let table = [
            (
                "invalid_grant",
                "request not supported on this domain",
                "unsupported_login_host",
            ),
            (
                "invalid_grant",
                "no client credentials user enabled",
                "no_run_as_user",
            ),
            (
                "invalid_grant",
                "client credentials flow not enabled",
                "flow_not_enabled",
            ),
            (
                "invalid_grant",
                "no valid scopes defined",
                "no_valid_scopes",
            ),
            (
                "invalid_client_id",
                "client identifier invalid",
                "invalid_client_id",
            ),
            (
                "invalid_client",
                "client identifier invalid",
                "invalid_client_id",
            ),
            (
                "invalid_client",
                "invalid client credentials",
                "invalid_client_secret",
            ),
            (
                "invalid_app_access",
                "user is not admin approved to access this app",
                "app_not_approved",
            ),
            (
                "invalid_client",
                "app must be installed into org",
                "app_not_installed",
            ),
            (
                "access_denied",
                "end-user denied authorization",
                "user_not_permitted",
            ),
            ("inactive_user", "user is inactive", "user_inactive"),
            ("inactive_org", "organization is inactive", "org_inactive"),
            ("invalid_grant", "ip restricted", "login_restricted"),
            ("invalid_grant", "invalid login hours", "login_restricted"),
            (
                "invalid_grant",
                "Maximum Logins Exceeded",
                "login_rate_exceeded",
            ),
            (
                "invalid_grant",
                "login rate exceeded",
                "login_rate_exceeded",
            ),
            ("rate_limit_exceeded", "", "login_rate_exceeded"),
            (
                "invalid_request",
                "scope parameter not supported",
                "scope_not_supported",
            ),
            (
                "unsupported_grant_type",
                "grant type not supported",
                "unsupported_grant_type",
            ),
        ];
        for (error, description, expected) in table {
            assert_eq!(
                code(error, description),
                expected,
                "{error} / {description}"
            );
            let (loud, louder) = (error.to_uppercase(), description.to_uppercase());
            assert_eq!(code(&loud, &louder), expected, "{loud} / {louder}");
        }
    }

    #[test]
    fn unknown_descriptions_get_the_general_meaning() {
        assert_eq!(
            code("invalid_client", "something new"),
            "invalid_client_secret"
        );
        assert_eq!(code("invalid_grant", "something new"), "refused");
        assert_eq!(code("brand_new", "something new"), "refused");
    }

    #[test]
    fn both_texts_are_kept_and_secrets_taken_out() {
        let error = classify(400, "odd", Some("bad secret hunter22"), &["hunter22"]);
        assert_eq!(error.oauth_error(), Some("odd"));
        assert_eq!(error.oauth_description(), Some("bad secret [redacted]"));
        assert_eq!(error.http_status(), Some(400));
        assert!(!format!("{error} {error:?}").contains("hunter22"));
    }

    #[test]
    fn every_row_of_the_table_is_reachable() {
        for row in TABLE {
            let error = classify(400, row.error, Some(row.description), &[]);
            assert_eq!(
                error.code(),
                row.code.row().code,
                "{} / {}",
                row.error,
                row.description
            );
        }
    }
}
