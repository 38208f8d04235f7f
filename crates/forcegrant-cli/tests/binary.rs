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
fn the_program_fails_with_one_and_two() {
    let mut shell = Shell::new("binary-codes");
    shell.variables.clear();
    let output = program(&shell).arg("token").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    assert!(output.stderr.starts_with(b"forcegrant: no login URL"));
    let output = program(&shell).arg("--bogus").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
