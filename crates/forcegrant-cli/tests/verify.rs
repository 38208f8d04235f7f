//! `forcegrant verify`.

mod common;

use common::Shell;
use serde_json::json;

#[test]
fn a_success_prints_four_lines() {
    let shell = Shell::new("verify-works");
    let org = shell.emulator.default_org();
    let output = shell.run(&["verify"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    assert_eq!(output.out.lines().count(), 4, "{}", output.out);
    assert!(output.line("login").contains(&org.user_id));
    assert!(
        output
            .line("token response")
            .contains("opaque token, scopes: api id")
    );
    assert!(output.line("expiry").contains("estimated"));
    let api = output.line("API call");
    assert!(
        api.contains(&org.instance_url) && api.contains("requests used"),
        "{api}"
    );
    let counters = shell.emulator.counters();
    assert_eq!((counters.token_requests, counters.data_calls), (1, 1));
}

#[test]
fn a_failed_api_call_after_a_login_prints_both() {
    let shell = Shell::new("verify-api");
    shell.control(json!({
        "op": "fault", "endpoint": "limits", "kind": "status",
        "params": {"status": 403, "body": "[{\"errorCode\":\"API_DISABLED_FOR_ORG\"}]"},
    }));
    let output = shell.run(&["verify"]);
    assert_eq!(output.code, 1);
    assert_eq!(output.mark("login"), "OK");
    assert!(!output.out.contains("API call"));
    assert!(
        output.err.contains("API_DISABLED_FOR_ORG"),
        "{}",
        output.err
    );
    assert!(output.err.contains("api_disabled"), "{}", output.err);
}

#[test]
fn a_refused_login_says_nothing_on_standard_output() {
    let mut shell = Shell::new("verify-refused");
    shell
        .variables
        .insert("SALESFORCE_CLIENT_SECRET", "wrong".repeat(8));
    let output = shell.run(&["verify"]);
    assert_eq!((output.code, output.out.as_str()), (1, ""));
    assert!(
        output.err.contains("invalid_client_secret"),
        "{}",
        output.err
    );
}
