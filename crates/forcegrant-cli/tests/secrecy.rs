//! No output shows a secret, wherever it was put. `Shell::run` itself searches every output for the
//! client secret in any letter case, and every output but `token`'s for a token.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{Shell, file};
use serde_json::json;

const COMMANDS: [&[&str]; 6] = [
    &["token"],
    &["token", "--header"],
    &["token", "--json"],
    &["verify"],
    &["doctor"],
    &["call", "GET", "/services/data/v60.0/limits"],
];

#[test]
fn a_secret_in_the_wrong_variable_is_not_repeated() {
    for variable in [
        "SALESFORCE_LOGIN_URL",
        "SALESFORCE_CLIENT_ID",
        "SALESFORCE_CLIENT_SECRET_FILE",
        "SF_LOGIN_URL",
        "HTTPS_PROXY",
    ] {
        let mut shell = Shell::new(&format!("secrecy-{variable}"));
        let secret = shell.variables["SALESFORCE_CLIENT_SECRET"].clone();
        shell.variables.insert(variable, secret);
        for command in COMMANDS {
            shell.run(command);
        }
        // Without the variable for the secret, only the form of the text shows that it is one.
        shell.variables.remove("SALESFORCE_CLIENT_SECRET");
        for command in COMMANDS {
            assert_eq!(shell.run(command).code, 1);
        }
    }
}

#[test]
fn a_secret_as_an_option_is_not_repeated() {
    let shell = Shell::new("secrecy-options");
    let secret = shell.emulator.default_org().client_secret;
    for option in [
        "--login-url",
        "--client-id",
        "--client-secret",
        "--client-secret-file",
        "--auth-style",
        "--token-url",
        "--trusted-host",
        "--roots",
        "--proxy",
        "--resolve",
        "--timeout",
        "--json",
        "--header",
        "--bogus",
        "--connection",
        "--label",
        "--name",
        "--port",
        "--remove",
    ] {
        let joined = format!("{option}={secret}");
        for command in COMMANDS {
            for words in [&[option, secret.as_str()][..], &[joined.as_str()]] {
                let args = [command, words].concat();
                let output = shell.run(&args);
                assert_ne!(output.code, 0, "{args:?}");
            }
        }
    }
    for command in ["errors", "token", "connections", "completions"] {
        assert_eq!(shell.run(&[command, &secret]).code, 2);
    }
    let (shell, _) = Shell::with_folder("secrecy-words");
    let secret = shell.emulator.default_org().client_secret;
    for args in [
        &["connect", &secret, "--no-browser"][..],
        &["connect", "a", "--port", &secret],
        &["connect", "a", "--label", &secret],
        &["connections", "show", &secret],
        &["connections", "label", "a", &secret],
        &["call", &secret, "/"],
        &["call", "GET", "/", "--data", "@", &secret],
        &["call", "GET", "/", "--header", &secret],
    ] {
        assert_ne!(shell.run_offline(args).code, 0, "{args:?}");
    }
    assert_eq!(shell.run(&[&secret]).code, 2);
}

#[test]
fn a_secret_that_the_server_sends_back_is_not_shown() {
    let shell = Shell::new("secrecy-echo");
    let secret = shell.emulator.default_org().client_secret;
    for (kind, params) in [
        (
            "refusal",
            json!({"error": "invalid_grant", "description": format!("for {secret}")}),
        ),
        ("refusal", json!({"error": secret, "description": "x"})),
        (
            "status",
            json!({"status": 404, "body": secret, "content_type": secret}),
        ),
        (
            "redirect",
            json!({"status": 302, "location": format!("https://x.example/{secret}")}),
        ),
        (
            "foreign_instance_url",
            json!({"url": format!("https://{secret}.example")}),
        ),
        ("set_fields", json!({"fields": {"scope": secret}})),
        (
            "set_fields",
            json!({"fields": {"id": format!("https://login.salesforce.com/id/{secret}/x")}}),
        ),
    ] {
        shell.control(json!({"op": "clear_faults"}));
        shell.fault(kind, &params);
        for command in [&["verify"][..], &["doctor"]] {
            shell.run(command);
        }
    }
}

