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
