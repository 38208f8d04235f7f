//! The refusals of the token endpoint and the order in which they are decided.

use serde_json::{Value, json};

use crate::support::{ACME, TOKEN_PATH, TestEnv, refusal, send};

#[test]
fn each_mistake_in_the_set_up_has_its_refusal() {
    let env = TestEnv::new();
    for (change, error, description) in [
        (
            json!({ "org": { "status": "locked" } }),
            "inactive_org",
            "organization is inactive",
        ),
        (
            json!({ "app": { "flow_enabled": false } }),
            "invalid_grant",
            "client credentials flow not enabled",
        ),
        (
            json!({ "app": { "flow_enabled": false, "flow_disabled_refusal": "no_user" } }),
            "invalid_grant",
            "no client credentials user enabled",
        ),
        (
            json!({ "app": {
                "flow_enabled": false, "flow_disabled_refusal": "unsupported_grant_type",
            } }),
            "unsupported_grant_type",
            "grant type not supported",
        ),
        (
            json!({ "app": { "run_as": null } }),
            "invalid_grant",
            "no client credentials user enabled",
        ),
        (
            json!({ "user": { "active": false } }),
            "inactive_user",
            "user is inactive",
        ),
        (
            json!({ "user": { "ip_allowed": false } }),
            "invalid_grant",
            "ip restricted",
        ),
        (
            json!({ "user": { "login_hours": false } }),
            "invalid_grant",
            "invalid login hours",
        ),
        (
            json!({ "user": { "kind": "portal" } }),
            "access_denied",
            "end-user denied authorization",
        ),
        (
            json!({ "app": { "installed": false } }),
            "invalid_client",
            "app must be installed into org",
        ),
        (
            json!({ "app": { "approved": false } }),
            "invalid_app_access",
            "user is not admin approved to access this app",
        ),
        (
            json!({ "app": { "scopes": ["full", "web", "refresh_token"] } }),
            "invalid_grant",
            "no valid scopes defined",
        ),
        (
            json!({ "app": { "login_limit_per_hour": 0 } }),
            "invalid_grant",
            "login rate exceeded",
        ),
    ] {
        env.emulator.reset(None);
        env.emulator.configure(change.clone());
        assert_eq!(
            env.token_response(),
            refusal(error, description),
            "{change}"
        );
        let counters = env.emulator.counters();
        assert_eq!(
            (counters.token_requests, counters.refusals, counters.logins),
            (1, 1, 0)
        );
    }
}

#[test]
fn an_app_refuses_with_what_was_reported() {
    let env = TestEnv::new();
    for (name, error, description) in [
        (
            "app_not_found",
            "app_not_found",
            "External client app is not installed in this org",
        ),
        (
            "oauth_ec_app_not_found",
            "OAUTH_EC_APP_NOT_FOUND",
            "external client app not found",
        ),
        (
            "oauth_app_blocked",
            "OAUTH_APP_BLOCKED",
            "this app is blocked by admin",
        ),
        (
            "not_pre_authorized",
            "invalid_grant",
            "user hasn't approved this consumer",
        ),
        (
            "authentication_failure",
            "invalid_grant",
            "authentication failure",
        ),
        ("unknown_error", "unknown_error", "retry your request"),
        ("server_error", "server_error", "unexpected condition"),
        (
            "temporarily_unavailable",
            "temporarily_unavailable",
            "try again later",
        ),
    ] {
        env.emulator.reset(None);
        let change = json!({ "app": { "refuses_with": name } });
        env.emulator.configure(change);
        assert_eq!(env.token_response(), refusal(error, description), "{name}");
    }
}

#[test]
fn each_mistake_in_a_request_has_its_refusal() {
    let env = TestEnv::new();
    let with = |name: &'static str, value: &str| {
        let mut form = env.credentials();
        form.retain(|(field, _)| *field != name);
        form.push((name, value.to_owned()));
        send(env.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form))
    };
    let unsupported = || refusal("unsupported_grant_type", "grant type not supported");
    assert_eq!(with("grant_type", "password"), unsupported());
    for scope in ["api", ""] {
        assert_eq!(
            with("scope", scope),
            refusal("invalid_request", "scope parameter not supported")
        );
    }
    let unknown = || refusal("invalid_client_id", "client identifier invalid");
    assert_eq!(with("client_id", "3MVG9unknown"), unknown());
    assert_eq!(
        with("client_id", &env.emulator.orgs()[1].client_id),
        unknown()
    );
    assert_eq!(
        with("client_secret", "0"),
        refusal("invalid_client", "invalid client credentials")
    );
    let nothing = send(env.client.post(format!("{ACME}{TOKEN_PATH}")));
    assert_eq!(nothing, unsupported());
}

#[test]
fn a_body_without_a_form_and_other_methods_are_an_unsupported_grant() {
    let env = TestEnv::new();
    let url = format!("{ACME}{TOKEN_PATH}");
    let unsupported = refusal("unsupported_grant_type", "grant type not supported");
    let body: serde_json::Map<String, Value> = env
        .credentials()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    assert_eq!(send(env.client.post(&url).json(&body)), unsupported);
    assert_eq!(
        send(env.client.get(&url).query(&env.credentials())),
        unsupported
    );
}

#[test]
fn the_checks_come_in_order() {
    let env = TestEnv::new();
    // Everything is wrong; each step puts one more thing right.
    env.emulator.configure(json!({
        "user": { "active": false, "ip_allowed": false, "login_hours": false, "kind": "portal" },
        "app": {
            "flow_enabled": false, "run_as": null, "installed": false, "approved": false,
            "scopes": ["full"], "login_limit_per_hour": 0,
        },
    }));
    let wrong_secret = |scope: bool| {
        let mut form = env.credentials();
        form[2].1 = "wrong".to_owned();
        if scope {
            form.push(("scope", "api".to_owned()));
        }
        send(env.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form))
    };
    assert_eq!(
        wrong_secret(true),
        refusal("invalid_request", "scope parameter not supported")
    );
    assert_eq!(
        wrong_secret(false),
        refusal("invalid_client", "invalid client credentials")
    );

    let username = &env.org.username;
    for (description, repair) in [
        (
            "client credentials flow not enabled",
            json!({ "app": { "flow_enabled": true } }),
        ),
        (
            "no client credentials user enabled",
            json!({ "app": { "run_as": username } }),
        ),
        ("user is inactive", json!({ "user": { "active": true } })),
        ("ip restricted", json!({ "user": { "ip_allowed": true } })),
        (
            "invalid login hours",
            json!({ "user": { "login_hours": true } }),
        ),
        (
            "end-user denied authorization",
            json!({ "user": { "kind": "standard" } }),
        ),
        (
            "app must be installed into org",
            json!({ "app": { "installed": true } }),
        ),
        (
            "user is not admin approved to access this app",
            json!({ "app": { "approved": true } }),
        ),
        (
            "no valid scopes defined",
            json!({ "app": { "scopes": ["api"] } }),
        ),
        (
            "login rate exceeded",
            json!({ "app": { "login_limit_per_hour": 1 } }),
        ),
    ] {
        assert_eq!(
            env.token_response().json["error_description"],
            json!(description)
        );
        env.emulator.configure(repair);
    }
    assert_eq!(env.token_response().status, 200);
}
