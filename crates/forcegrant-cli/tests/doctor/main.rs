//! `forcegrant doctor`: the report says where it stops, why, and which set-up step to look at.

#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod network;

use common::{Output, Shell};
use serde_json::json;

const AFTER: [&str; 5] = [
    "host name",
    "connection",
    "token request",
    "token response",
    "API call",
];

#[test]
fn all_is_well() {
    let mut shell = Shell::new("doctor-well");
    let org = shell.emulator.default_org();
    let pasted = "https://acme.lightning.force.com/lightning/setup/SetupOneHome/home";
    shell
        .variables
        .insert("SALESFORCE_LOGIN_URL", pasted.to_owned());
    shell.variables.insert("SF_LOGIN_URL", "b.my".to_owned());
    let output = shell.run(&["doctor"]);
    assert_eq!(
        (output.code, output.err.as_str()),
        (0, ""),
        "{}",
        output.out
    );
    assert!(output.line("login URL").contains(&format!(
        "{pasted} -> acme.my.salesforce.com (from SALESFORCE_LOGIN_URL)"
    )));
    assert!(
        output
            .out
            .contains("note: SF_LOGIN_URL is set to something else")
    );
    assert!(
        output
            .line("client id")
            .contains("characters (from SALESFORCE_CLIENT_ID)")
    );
    assert!(!output.out.contains(&org.client_id));
    assert!(
        output
            .line("client secret")
            .contains("64 characters, fingerprint ")
    );
    assert!(
        output
            .line("network")
            .contains("direct (--proxy none); roots: ")
    );
    assert!(
        output
            .line("token request")
            .contains("accepted, 1 attempt, ")
    );
    assert!(output.line("token response").contains("scopes: api id"));
    assert!(output.line("identity").contains(&org.org_id));
    assert!(output.line("API call").contains(" of "));
    assert!(output.out.ends_with("\nEverything works.\n"));
    assert!(!output.out.contains("FAIL"));
    assert_eq!(shell.token_requests(), 1);
}

#[test]
fn each_refusal_points_to_its_step() {
    let shell = Shell::new("doctor-refusals");
    let table = [
        (
            json!({"app": {"flow_enabled": false}}),
            "flow_not_enabled",
            "2. enable-flow",
        ),
        (
            json!({"app": {"run_as": null}}),
            "no_run_as_user",
            "3. run-as-user",
        ),
        (
            json!({"app": {"approved": false}}),
            "app_not_approved",
            "4. app-policies",
        ),
        (
            json!({"app": {"installed": false}}),
            "app_not_installed",
            "4. app-policies",
        ),
        (
            json!({"app": {"scopes": ["full"]}}),
            "no_valid_scopes",
            "1. create-app",
        ),
        (
            json!({"user": {"active": false}}),
            "user_inactive",
            "3. run-as-user",
        ),
        (
            json!({"user": {"kind": "portal"}}),
            "user_not_permitted",
            "3. run-as-user",
        ),
        (
            json!({"user": {"ip_allowed": false}}),
            "login_restricted",
            "4. app-policies",
        ),
        (json!({"org": {"status": "locked"}}), "org_inactive", ""),
        (
            json!({"app": {"login_limit_per_hour": 0}}),
            "login_rate_exceeded",
            "",
        ),
    ];
    for (mut change, code, step) in table {
        shell.control(json!({"op": "reset"}));
        change["op"] = json!("configure");
        shell.control(change);
        let output = shell.run(&["doctor"]);
        stops_at(&output, "token request", code, step);
        assert_eq!(shell.token_requests(), 1, "{code}");
    }
}

#[test]
fn wrong_credentials_point_to_the_key_and_secret() {
    for (variable, code) in [
        ("SALESFORCE_CLIENT_ID", "invalid_client_id"),
        ("SALESFORCE_CLIENT_SECRET", "invalid_client_secret"),
    ] {
        let mut shell = Shell::new(&format!("doctor-{code}"));
        shell.variables.insert(variable, "canary-4711".to_owned());
        let output = shell.run(&["doctor"]);
        stops_at(&output, "token request", code, "5. key-and-secret");
        assert!(!output.out.contains("canary"), "{}", output.out);
        assert!(output.out.contains("note: a consumer "), "{}", output.out);
    }
}

#[test]
fn a_host_that_does_not_serve_the_flow_points_to_the_host_name() {
    let mut shell = Shell::new("doctor-host");
    for (pasted, code) in [
        ("login.salesforce.com", "invalid_login_url"),
        ("acme", "invalid_login_url"),
        ("sso.example.com", "untrusted_host"),
    ] {
        shell
            .variables
            .insert("SALESFORCE_LOGIN_URL", pasted.to_owned());
        let output = shell.run(&["doctor"]);
        stops_at(&output, "login URL", code, "6. hostname");
        assert!(
            output
                .line("login URL")
                .contains("(from SALESFORCE_LOGIN_URL)")
        );
        assert_eq!(output.mark("client secret"), "OK");
    }
    assert_eq!(shell.token_requests(), 0);
}

