//! The program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_forcegrant-emulator");

#[test]
fn one_line_then_silence_until_the_input_ends() {
    let mut running = Running::start(&["--exit-with-stdin"]);
    let line = &running.line;
    assert_eq!(
        (&line["ready"], &line["version"]),
        (&json!(true), &json!(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(line["org"]["my_domain"], json!("acme.my.salesforce.com"));
    assert_eq!(
        line["org"]["instance_url"],
        json!("https://acme.my.salesforce.com")
    );
    assert_eq!(line["orgs"].as_array().map(Vec::len), Some(3));
    assert!(
        line["ca_pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN CERTIFICATE-----")
    );
    for listener in ["https", "http", "proxy", "control"] {
        assert!(
            TcpStream::connect(running.address(listener)).is_ok(),
            "{listener}"
        );
    }
    drop(running.child.stdin.take());
    running.exits_well();
}

#[test]
fn a_shutdown_operation_is_acknowledged_and_ends_it() {
    let running = Running::start(&[]);
    let url = running.line["control"].as_str().unwrap();
    let (address, path) = url["http://".len()..].split_once('/').unwrap();
    let mut control = TcpStream::connect(address).unwrap();
    let body = "{\"op\":\"shutdown\"}";
    let length = body.len();
    write!(
        control,
        "POST /{path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    control.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    assert!(response.ends_with("{\"ok\":true}"), "{response}");
    running.exits_well();
}

#[cfg(unix)]
#[test]
fn it_ends_well_on_signals() {
    for signal in ["-TERM", "-INT"] {
        let running = Running::start(&[]);
        let id = running.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
        running.exits_well();
    }
}

#[test]
fn configuration_and_authority_in_files() {
    let folder = std::env::temp_dir().join(format!("forcegrant-emulator-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("config.json");
    let authority = folder.join("ca.pem");
    std::fs::write(
        &config,
        "{\"orgs\":[{\"my_domain\":\"one.my.salesforce.com\"}]}",
    )
    .unwrap();
    let mut running = Running::start(&[
        "--config",
        config.to_str().unwrap(),
        "--ca-file",
        authority.to_str().unwrap(),
        "--exit-with-stdin",
    ]);
    assert_eq!(
        running.line["org"]["my_domain"],
        json!("one.my.salesforce.com")
    );
    assert_eq!(
        running.line["ca_pem"],
        json!(std::fs::read_to_string(&authority).unwrap())
    );
    drop(running.child.stdin.take());
    running.exits_well();

    std::fs::write(&config, "{\"orgs\":[{\"domain\":1}]}").unwrap();
    let error = fails(&["--config", config.to_str().unwrap()]);
    assert!(error.contains("unknown field `domain`"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn it_listens_on_loopback_unless_two_options_say_otherwise() {
    let error = fails(&["--listen", "0.0.0.0"]);
    assert!(
        error.contains("0.0.0.0 is not a loopback address"),
        "{error}"
    );
    assert!(fails(&["--listen", "here"]).contains("here"));
    assert!(fails(&["--colour"]).contains("--colour"));
}

struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    line: Value,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self {
            child,
            out,
            line: serde_json::from_str(&line).unwrap(),
        }
    }

    fn address(&self, listener: &str) -> &str {
        let url = self.line[listener].as_str().unwrap();
        let address = url.trim_start_matches("http://").split('/');
        address.into_iter().next().unwrap_or_default()
    }

    fn exits_well(mut self) {
        assert!(self.child.wait().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

fn fails(arguments: &[&str]) -> String {
    let output: Output = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}
