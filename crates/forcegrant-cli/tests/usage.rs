//! Help, version, `errors` and command lines that cannot be understood.

mod common;

use std::ffi::OsString;

use forcegrant::ErrorCode;
use forcegrant_cli::run;

fn outcome(args: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(args.iter().map(OsString::from), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    (code, text(out), text(err))
}

#[test]
fn help_and_version_go_to_standard_output() {
    for args in [&["--help"][..], &["-h"], &["help"]] {
        let (code, out, err) = outcome(args);
        assert_eq!((code, err.as_str()), (0, ""));
        for word in [
            "\nUsage: forcegrant COMMAND [options]\n",
            "token",
            "verify",
            "doctor",
            "errors",
            "--client-secret-stdin",
            "process list",
        ] {
            assert!(out.contains(word), "{word}");
        }
        assert!(out.lines().all(|line| line.len() <= 90));
    }
    // Each command has its own; what they share with the whole is still there.
    for args in [&["token", "--help"][..], &["help", "token"]] {
        let (code, out, err) = outcome(args);
        assert_eq!((code, err.as_str()), (0, ""));
        for word in [
            "\nUsage: forcegrant token [options]\n",
            "--client-secret-stdin",
            "--connection ID",
            "token_type",
            "process list",
        ] {
            assert!(out.contains(word), "{word}: {out}");
        }
    }
    let version = format!("forcegrant {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(outcome(&["--version"]), (0, version, String::new()));
}

#[test]
fn errors_lists_the_whole_table() {
    let (code, out, err) = outcome(&["errors"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out.lines().count(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        assert!(
            out.contains(code.as_str()) && out.contains(code.meaning()),
            "{code}"
        );
    }
}

#[test]
fn errors_explains_one_code() {
    for spelling in ["no_run_as_user", "No-Run-As-User"] {
        let (code, out, _) = outcome(&["errors", spelling]);
        assert_eq!(code, 0);
        assert!(out.starts_with("no_run_as_user\n"), "{out}");
        for part in [
            "RefusedError",
            "3. run-as-user",
            "Setup > ",
            "does not help",
        ] {
            assert!(out.contains(part), "{part}: {out}");
        }
    }
    let (_, out, _) = outcome(&["errors", "timeout"]);
    assert!(
        out.contains("may help") && !out.contains("Set-up step"),
        "{out}"
    );
}

#[test]
fn an_unknown_code_is_a_usage_error_with_a_suggestion() {
    let (code, out, err) = outcome(&["errors", "client_secret"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(
        err.contains("did you mean") && err.contains("invalid_client_secret"),
        "{err}"
    );
}

#[test]
fn usage_errors_exit_with_two_and_point_to_help() {
    for args in [
        &[][..],
        &["tokens"],
        &["token", "--bogus"],
        &["token", "--client-secret", "x"],
    ] {
        let (code, out, err) = outcome(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        assert!(
            err.starts_with("forcegrant: ") && err.contains("--help"),
            "{err}"
        );
    }
}

#[test]
fn closed_output_does_not_panic() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut err = Vec::new();
    let code = run(["--help".into()], &mut Closed, &mut err);
    assert_eq!((code, err.len()), (1, 0));
    assert_eq!(run(["--bogus".into()], &mut Closed, &mut Closed), 1);
}

#[test]
fn each_command_has_its_help() {
    let (_, whole, _) = outcome(&["--help"]);
    let commands = whole
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let commands: Vec<_> = commands
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(
        commands.contains(&"connect") && commands.len() == 9,
        "{commands:?}"
    );
    let inner = ["show", "verify", "remove", "label", "reseal", "key"];
    let inner = inner.map(|name| vec!["connections", name]);
    for path in commands.iter().map(|name| vec![*name]).chain(inner) {
        let (code, out, err) = outcome(&[&path[..], &["--help"]].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{path:?}");
        let usage = format!("\nUsage: forcegrant {}", path.join(" "));
        assert!(out.contains(&usage), "{out}");
        assert!(out.lines().all(|line| line.len() <= 100), "{out}");
    }
}

#[test]
fn completions_are_made_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let (code, script, err) = outcome(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""));
        for word in ["connections", "client-secret-stdin", "reseal"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let parser = match shell {
            "powershell" => continue,
            parser => parser,
        };
        let path = common::file(&format!("completions.{shell}"), &script);
        match std::process::Command::new(parser)
            .arg("-n")
            .arg(path)
            .output()
        {
            Ok(output) => assert!(
                output.status.success() && output.stderr.is_empty(),
                "{shell}: {}",
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{shell}"),
        }
    }
    let (code, _, err) = outcome(&["completions", "tcsh"]);
    assert!(code == 2 && err.contains("knows bash"), "{err}");
}

#[test]
fn an_emulator_that_is_not_installed_is_explained() {
    // A name that no program has, in place of the one that this repository builds beside the tests.
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_forcegrant"))
        .args(["emulator", "--help-is-ours"])
        .env("FORCEGRANT_EMULATOR", "/no/such/program")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains("pip install") && err.contains("npm install"),
        "{err}"
    );
}

#[cfg(unix)]
#[test]
fn the_emulator_gets_the_arguments_and_gives_the_exit_code() {
    use std::os::unix::fs::PermissionsExt as _;

    let program = common::file(
        "usage-emulator",
        "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 7\n",
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_forcegrant"))
        .args(["emulator", "--port", "0"])
        .env("FORCEGRANT_EMULATOR", program)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(output.stdout, b"--port\n0\n");
}