#[test]
fn a_session_id_in_a_link_is_not_shown() {
    let mut shell = Shell::new("secrecy-link");
    let link = "https://acme.my.salesforce.com/secur/frontdoor.jsp?sid=00Dxx0000001gPL!AQ8AQcanary";
    shell
        .variables
        .insert("SALESFORCE_LOGIN_URL", link.to_owned());
    assert_eq!(shell.run(&["doctor"]).code, 0);
    // A token instead of the host.
    let token = "00Dxx0000001gPL!AQ8AQcanary".to_owned();
    shell
        .variables
        .insert("SALESFORCE_LOGIN_URL", token.clone());
    shell.run(&["doctor"]);
    shell.variables.insert("SALESFORCE_CLIENT_ID", token);
    let output = shell.run(&["doctor"]);
    assert!(!output.out.contains("canary"), "{}", output.out);
}

#[test]
fn the_password_of_a_proxy_is_not_shown() {
    let shell = Shell::new("secrecy-proxy");
    // Nothing listens on this port, and the system gives it to no test.
    let proxy = "http://user:canary@127.0.0.1:1";
    for command in COMMANDS {
        let output = shell.run(&[command, &["--proxy", proxy]].concat());
        assert_eq!(output.code, 1);
        assert!(
            !format!("{}{}", output.out, output.err).contains("canary"),
            "{}",
            output.out
        );
    }
}

#[test]
fn a_wrong_file_is_not_repeated() {
    let mut shell = Shell::new("secrecy-file");
    shell.variables.remove("SALESFORCE_CLIENT_SECRET");
    let path = file("secrecy-file.secret", "canary\n4711 and more lines");
    for command in COMMANDS {
        let mut args = command.to_vec();
        let path = path.display().to_string();
        args.extend(["--client-secret-file", &path]);
        let output = shell.run(&args);
        assert_eq!(output.code, 1);
        assert!(
            !format!("{}{}", output.out, output.err).contains("canary"),
            "{}",
            output.out
        );
    }
}

#[test]
fn a_request_that_the_server_sends_back_is_not_shown() {
    let mut shell = Shell::new("secrecy-echo-all");
    let org = shell.emulator.default_org();
    let secrets = [
        (
            "Zq7Jx/Wv+K9=gP%3Lm&Tb5\"Rn\\Yc ü8Hd",
            "Zq7Jx%2FWv%2BK9%3DgP%253Lm%26Tb5%22Rn%5CYc%20%C3%BC8Hd",
        ),
        ("8391027465820193746", "8391027465820193746"),
    ];
    for (secret, percent) in secrets {
        let keys = json!([{ "client_id": org.client_id, "client_secret": secret }]);
        shell.control(json!({"op": "configure", "app": {"keys": keys}}));
        let own = secret.to_owned();
        shell.variables.insert("SALESFORCE_CLIENT_SECRET", own);
        for style in ["body", "basic"] {
            for place in [
                "description",
                "error",
                "html",
                "location",
                "retry_after",
                "content_type",
            ] {
                for encoding in ["raw", "form", "base64", "secret"] {
                    shell.control(json!({"op": "clear_faults"}));
                    shell.fault("echo", &json!({"place": place, "encoding": encoding}));
                    let command = if encoding == "raw" {
                        "doctor"
                    } else {
                        "verify"
                    };
                    let output = shell.run(&[command, "--auth-style", style]);
                    assert_eq!(output.code, 1);
                    let shown = format!("{}{}", output.out, output.err);
                    let basic = format!("{}:{secret}", org.client_id);
                    for form in [
                        secret.to_owned(),
                        percent.to_owned(),
                        STANDARD.encode(&basic)[116..].to_owned(),
                        STANDARD.encode(format!("client_secret={percent}"))[20..40].to_owned(),
                    ] {
                        assert!(!shown.contains(&form), "{place} {encoding}: {shown}");
                        assert!(!shown.contains(&form[..12]), "{place} {encoding}: {shown}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_old_secret_in_the_wrong_variable_is_not_repeated() {
    for secret in [
        "8391027465820193746",
        "3MVG9.Xk4Ttq7Lw_2mKjulo8ijtHJcKLpHXjd",
    ] {
        for variable in [
            "SALESFORCE_LOGIN_URL",
            "SALESFORCE_CLIENT_ID",
            "SALESFORCE_CLIENT_SECRET_FILE",
            "SF_LOGIN_URL",
        ] {
            let mut shell = Shell::new(&format!("secrecy-old-{variable}"));
            shell.variables.remove("SALESFORCE_CLIENT_SECRET");
            shell.variables.insert(variable, secret.to_owned());
            for command in COMMANDS {
                let output = shell.run(command);
                let shown = format!("{}{}", output.out, output.err);
                assert!(!shown.contains(&secret[10..]), "{variable}: {shown}");
            }
        }
    }
}
