//! What is between this machine and the org.

use serde_json::json;

use crate::common::Shell;
use crate::stops_at;

#[test]
fn failures_of_the_network_and_of_tls_are_distinguished() {
    let mut shell = Shell::new("doctor-network");
    let resolve = shell.options[0].clone();
    // Nothing listens on this port, and the system gives it to no test.
    shell.options[0] = "--resolve=acme.my.salesforce.com=127.0.0.1:1".into();
    let output = shell.run(&["doctor"]);
    stops_at(&output, "connection", "connect_failed", "");
    assert_eq!(output.mark("host name"), "OK");
    assert!(
        output
            .out
            .contains("attempt 2: the same, tried again after"),
        "{}",
        output.out
    );

    shell.options[0] = resolve;
    shell.options[1] = "--roots=bundled".into();
    let output = shell.run(&["doctor"]);
    stops_at(&output, "connection", "tls_failed", "");
}

#[test]
fn a_timeout_does_not_name_a_cause() {
    let shell = Shell::new("doctor-silence");
    shell.fault("slow_head", &json!({"ms": 60_000}));
    let output = shell.run(&["doctor", "--timeout", "0.2"]);
    assert_eq!(output.mark("connection"), "--");
    stops_at(&output, "token request", "timeout", "");
}

#[test]
fn retries_are_shown() {
    let shell = Shell::new("doctor-retries");
    shell.control(json!({"op": "fault", "endpoint": "token", "kind": "503_html", "first": 1}));
    let output = shell.run(&["doctor"]);
    assert_eq!(output.code, 0, "{}", output.out);
    assert!(
        output
            .line("token request")
            .contains("accepted, 2 attempts, ")
    );
    assert!(
        output
            .out
            .contains("(server_unavailable), tried again after")
    );
}

#[test]
fn the_decision_about_the_proxy_is_shown() {
    let mut shell = Shell::new("doctor-proxy");
    let proxy = shell.emulator.proxy_addr();
    shell.options.retain(|option| option != "--proxy=none");
    let network = |shell: &Shell, args: &[&str]| {
        let output = shell.run(&[&["doctor"], args].concat());
        assert!(!output.out.contains("canary"), "{}", output.out);
        (output.code, output.line("network").to_owned())
    };
    for (variables, args, expected) in [
        (vec![], vec![], "direct (no proxy variable);".to_owned()),
        (
            vec![("HTTPS_PROXY", format!(" 'me:can@ary@{proxy}'\n"))],
            vec![],
            format!("through {proxy} (HTTPS_PROXY);"),
        ),
        (
            vec![
                ("HTTPS_PROXY", "http://canary:canary@127.0.0.1:1".to_owned()),
                ("NO_PROXY", "localhost *.salesforce.com".to_owned()),
            ],
            vec![],
            "direct (NO_PROXY matches *.salesforce.com);".to_owned(),
        ),
        (
            vec![("HTTPS_PROXY", "http://127.0.0.1:1".to_owned())],
            vec!["--proxy".to_owned(), format!("http://{proxy}")],
            format!("through {proxy} (--proxy);"),
        ),
    ] {
        let mut shell_variables = shell.variables.clone();
        shell_variables.extend(variables.iter().cloned());
        std::mem::swap(&mut shell.variables, &mut shell_variables);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let (code, line) = network(&shell, &args);
        assert!(line.contains(&expected), "{line}");
        assert_eq!(code, 0, "{variables:?}");
        shell.variables = shell_variables;
    }
}
