//! `forcegrant connections`, and `--connection` for the commands that log in.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{Output, Shell};
use serde_json::{Value, json};

fn json_of(output: &Output) -> Value {
    serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("no JSON: {}", output.out))
}

#[test]
fn a_connection_is_listed_and_shown_without_its_secret() {
    let (mut shell, folder) = Shell::with_folder("connections-list");
    let org = shell.emulator.default_org();
    let output = shell.connect("acme", &["--name", "Acme Käse", "--label", "tenant=42"]);
    assert_eq!(output.code, 0, "{}", output.err);
    assert!(
        output
            .out
            .starts_with("Connected. Connection acme is saved: org 00D")
    );
    assert_eq!(shell.connect("acme-uat", &[]).code, 0);

    let output = shell.run_offline(&["connections"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    let lines: Vec<_> = output.out.lines().collect();
    assert_eq!(lines.len(), 3, "{}", output.out);
    for part in [
        "acme ",
        &org.my_domain,
        &org.org_id,
        "tenant=42",
        "Acme Käse",
    ] {
        assert!(lines[1].contains(part), "{part}: {}", lines[1]);
    }
    let list = json_of(&shell.run_offline(&["connections", "--json", "--label", "tenant=42"]));
    assert_eq!(list["version"], 1);
    assert_eq!(list["folder"], *folder.to_str().unwrap());
    let found = list["connections"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["id"]), (1, &json!("acme")));
    assert_eq!(list["unreadable"], json!([]));

    let shown = shell.run_offline(&["connections", "show", "acme"]);
    assert!(shown.out.contains(&org.client_id[..9]), "{}", shown.out);
    assert!(!shown.out.contains(&org.client_id), "{}", shown.out);
    let shown = json_of(&shell.run_offline(&["connections", "show", "acme", "--json"]));
    assert_eq!(shown["org_id"], *org.org_id);
    assert_eq!(shown["name"], "Acme Käse");
    assert_eq!(shown["labels"], json!({"tenant": "42"}));
}

#[test]
fn a_bad_file_does_not_hide_the_others() {
    let (mut shell, folder) = Shell::with_folder("connections-bad");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    private_file(&folder.join("broken.json"), "{");
    let output = shell.run_offline(&["connections"]);
    assert_eq!(output.code, 0);
    assert!(output.out.contains("\nacme "), "{}", output.out);
    let failed = output.out.lines().find(|line| line.starts_with("FAIL"));
    assert!(
        failed.is_some_and(|line| line.contains("broken.json")),
        "{}",
        output.out
    );
    let list = json_of(&shell.run_offline(&["connections", "--json"]));
    assert_eq!(list["unreadable"][0]["code"], "connection_unreadable");
    let output = shell.run(&["connections", "verify", "--all"]);
    assert_eq!(output.code, 1);
    assert!(
        output.out.starts_with("OK    acme: org 00D"),
        "{}",
        output.out
    );
    assert!(output.out.contains("\nFAIL  "), "{}", output.out);
    assert!(output.pauses.is_empty(), "there was one login");
}

#[test]
fn all_are_verified_one_a_second() {
    let (mut shell, _) = Shell::with_folder("connections-verify-all");
    for id in ["acme", "globex", "initech"] {
        assert_eq!(shell.connect(id, &[]).code, 0);
    }
    let output = shell.run(&["connections", "verify", "--all"]);
    assert_eq!((output.code, output.out.lines().count()), (0, 3));
    assert_eq!(output.pauses, [Duration::from_secs(1); 2]);
}

#[cfg(unix)]
fn private_file(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[cfg(not(unix))]
fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

#[test]
fn labels_are_set_and_removed_one_by_one() {
    let (mut shell, _) = Shell::with_folder("connections-label");
    assert_eq!(
        shell
            .connect("acme", &["--label", "a=1", "--label", "b=2"])
            .code,
        0
    );
    let args = [
        "connections",
        "label",
        "acme",
        "c=3",
        "a=4",
        "--remove",
        "b",
    ];
    assert_eq!(shell.run_offline(&args).code, 0);
    let shown = json_of(&shell.run_offline(&["connections", "show", "acme", "--json"]));
    assert_eq!(shown["labels"], json!({"a": "4", "c": "3"}));
}

#[test]
fn remove_says_what_it_does_not_do() {
    let (mut shell, folder) = Shell::with_folder("connections-remove");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let output = shell.run_offline(&["connections", "remove", "acme"]);
    assert_eq!(output.code, 0);
    for part in [
        "acme is removed",
        "secret stays valid",
        "rotate it: Setup >",
    ] {
        assert!(output.out.contains(part), "{}", output.out);
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let output = shell.run_offline(&["connections", "remove", "acme"]);
    assert_eq!(output.code, 1);
    assert!(output.err.contains("unknown_connection"), "{}", output.err);
}

#[test]
fn verify_logs_in_and_says_what_fails() {
    let (mut shell, _) = Shell::with_folder("connections-verify");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let output = shell.run(&["connections", "verify", "acme"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    assert!(
        output.out.starts_with("OK    acme: org 00D"),
        "{}",
        output.out
    );
    assert_eq!(shell.token_requests(), 2);
    shell.control(json!({"op": "configure", "app": {"run_as": null}}));
    let output = shell.run(&["connections", "verify", "acme"]);
    assert_eq!(output.code, 1);
    assert!(output.out.starts_with("FAIL  acme: "), "{}", output.out);
    assert!(output.err.contains("no_run_as_user"), "{}", output.err);
}

#[test]
fn reseal_seals_with_the_first_key() {
    let (mut shell, folder) = Shell::with_folder("connections-reseal");
    let file = || fs::read_to_string(folder.join("acme.json")).unwrap();
    let secret = shell.emulator.default_org().client_secret;
    assert_eq!(shell.connect("acme", &[]).code, 0);
    assert!(file().contains(&secret));
    let output = shell.run_offline(&["connections", "reseal", "acme"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .err
            .contains("`forcegrant connections key` makes a key"),
        "{}",
        output.err
    );

    let first = shell
        .run_offline(&["connections", "key"])
        .out
        .trim()
        .to_owned();
    assert_eq!(first.len(), 44);
    shell
        .variables
        .insert("FORCEGRANT_CONNECTIONS_KEY", first.clone());
    assert_eq!(
        shell.run_offline(&["connections", "reseal", "--all"]).code,
        0
    );
    let with_first = file();
    assert!(with_first.contains("fgc1.") && !with_first.contains(&secret));
    let second = shell
        .run_offline(&["connections", "key"])
        .out
        .trim()
        .to_owned();
    assert_ne!(first, second);
    shell
        .variables
        .insert("FORCEGRANT_CONNECTIONS_KEY", format!("{second},{first}"));
    assert_eq!(
        shell.run_offline(&["connections", "reseal", "acme"]).code,
        0
    );
    // Now the second alone opens it.
    shell.variables.insert("FORCEGRANT_CONNECTIONS_KEY", second);
    let output = shell.run(&["verify", "--connection", "acme"]);
    assert_eq!(output.code, 0, "{}", output.err);
    shell.variables.insert("FORCEGRANT_CONNECTIONS_KEY", first);
    let output = shell.run(&["verify", "--connection", "acme"]);
    assert_eq!(output.code, 1);
    assert!(
        output.err.contains("connection_unreadable"),
        "{}",
        output.err
    );
}

#[test]
fn a_connection_must_be_named() {
    let (mut shell, _) = Shell::with_folder("connections-which");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    assert_eq!(shell.connect("acme-uat", &[]).code, 0);
    for args in [
        &["connections", "show"][..],
        &["connections", "verify"],
        &["connections", "remove"],
        &["token", "--connection"],
    ] {
        let output = shell.run_offline(args);
        assert_eq!(output.code, 2, "{args:?}");
        let expected = "forcegrant: Which one? Saved are: acme, acme-uat.";
        assert!(output.err.starts_with(expected), "{args:?}: {}", output.err);
    }
    let output = shell.run(&["token"]);
    assert_eq!(output.code, 1);
    assert!(
        output
            .err
            .contains("with --connection. Saved are: acme, acme-uat."),
        "{}",
        output.err
    );
}

#[test]
fn the_option_comes_before_the_environment() {
    let (mut shell, _) = Shell::with_folder("connections-environment");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    shell
        .variables
        .insert("FORCEGRANT_CONNECTION", "acme".to_owned());
    for command in ["token", "verify", "doctor"] {
        let output = shell.run(&[command]);
        assert_eq!(output.code, 0, "{command}: {}{}", output.out, output.err);
        let output = shell.run(&[command, "--connection", "other"]);
        assert_eq!(output.code, 1, "{command}");
        let text = format!("{}{}", output.out, output.err);
        assert!(text.contains("Saved are: acme"), "{text}");
        let output = shell.run(&[command, "--connection", "acme", "--client-id", "x"]);
        assert_eq!(output.code, 2, "{command}");
    }
    let report = shell.run(&["doctor"]);
    assert!(
        report
            .line("saved as")
            .ends_with("(from FORCEGRANT_CONNECTION)"),
        "{}",
        report.out
    );
    assert_eq!(report.mark("login URL"), "OK");
    // What is given is meant; the environment's connection is not looked at.
    let output = shell.run(&["token", "--client-id", "x"]);
    assert!(output.err.contains("no login URL"), "{}", output.err);
    // Two sources in the environment may belong to different orgs.
    shell
        .variables
        .insert("SALESFORCE_CLIENT_ID", "x".to_owned());
    for command in ["token", "verify", "doctor"] {
        let output = shell.run(&[command]);
        let text = format!("{}{}", output.out, output.err);
        assert_eq!(output.code, 1, "{command}");
        assert!(text.contains("ambiguous_credentials"), "{text}");
        assert_eq!(shell.run(&[command, "--connection", "acme"]).code, 0);
    }
}

#[test]
fn doctor_says_that_a_sealed_secret_has_no_key() {
    let (mut shell, _) = Shell::with_folder("connections-doctor");
    let key = shell
        .run_offline(&["connections", "key"])
        .out
        .trim()
        .to_owned();
    shell.variables.insert("FORCEGRANT_CONNECTIONS_KEY", key);
    assert_eq!(shell.connect("acme", &[]).code, 0);
    assert_eq!(shell.run(&["doctor", "--connection", "acme"]).code, 0);
    shell.variables.remove("FORCEGRANT_CONNECTIONS_KEY");
    let output = shell.run(&["doctor", "--connection", "acme"]);
    assert_eq!(output.code, 1);
    assert_eq!(output.mark("client secret"), "FAIL", "{}", output.out);
    assert_eq!(output.mark("token request"), "--");
}

#[test]
fn call_prints_the_body_and_exits_by_the_class_of_the_response() {
    let (mut shell, _) = Shell::with_folder("connections-call");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let call = |args: &[&str]| shell.run(&[&["call", "--connection", "acme"][..], args].concat());
    let output = call(&["get", "/services/data/v60.0/limits"]);
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    assert!(
        json_of(&output)["DailyApiRequests"].is_object(),
        "{}",
        output.out
    );
    let output = call(&["GET", "/services/data/v60.0/limits", "--include"]);
    assert!(output.err.starts_with("HTTP 200 OK\n"), "{}", output.err);
    assert!(
        output.err.contains("\ncontent-type: application/json"),
        "{}",
        output.err
    );
    let output = call(&["GET", "/services/data/v60.0/nothing"]);
    assert_eq!(output.code, 4, "{}", output.err);
    assert!(output.err.contains("404 Not Found"), "{}", output.err);
    let wrong = ["GET", "/", "--header", "a b:c"];
    assert_eq!(call(&wrong).code, 1);
    // A login that is refused is no response.
    shell.control(json!({"op": "configure", "app": {"run_as": null}}));
    shell.control(json!({"op": "kill_sessions"}));
    let output = call(&["GET", "/services/data/v60.0/limits"]);
    assert_eq!(output.code, 1);
    assert!(output.err.contains("no_run_as_user"), "{}", output.err);
}

#[test]
fn call_sends_a_text_a_file_or_standard_input() {
    let (mut shell, _) = Shell::with_folder("connections-call-data");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let body = r#"{"operation": "query", "query": "SELECT Id FROM Account"}"#;
    let file = common::file("connections-call-data.json", body);
    shell.input = body.as_bytes().to_vec();
    let path = "/services/data/v60.0/jobs/query";
    let at_file = format!("@{}", file.display());
    for (data, header, kind) in [
        (body, None, "application/json"),
        (&at_file, None, "application/json"),
        ("-", Some("Content-Type: text/x-query"), "text/x-query"),
    ] {
        shell.control(json!({"op": "reset"}));
        let mut args = vec!["call", "POST", path, "--connection", "acme", "--data", data];
        args.extend(header.iter().flat_map(|header| ["--header", header]));
        let output = shell.run(&args);
        assert_eq!(output.code, 0, "{}", output.err);
        let requests = shell.control(json!({"op": "requests"}));
        let requests = requests["requests"].as_array().unwrap();
        let sent = requests.iter().rfind(|request| request["path"] == path);
        let sent = sent.unwrap();
        assert_eq!(sent["method"], "POST");
        assert_eq!(sent["body_bytes"], body.len());
        assert_eq!(sent["headers"]["content-type"], kind, "{sent}");
    }
}