#[test]
fn unexpected_responses_are_distinguished_from_refusals() {
    let shell = Shell::new("doctor-responses");
    for (kind, params, stage, code, step) in [
        (
            "503_html",
            json!({}),
            "token request",
            "server_unavailable",
            "",
        ),
        ("429", json!({}), "token request", "rate_limited", ""),
        (
            "redirect",
            json!({"status": 302, "location": "https://evil.example/"}),
            "token request",
            "redirected",
            "6. hostname",
        ),
        (
            "status",
            json!({"status": 404, "body": "<html>"}),
            "token request",
            "unexpected_response",
            "6. hostname",
        ),
        (
            "not_json",
            json!({}),
            "token response",
            "unexpected_response",
            "",
        ),
        (
            "missing_token",
            json!({}),
            "token response",
            "unexpected_response",
            "",
        ),
        (
            "foreign_instance_url",
            json!({"url": "https://evil.example"}),
            "token response",
            "untrusted_instance_url",
            "",
        ),
    ] {
        shell.control(json!({"op": "reset"}));
        shell.fault(kind, &params);
        let output = shell.run(&["doctor"]);
        assert_eq!(output.mark("connection"), "OK", "{}", output.out);
        stops_at(&output, stage, code, step);
    }
}

#[test]
fn a_wrong_signature_is_a_note() {
    let shell = Shell::new("doctor-signature");
    shell.control(json!({"op": "configure", "app": {"signature": "wrong"}}));
    let output = shell.run(&["doctor"]);
    assert_eq!(output.code, 0, "{}", output.out);
    assert!(
        output
            .out
            .contains("note: the signature of the token response")
    );
}

#[test]
fn a_jwt_says_how_its_end_is_known() {
    let shell = Shell::new("doctor-jwt");
    shell.control(json!({"op": "configure", "app": {"token_format": "jwt"}}));
    let output = shell.run(&["doctor"]);
    assert_eq!(output.code, 0, "{}", output.out);
    assert!(output.line("token response").contains("jwt token"));
    assert!(output.line("expiry").contains("stated in the token itself"));
}

#[test]
fn an_api_that_refuses_the_token_is_the_last_step() {
    for (status, body, code, step, said) in [
        (
            401,
            r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#,
            "api_access_refused",
            "1. create-app",
            "not valid for use with the REST API",
        ),
        (
            403,
            r#"[{"message":"API is not enabled","errorCode":"API_DISABLED_FOR_ORG"}]"#,
            "api_disabled",
            "",
            "API is not enabled",
        ),
        (
            403,
            r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
            "api_limit_reached",
            "",
            "TotalRequests Limit exceeded.",
        ),
        (
            403,
            r#"[{"message":"expired","errorCode":"INVALID_OPERATION_WITH_EXPIRED_PASSWORD"}]"#,
            "password_expired",
            "3. run-as-user",
            "password of the Run-As user has expired",
        ),
        (
            403,
            "<html><title>Access denied</title></html>",
            "unexpected_response",
            "",
            "Access denied",
        ),
    ] {
        let shell = Shell::new("doctor-api");
        shell.control(json!({
            "op": "fault", "endpoint": "limits", "kind": "status",
            "params": {"status": status, "body": body},
        }));
        let output = shell.run(&["doctor"]);
        stops_at(&output, "API call", code, step);
        assert_eq!(output.mark("token response"), "OK");
        assert_eq!(output.mark("identity"), "OK");
        assert!(output.out.contains(said), "{}", output.out);
    }
}

/// The first failure is at `stage`, all before it works or is unknown, all after it was not
/// reached, and the end of the report names code, help and step.
#[track_caller]
fn stops_at(output: &Output, stage: &str, code: &str, step: &str) {
    let text = &output.out;
    assert_eq!((output.code, output.err.as_str()), (1, ""), "{text}");
    assert_eq!(output.mark(stage), "FAIL", "{text}");
    let after = AFTER.iter().position(|subject| *subject == stage);
    for subject in &AFTER[after.map_or(0, |place| place + 1)..] {
        assert_eq!(output.mark(subject), "--", "{subject}: {text}");
    }
    let mut below = text.lines().skip_while(|line| !line.starts_with("FAIL"));
    let help = below.find(|line| !line.contains("note: ") && !line.starts_with("FAIL"));
    assert!(
        help.is_some_and(|line| line.starts_with("      ")),
        "{text}"
    );
    assert!(
        text.contains(&format!("\nError code: {code}\n")),
        "{code}: {text}"
    );
    let steps: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("Set-up steps"))
        .skip(1)
        .collect();
    assert_eq!(steps.len(), 6, "{text}");
    let marked: Vec<_> = steps.iter().filter(|line| line.contains("=>")).collect();
    if step.is_empty() {
        assert!(
            marked.is_empty() && !text.contains("Look at step"),
            "{text}"
        );
    } else {
        assert_eq!(marked.len(), 1, "{text}");
        assert!(marked[0].contains(step), "{text}");
        assert!(
            text.contains("\nLook at step ") && text.contains(": Setup > "),
            "{text}"
        );
    }
}
