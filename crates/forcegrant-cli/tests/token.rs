//! `forcegrant token`.

mod common;

use common::{Shell, file};
use serde_json::Value;

#[test]
fn the_token_stands_alone_on_standard_output() {
    let shell = Shell::new("token-plain");
    let output = shell.run(&["token"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    let token = output.out.strip_suffix('\n').expect("one line");
    assert!(token.starts_with(&shell.emulator.default_org().org_id[..15]));
    assert!(token.chars().all(|c| c.is_ascii_graphic()));
    assert_eq!(shell.token_requests(), 1);
}

#[test]
fn the_header_is_complete() {
    let shell = Shell::new("token-header");
    let plain = shell.run(&["token"]);
    let output = shell.run(&["token", "--header"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    assert_eq!(output.out, format!("Authorization: Bearer {}", plain.out));
}

#[test]
fn json_has_the_token_and_its_attributes() {
    let shell = Shell::new("token-json");
    let org = shell.emulator.default_org();
    let output = shell.run(&["token", "--json"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&output.out).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["token_type"], "Bearer");
    assert!(json["access_token"].as_str().unwrap().contains('!'));
    assert_eq!(json["instance_url"], "https://acme.my.salesforce.com");
    assert_eq!(json["org_id"], *org.org_id);
    assert_eq!(json["user_id"], *org.user_id);
    assert_eq!(json["scopes"], serde_json::json!(["api", "id"]));
    assert_eq!(json["expiry"]["source"], "default");
    assert_eq!(json["expiry"]["certainty"], "estimated");
    let at = json["expiry"]["at"].as_str().unwrap();
    assert!(
        at.starts_with("20") && at.ends_with('Z') && at.len() == 20,
        "{at}"
    );
}

#[test]
fn a_known_end_is_called_known() {
    let shell = Shell::new("token-known");
    shell.control(serde_json::json!({"op": "configure", "app": {"expires_in": 3600}}));
    let output = shell.run(&["token", "--json"]);
    let json: Value = serde_json::from_str(&output.out).expect("JSON");
    assert_eq!(json["expiry"]["source"], "expires_in");
    assert_eq!(json["expiry"]["certainty"], "known");
}

#[test]
fn options_come_before_the_environment() {
    let mut shell = Shell::new("token-options");
    let org = shell.emulator.default_org();
    let secret = file("token-options.secret", &format!(" {}\n", org.client_secret));
    shell.variables = [
        ("SALESFORCE_LOGIN_URL", "other.my.salesforce.com"),
        ("SALESFORCE_CLIENT_ID", "other"),
        ("SALESFORCE_CLIENT_SECRET", "other"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    let output = shell.run(&[
        "token",
        "--login-url",
        "https://ACME.lightning.force.com/lightning/page/home",
        "--client-id",
        &org.client_id,
        "--client-secret-file",
        &secret.display().to_string(),
        "--auth-style",
        "basic",
        "--timeout",
        "20",
    ]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    let requests = shell.control(serde_json::json!({"op": "requests", "endpoint": "token"}));
    assert!(requests.to_string().to_ascii_lowercase().contains("basic "));
}

#[test]
fn the_secret_can_come_by_standard_input_or_from_a_file() {
    let mut shell = Shell::new("token-input");
    let secret = shell.variables.remove("SALESFORCE_CLIENT_SECRET").unwrap();
    shell.input = format!("{secret}\n").into_bytes();
    assert_eq!(shell.run(&["token", "--client-secret-stdin"]).code, 0);

    shell.input_is_terminal = true;
    let output = shell.run(&["token", "--client-secret-stdin"]);
    assert_eq!(output.code, 1);
    assert!(output.err.contains("is a terminal"), "{}", output.err);

    let path = file("token-input.secret", &secret).display().to_string();
    shell
        .variables
        .insert("SALESFORCE_CLIENT_SECRET_FILE", path);
    assert_eq!(shell.run(&["token"]).code, 0);
}

#[test]
fn aliases_are_read() {
    let mut shell = Shell::new("token-aliases");
    let mut rename = |from, to| {
        let value = shell.variables.remove(from).unwrap();
        shell.variables.insert(to, value);
    };
    rename("SALESFORCE_LOGIN_URL", "SALESFORCE_MY_DOMAIN");
    rename("SALESFORCE_CLIENT_ID", "SALESFORCE_CONSUMER_KEY");
    rename("SALESFORCE_CLIENT_SECRET", "SALESFORCE_CONSUMER_SECRET");
    assert_eq!(shell.run(&["token"]).code, 0);
}

#[test]
fn a_token_url_needs_no_login_url() {
    let mut shell = Shell::new("token-url");
    let host = shell.variables.remove("SALESFORCE_LOGIN_URL").unwrap();
    let url = format!("https://{host}/services/oauth2/token");
    assert_eq!(shell.run(&["token", "--token-url", &url]).code, 0);
    let output = shell.run(&["doctor", "--token-url", &url]);
    assert_eq!(output.code, 0, "{}", output.out);
    assert!(output.line("login URL").ends_with("(from --token-url)"));
}

#[test]
fn the_proxy_is_used() {
    let mut shell = Shell::new("token-proxy");
    let proxy = format!("http://{}", shell.emulator.proxy_addr());
    let roots = format!("--roots={}", shell.ca_file.display());
    shell.options = vec![roots.into(), "--proxy".into(), proxy.into()];
    assert_eq!(shell.run(&["token"]).code, 0);
    assert_eq!(shell.emulator.counters().connects, 1);
}

#[test]
fn a_failure_goes_to_standard_error_with_help() {
    let shell = Shell::new("token-refused");
    shell.control(serde_json::json!({"op": "configure", "app": {"run_as": null}}));
    for args in [&["token"][..], &["token", "--json"]] {
        let output = shell.run(args);
        assert_eq!((output.code, output.out.as_str()), (1, ""));
        let lines: Vec<_> = output.err.lines().collect();
        assert!(
            lines[0].starts_with("forcegrant: ")
                && lines[0].contains("no client credentials user enabled"),
            "{}",
            output.err
        );
        assert!(lines[1].starts_with("  "), "{}", output.err);
        assert!(output.err.contains("Run As (Username)"));
        assert!(output.err.contains("Error code: no_run_as_user."));
    }
}

#[test]
fn a_missing_value_is_named_and_nothing_is_sent() {
    for (variable, step) in [
        ("SALESFORCE_LOGIN_URL", "login URL"),
        ("SALESFORCE_CLIENT_ID", "client id"),
        ("SALESFORCE_CLIENT_SECRET", "client secret"),
    ] {
        let mut shell = Shell::new(&format!("token-missing-{variable}"));
        shell.variables.remove(variable);
        let output = shell.run(&["token"]);
        assert_eq!((output.code, output.out.as_str()), (1, ""));
        assert!(
            output.err.contains(&format!("no {step}: ")),
            "{}",
            output.err
        );
        assert!(output.err.contains(variable), "{}", output.err);
        assert!(output.err.contains("missing_credentials"), "{}", output.err);
        assert_eq!(shell.token_requests(), 0);
    }
}

#[test]
fn files_that_cannot_be_read_are_named_by_their_option() {
    let mut shell = Shell::new("token-files");
    let output = shell.run(&["token", "--client-secret-file", "/no/such/canary"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .err
            .contains("--client-secret-file`: the file cannot be read"),
        "{}",
        output.err
    );
    assert!(!output.err.contains("canary"), "{}", output.err);
    shell.options = vec!["--roots=/no/such/file".into()];
    let output = shell.run(&["token"]);
    assert_eq!(output.code, 1);
    assert!(output.err.contains("--roots names"), "{}", output.err);
}
