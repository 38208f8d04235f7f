//! Values that are missing, wrong or mixed: nothing is sent.

use crate::common::Shell;
use crate::stops_at;

#[test]
fn all_missing_values_are_reported_in_one_run() {
    let mut shell = Shell::new("doctor-missing");
    shell.variables.clear();
    let output = shell.run(&["doctor"]);
    stops_at(&output, "login URL", "missing_credentials", "6. hostname");
    for subject in ["client id", "client secret"] {
        assert_eq!(output.mark(subject), "FAIL");
    }
    assert_eq!(output.mark("network"), "OK");
    assert_eq!(shell.token_requests(), 0);
}

#[test]
fn a_bad_option_is_found_before_anything_is_sent() {
    let shell = Shell::new("doctor-option");
    for options in [
        ["--proxy", "htp://proxy.example"],
        ["--roots", "/no/such/file"],
    ] {
        let output = shell.run(&["doctor", options[0], options[1]]);
        stops_at(&output, "network", "invalid_option", "");
    }
    assert_eq!(shell.token_requests(), 0);
}

#[test]
fn a_variable_with_a_wrong_value_is_named() {
    for (variable, value, subject) in [
        ("HTTPS_PROXY", "htp://canary:1", "network"),
        ("ALL_PROXY", "foo:bar:canary", "network"),
        ("SALESFORCE_CLIENT_ID", "can\u{200b}ary", "client id"),
        (
            "SALESFORCE_CLIENT_SECRET",
            "can\u{200b}ary",
            "client secret",
        ),
        ("SALESFORCE_CONSUMER_KEY", "canary", "client id"),
    ] {
        let mut shell = Shell::new(&format!("doctor-variable-{variable}"));
        shell.options.retain(|option| option != "--proxy=none");
        shell.variables.insert(variable, value.to_owned());
        for command in ["doctor", "verify", "token"] {
            let output = shell.run(&[command]);
            assert_eq!(output.code, 1, "{variable}");
            let text = format!("{}{}", output.out, output.err);
            assert!(
                text.contains(variable) && !text.contains("canary"),
                "{text}"
            );
            assert!(!text.contains("ary"), "{text}");
        }
        assert_eq!(shell.run(&["doctor"]).mark(subject), "FAIL");
        assert_eq!(shell.token_requests(), 0);
    }
}

#[test]
fn variables_of_two_orgs_are_not_mixed() {
    let mut shell = Shell::new("doctor-mixed");
    let secret = shell.variables.remove("SALESFORCE_CLIENT_SECRET").unwrap();
    shell.variables.insert("SF_CLIENT_SECRET", secret);
    let output = shell.run(&["doctor"]);
    stops_at(&output, "client secret", "ambiguous_credentials", "");
    assert!(
        output.out.contains("SALESFORCE_LOGIN_URL is set"),
        "{}",
        output.out
    );
    assert_eq!(shell.token_requests(), 0);
    // A value on the command line can be combined with the variables of any family.
    let id = shell.variables.remove("SALESFORCE_CLIENT_ID").unwrap();
    shell.variables.insert("SF_CLIENT_ID", id);
    let host = shell.variables["SALESFORCE_LOGIN_URL"].clone();
    let output = shell.run(&["doctor", "--login-url", &host]);
    assert_eq!(output.code, 0, "{}", output.out);
}
