//! `forcegrant connect` as a program: without a question, in a terminal, and by the page.
#![cfg(unix)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use common::Shell;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use serde_json::json;

fn program(shell: &Shell, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forcegrant"));
    command
        .args(args)
        .args(&shell.options)
        .env_clear()
        .envs(&shell.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Reads what a program writes, up to a text.
fn read_until(from: &mut impl Read, text: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(text.as_bytes()) {
        let length = from.read(&mut byte).unwrap();
        let so_far = String::from_utf8_lossy(&read);
        assert_eq!(length, 1, "it ended before {text}: {so_far}");
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

fn rest(mut child: Child) -> Output {
    drop(child.stdin.take());
    child.wait_with_output().unwrap()
}

#[test]
fn five_tokens_of_a_connection_are_one_login() {
    let (mut shell, _) = Shell::with_folder("connect-five");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let before = shell.token_requests();
    let tokens: Vec<_> = (0..5)
        .map(|_| {
            let output = program(&shell, &["token", "--connection", "acme", "--json"]);
            let output = { output }.output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            assert_eq!(output.stderr, b"");
            output.stdout
        })
        .collect();
    assert_eq!(shell.token_requests() - before, 1);
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

#[test]
fn a_refused_connection_is_not_saved_and_exits_with_three() {
    let (mut shell, folder) = Shell::with_folder("connect-refused");
    shell.control(json!({"op": "configure", "app": {"run_as": null}}));
    let output = shell.connect("acme", &[]);
    assert_eq!((output.code, output.out.as_str()), (3, ""));
    assert!(output.err.contains("no_run_as_user"), "{}", output.err);
    assert_eq!(files(&folder), 0);
}

#[test]
fn a_connection_that_exists_is_said_before_anything_else() {
    let (mut shell, folder) = Shell::with_folder("connect-exists");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let saved = fs::read(folder.join("acme.json")).unwrap();
    let output = program(&shell, &["connect", "acme", "--no-browser"]);
    let output = { output }.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(
        err.contains("give --replace") && !err.contains("http://"),
        "{err}"
    );
    assert_eq!(shell.connect("acme", &[]).code, 3);
    assert_eq!(fs::read(folder.join("acme.json")).unwrap(), saved);
    assert_eq!(shell.connect("acme", &["--replace"]).code, 0);
}

#[test]
fn without_a_display_and_a_terminal_the_other_ways_are_named() {
    let (shell, _) = Shell::with_folder("connect-nowhere");
    for variables in [&[][..], &[("SSH_TTY", "/dev/pts/0"), ("DISPLAY", ":0")]] {
        let mut command = program(&shell, &["connect", "acme"]);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("--client-secret-stdin") && err.contains("--no-browser"));
    }
}

#[test]
fn the_folder_is_relative_to_that_of_the_shell() {
    let (shell, folder) = Shell::with_folder("connect-folder");
    let root = folder.parent().unwrap();
    let org = shell.emulator.default_org();
    let secret = common::file("connect-folder.secret", &org.client_secret);
    let secret = secret.display().to_string();
    let args = [
        "connect",
        "acme",
        "--folder",
        "here",
        "--client-secret-file",
        &secret,
    ];
    let mut command = program(&shell, &args);
    command.args(["--login-url", &org.my_domain, "--client-id", &org.client_id]);
    let output = command.current_dir(root).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert_eq!((files(&root.join("here")), files(&folder)), (1, 0));
}

/// A program whose standard input is a terminal, at the question for the secret; and both ends of the terminal.
fn at_the_secret(shell: &Shell) -> (Child, fs::File, fs::File, String) {
    let org = shell.emulator.default_org();
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let terminal = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let (mut master, terminal) = (fs::File::from(master), fs::File::from(terminal));
    let mut child = program(shell, &["connect", "acme", "--terminal"])
        .stdin(terminal.try_clone().unwrap())
        .spawn()
        .unwrap();
    let mut err = child.stderr.take().unwrap();
    let mut said = read_until(&mut err, "Hostname: ");
    master
        .write_all(format!("{}\n", org.my_domain).as_bytes())
        .unwrap();
    said += &read_until(&mut err, "Client ID: ");
    master
        .write_all(format!("{}\n", org.client_id).as_bytes())
        .unwrap();
    said += &read_until(&mut err, "Client Secret: ");
    child.stderr = Some(err);
    (child, master, terminal, said)
}

#[test]
fn the_secret_is_typed_without_echo() {
    let (shell, folder) = Shell::with_folder("connect-terminal");
    let secret = shell.emulator.default_org().client_secret;
    let (child, mut master, terminal, mut shown) = at_the_secret(&shell);
    // A letter too much, and Backspace.
    master
        .write_all(format!("{secret}x\x7f\n").as_bytes())
        .unwrap();
    let output = rest(child);
    assert!(
        tcgetattr(&terminal)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    );
    drop(terminal);
    shown += &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    // What the terminal showed: the end is an error on Linux.
    let mut echoed = Vec::new();
    let _ = master.read_to_end(&mut echoed);
    let echoed = String::from_utf8(echoed).unwrap();
    assert!(echoed.contains("acme.my.salesforce.com"), "{echoed}");
    shown += &echoed;
    shown += &String::from_utf8(output.stdout).unwrap();
    assert!(!shown.contains(&secret), "{shown}");
    assert_eq!(files(&folder), 1);
}

#[test]
fn ctrl_c_at_the_secret_leaves_the_terminal_as_it_was_and_no_draft() {
    let (shell, folder) = Shell::with_folder("connect-interrupt");
    let (child, mut master, terminal, _) = at_the_secret(&shell);
    assert!(
        !tcgetattr(&terminal)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    );
    master.write_all(b"abc\x03").unwrap();
    assert_eq!(rest(child).status.code(), Some(130));
    assert!(
        tcgetattr(&terminal)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO)
    );
    assert_eq!(files(&folder), 0);
}

/// The page of a program, by raw requests.
struct RawPage {
    child: Child,
    host: String,
    link: String,
}

impl RawPage {
    fn start(shell: &Shell, args: &[&str]) -> Self {
        let args = [&["connect", "acme", "--no-browser"][..], args].concat();
        let mut child = program(shell, &args).spawn().unwrap();
        let mut err = BufReader::new(child.stderr.as_mut().unwrap());
        let link = loop {
            let mut line = String::new();
            assert_ne!(err.read_line(&mut line).unwrap(), 0, "no link");
            if let Some(link) = line.trim().strip_prefix("http://") {
                break link.to_owned();
            }
        };
        let (host, path) = link.split_once('/').unwrap();
        Self {
            host: host.to_owned(),
            link: format!("/{path}"),
            child,
        }
    }

    fn request(&self, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {1}\r\n\r\n{body}",
            self.host,
            body.len()
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    fn open(&self) -> String {
        let response = self.request(&format!("GET {}", self.link), "");
        let mut lines = response.lines();
        let location = lines.find_map(|line| line.strip_prefix("location: "));
        location.unwrap_or_else(|| panic!("{response}")).to_owned()
    }
}

#[test]
fn the_page_verifies_saves_and_ends_the_program() {
    let (shell, folder) = Shell::with_folder("connect-page");
    let org = shell.emulator.default_org();
    let page = RawPage::start(&shell, &["--label", "tenant=42"]);
    let path = page.open();
    let form = |secret: &str| {
        format!(
            "login_url={}&client_id={}&client_secret={secret}",
            org.my_domain, org.client_id
        )
    };
    let response = page.request(&format!("POST {path}"), &form("wrong"));
    assert!(response.starts_with("HTTP/1.1 303 "), "{response}");
    let refused = page.request(&format!("GET {path}"), "");
    assert!(refused.contains("invalid_client_secret"), "{refused}");
    assert!(refused.contains("aria-invalid=true"), "{refused}");
    assert_eq!(files(&folder), 0);
    let response = page.request(&format!("POST {path}"), &form(&org.client_secret));
    assert!(response.contains("Connection acme is saved"), "{response}");
    let output = rest(page.child);
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.starts_with("Connected. Connection acme is saved"),
        "{out}"
    );
    assert_eq!(files(&folder), 1);
    let output = shell.run_offline(&["connections", "--label", "tenant=42"]);
    assert_eq!(output.out.lines().count(), 2, "{}", output.out);
}

#[test]
fn a_new_app_is_told_to_wait() {
    let (shell, _) = Shell::with_folder("connect-new-app");
    let org = shell.emulator.default_org();
    let page = RawPage::start(&shell, &[]);
    let path = page.open();
    let form = format!(
        "login_url={}&client_id=3MVG9unknown&client_secret=x",
        org.my_domain
    );
    page.request(&format!("POST {path}"), &form);
    let refused = page.request(&format!("GET {path}"), "");
    for part in [
        "invalid_client_id",
        "takes 2 to 10 minutes",
        "press Authorize again",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    interrupt(page.child);
}

fn interrupt(child: Child) {
    let id = Pid::from_child(&child);
    kill_process(id, Signal::INT).unwrap();
    // A shell says 130.
    assert_eq!(rest(child).status.signal(), Some(2));
}

#[test]
fn ctrl_c_ends_the_page_and_leaves_no_draft() {
    let (shell, folder) = Shell::with_folder("connect-page-interrupt");
    let page = RawPage::start(&shell, &[]);
    let host = page.host.clone();
    page.open();
    interrupt(page.child);
    assert!(
        TcpStream::connect(host).is_err(),
        "nothing listens any more"
    );
    assert_eq!(files(&folder), 0);
}

#[test]
fn another_org_is_replaced_when_the_person_says_so() {
    let (mut shell, folder) = Shell::with_folder("connect-other-org");
    assert_eq!(shell.connect("acme", &[]).code, 0);
    let file = folder.join("acme.json");
    let saved = fs::read_to_string(&file).unwrap();
    let org = shell.emulator.default_org();
    // As if it had been saved for another org.
    let other = saved.replace(&*org.org_id, "00Dxx0000000000EAA");
    assert_ne!(other, saved);
    fs::write(&file, other).unwrap();
    let output = shell.connect("acme", &["--replace"]);
    assert_eq!(output.code, 3);
    assert!(output.err.contains("(--other-org)"), "{}", output.err);
    let page = RawPage::start(&shell, &["--replace"]);
    let path = page.open();
    let form = |more: &str| {
        format!(
            "login_url={}&client_id={}{more}",
            org.my_domain, org.client_id
        )
    };
    let secret = format!("&client_secret={}", org.client_secret);
    page.request(&format!("POST {path}"), &form(&secret));
    let asked = page.request(&format!("GET {path}"), "");
    assert!(
        asked.contains("00Dxx0000000000EAA") && asked.contains("Replace it"),
        "{asked}"
    );
    // The consent is about these entries, and no others.
    page.request(
        &format!("POST {path}"),
        &format!("login_url={}&client_id=x&other_org=yes", org.my_domain),
    );
    page.request(&format!("POST {path}"), &form(&secret));
    let asked = page.request(&format!("GET {path}"), "");
    assert!(asked.contains("Replace it"), "{asked}");
    let saved = page.request(&format!("POST {path}"), &form("&other_org=yes"));
    assert!(saved.contains("Connection acme is saved"), "{saved}");
    assert_eq!(rest(page.child).status.code(), Some(0));
}
