//! The program itself: arguments, environment, standard streams and exit code.

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use common::Shell;

fn program(shell: &Shell) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forcegrant"));
    command.env_clear().stdin(Stdio::null());
    // Windows needs it to open a socket.
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    command.envs(&shell.variables);
    command
}

#[test]
fn the_program_prints_the_token() {
    let shell = Shell::new("binary-token");
    let output = program(&shell)
        .arg("token")
        .args(&shell.options)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
    let token = String::from_utf8(output.stdout).unwrap();
    let sessions = shell.control(serde_json::json!({"op": "sessions"}));
    assert!(sessions.to_string().contains(token.trim_end()));
}

#[test]
fn the_program_reads_the_secret_from_standard_input() {
    let mut shell = Shell::new("binary-input");
    let secret = shell.variables.remove("SALESFORCE_CLIENT_SECRET").unwrap();
    let mut child = program(&shell)
        .args(["doctor", "--client-secret-stdin"])
        .args(&shell.options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{secret}").unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("(from standard input)") && !text.contains(&secret),
        "{text}"
    );
}

#[test]
fn the_exit_codes_of_failures_are_one_and_two() {
    let mut shell = Shell::new("binary-codes");
    shell.variables.clear();
    let output = program(&shell).arg("token").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    assert!(output.stderr.starts_with(b"forcegrant: no login URL"));
    let output = program(&shell).arg("--bogus").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// The pipelines of the documentation, with a curl that records its arguments before it runs the real one.
#[cfg(unix)]
#[test]
fn the_documented_pipelines_show_no_token_and_fail_with_the_login() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    let header = "header=$(forcegrant token --header $OPTIONS) && printf '%s\\n' \"$header\" |";
    let pipefail = "set -o pipefail; forcegrant token --header $OPTIONS |";
    let readme = include_str!("../README.md");
    assert!(readme.contains(&header.replace(" $OPTIONS", "")));

    let shell = Shell::new("binary-curl");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("binary-curl");
    std::fs::create_dir_all(&folder).unwrap();
    let (wrapper, noted) = (folder.join("curl"), folder.join("arguments"));
    let script = "#!/bin/sh\nprintf '%s\\n' \"$@\" >> \"$NOTED\"\nexec /usr/bin/curl \"$@\"\n";
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_forcegrant"))
        .parent()
        .unwrap();
    let options: Vec<_> = shell
        .options
        .iter()
        .map(|one| one.to_str().unwrap())
        .collect();
    let run = |before: &str| {
        let _ = std::fs::remove_file(&noted);
        let to = shell.emulator.https_addr();
        let script = format!(
            "{before} curl --silent --show-error --fail --cacert {} --connect-to ::{to} -H @- https://acme.my.salesforce.com/services/data/v60.0/limits",
            shell.ca_file.display()
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .env_clear()
            .envs(&shell.variables)
            .env("OPTIONS", options.join(" "))
            .env("NOTED", &noted)
            .env(
                "PATH",
                format!("{}:{}:/usr/bin:/bin", folder.display(), programs.display()),
            )
            .output()
            .unwrap();
        let arguments = std::fs::read_to_string(&noted).unwrap_or_default();
        assert!(!arguments.contains('!'), "{arguments}");
        (output, !arguments.is_empty())
    };
    for pipeline in [header, pipefail] {
        let (output, ran) = run(pipeline);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && ran, "{pipeline}: {errors}");
        assert!(output.stdout.starts_with(b"{"), "{pipeline}");
    }
    shell.control(serde_json::json!({"op": "configure", "app": {"run_as": null}}));
    let (output, ran) = run(header);
    assert!(!output.status.success() && !ran && output.stdout.is_empty());
    let (output, _) = run(pipefail);
    assert!(!output.status.success());
}
