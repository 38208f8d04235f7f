use super::*;

fn refusal(error: &str, description: &str) -> OauthError {
    OauthError {
        error: error.to_owned(),
        description: Some(description.to_owned()),
    }
}

fn code(error: &str, description: &str) -> &'static str {
    let error = refusal(error, description).into_error(400, &Redactor::new());
    error.code().as_str()
}

/// Error and description as they were reported, and the code.
const REPORTED: &[(&str, &str, &str)] = &[
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
    (
        "app_not_found",
        "External client app is not installed in this org",
        "app_not_installed",
    ),
    (
        "invalid_client",
        "External client app is not installed in this org",
        "app_not_installed",
    ),
    ("OAUTH_EC_APP_NOT_FOUND", "", "app_not_installed"),
    (
        "OAUTH_APP_BLOCKED",
        "this app is blocked by admin",
        "app_not_approved",
    ),
    ("access_denied", "OAUTH_APP_BLOCKED", "app_not_approved"),
    (
        "invalid_grant",
        "user hasn't approved this consumer",
        "app_not_approved",
    ),
    (
        "invalid_grant",
        "user hasn\u{2019}t approved this consumer",
        "app_not_approved",
    ),
    ("unknown_error", "retry your request", "server_unavailable"),
    ("unknown_error", "", "server_unavailable"),
    ("invalid_grant", "retry your request", "server_unavailable"),
    ("server_error", "x", "server_unavailable"),
    ("temporarily_unavailable", "x", "server_unavailable"),
    ("invalid_grant", "user is locked out", "user_inactive"),
    ("invalid_grant", "authentication failure", "refused"),
    ("invalid_grant", "inactive organization", "org_inactive"),
];

#[test]
fn every_reported_pair_has_its_meaning() {
    for (error, description, expected) in REPORTED {
        assert_eq!(
            code(error, description),
            *expected,
            "{error} / {description}"
        );
        let (loud, louder) = (error.to_uppercase(), description.to_uppercase());
        assert_eq!(code(&loud, &louder), *expected, "{loud} / {louder}");
    }
}

#[test]
fn only_what_salesforce_asks_to_repeat_is_temporary() {
    let temporary = TABLE.iter().filter(|row| row.code.is_retryable());
    for row in temporary {
        let expected = row.code != ErrorCode::LoginRateExceeded;
        let refusal = refusal(row.error, row.description);
        assert_eq!(refusal.is_temporary(), expected, "{}", row.error);
    }
    assert!(!refusal("brand_new", "").is_temporary());
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
    let redactor = Redactor::new().hide("hunter22");
    let error = refusal("odd", "bad secret hunter22").into_error(400, &redactor);
    assert_eq!(error.oauth_error(), Some("odd"));
    assert_eq!(error.oauth_description(), Some("bad secret [redacted]"));
    assert_eq!(error.http_status(), Some(400));
    assert!(!format!("{error} {error:?}").contains("hunter22"));
}

#[test]
fn every_row_of_the_table_is_reachable() {
    for row in TABLE {
        let (code, help) = refusal(row.error, row.description).look_up();
        assert_eq!(code, row.code, "{} / {}", row.error, row.description);
        assert_eq!(help, row.help, "{} / {}", row.error, row.description);
    }
}
