use super::*;

fn parsed(args: &[&str]) -> Result<Command, UsageError> {
    parse(args.iter().map(OsString::from))
}

fn refused(args: &[&str]) -> String {
    parsed(args).expect_err("a usage error").0
}

#[test]
fn every_option_is_taken() {
    let command = parsed(&[
        "--login-url=acme.my",
        "token",
        "--client-id",
        "id",
        "--client-secret-stdin",
        "--auth-style",
        "basic",
        "--roots",
        "bundled",
        "--proxy",
        "http://p:1",
        "--resolve",
        "a.example=127.0.0.1:1",
        "--resolve",
        "b.example=[::1]:2",
        "--token-url",
        "https://gw.example/token",
        "--trusted-host",
        ".example",
        "--timeout",
        "1.5",
        "--json",
    ]);
    let Ok(Command::Token {
        options,
        form: TokenForm::Json,
    }) = command
    else {
        panic!("{command:?}");
    };
    assert_eq!(options.login_url.as_deref(), Some("acme.my"));
    assert_eq!(options.client_id.as_deref(), Some("id"));
    assert_eq!(options.secret, Some(SecretFrom::Input));
    assert_eq!(options.auth_style, Some(AuthStyle::Basic));
    assert_eq!(options.roots, RootsFrom::Bundled);
    assert_eq!(options.proxy, Proxy::Url("http://p:1".to_owned()));
    assert_eq!(options.resolve.len(), 2);
    assert_eq!(
        options.token_url.as_deref(),
        Some("https://gw.example/token")
    );
    assert_eq!(options.trusted_hosts, [".example"]);
    assert_eq!(options.timeout, Some(Duration::from_millis(1500)));
}

#[test]
fn errors_say_what_is_wrong_and_what_would_be_right() {
    for (args, expected) in [
        (&[][..], "no command was given"),
        (&["tokens"], "no command `tokens`; the commands are token"),
        (&["token", "verify"], "takes no argument `verify`"),
        (&["token", "--frobnicate"], "no option `--frobnicate`"),
        (&["token", "-x"], "no option `-x`"),
        (&["token", "--login-url"], "`--login-url` needs a value"),
        (&["token", "--json=x"], "`--json` takes no value"),
        (&["token", "--client-secret-stdin=x"], "takes no value"),
        (&["verify", "--json"], "belongs to the command `token`"),
        (&["doctor", "--header"], "`--header` belongs to"),
        (
            &["verify", "--data", "x"],
            "`verify` has no option `--data`",
        ),
        (
            &["connections", "bogus"],
            "has no command `bogus`; it has show",
        ),
        (&["connections", "key", "x"], "takes no argument `x`"),
        (&["connect"], "`connect` needs ID"),
        (&["connect", "a", "--port", "x"], "`--port` is a port"),
        (&["connect", "a", "--label", "x"], "KEY=VALUE"),
        (&["call", "GET"], "needs METHOD PATH"),
        (&["call", "GET", "/", "--header", "x"], "NAME:VALUE"),
        (
            &["call", "GET", "/", "--header", "authorization: x"],
            "brings the token itself",
        ),
        (&["completions"], "`completions` needs SHELL"),
        (
            &["token", "--connection", "a", "--client-id", "x"],
            "brings its own credentials: leave out `--client-id`",
        ),
        (
            &["token", "--header", "--json"],
            "one of `--header` and `--json`",
        ),
        (&["token", "--header=x"], "`--header` takes no value"),
        (&["errors", "--timeout", "1"], "no option `--timeout`"),
        (&["token", "--auth-style", "x"], "`body` or `basic`"),
        (&["token", "--resolve", "a.example"], "=127.0.0.1:8443"),
        (&["token", "--resolve", "a=1.2.3.4"], "=127.0.0.1:8443"),
        (&["token", "--timeout", "0"], "number of seconds"),
        (&["token", "--timeout", "NaN"], "number of seconds"),
        (&["token", "--timeout", "-1"], "number of seconds"),
        (
            &[
                "token",
                "--client-secret-stdin",
                "--client-secret-file",
                "x",
            ],
            "one of",
        ),
    ] {
        let text = refused(args);
        assert!(text.contains(expected), "{args:?}: {text}");
    }
}

#[test]
fn a_secret_on_the_command_line_is_refused_and_not_repeated() {
    for args in [
        &["token", "--client-secret", "canary-4711"][..],
        &["token", "--client-secret=canary-4711"],
        &["token", "canary-4711"],
        &["canary-4711"],
        &["token", "--json=canary-4711"],
        &["token", "--canary-4711"],
        &["token", "--canary-4711=canary-4711"],
        &["token", "--timeout", "canary-4711"],
        &["token", "--resolve", "canary-4711"],
    ] {
        assert!(!refused(args).contains("canary"), "{args:?}");
    }
    assert!(refused(&["token", "--client-secret", "x"]).contains("--client-secret-file"));
}

#[test]
fn help_is_of_the_command_before_it() {
    for (args, expected) in [
        (&["--help"][..], &[][..]),
        (&["help", "token"], &["token"]),
        (&["connections", "verify", "-h"], &["connections", "verify"]),
        (&["emulator", "--help"], &["emulator"]),
    ] {
        let Ok(Command::Help(path)) = parsed(args) else {
            panic!("{args:?}");
        };
        let names: Vec<_> = path.iter().map(|command| command.name).collect();
        assert_eq!(names, expected);
    }
}

#[test]
fn what_follows_emulator_is_passed_on() {
    for args in [
        &["emulator", "--port", "1", "token"][..],
        &["emulator", "--", "--port", "1", "token"],
    ] {
        let Ok(Command::Emulator(rest)) = parsed(args) else {
            panic!("{args:?}");
        };
        assert_eq!(rest, ["--port", "1", "token"]);
    }
}

#[test]
fn every_option_in_the_table_is_known_to_the_parser() {
    let inner = COMMANDS.iter().flat_map(|outer| outer.commands);
    for command in COMMANDS.iter().chain(inner) {
        for option in command.all_options() {
            let line = parsed(&[command.name, &format!("--{}", option.name)]);
            if let Err(UsageError(text)) = line {
                assert!(!text.contains("there is no option"), "{text}");
            }
        }
    }
}
