//! Runs commands in process against an emulated org. Every output is searched for the secret.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forcegrant::Environment;
use forcegrant_cli::{Surroundings, run_in};
use forcegrant_emulator::{Config, Emulator};
use serde_json::{Value, json};

/// An emulator, and the environment variables for its default org.
pub(crate) struct Shell {
    pub(crate) emulator: Emulator,
    pub(crate) variables: BTreeMap<&'static str, String>,
    pub(crate) input: Vec<u8>,
    pub(crate) input_is_terminal: bool,
    /// Options for every command: how to reach the emulator.
    pub(crate) options: Vec<OsString>,
    pub(crate) ca_file: PathBuf,
}

pub(crate) struct Output {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    /// Between logins; no test waits for them.
    pub(crate) pauses: Vec<Duration>,
}

impl Shell {
    /// `test` names a file of its own for the certificate authority.
    pub(crate) fn new(test: &str) -> Self {
        let emulator = Emulator::start(Config::default()).expect("the emulator starts on loopback");
        let org = emulator.default_org();
        let ca_file = file(&format!("{test}.pem"), emulator.ca_pem());
        let address = emulator.https_addr();
        let options = [
            format!("--resolve={}={address}", org.my_domain),
            format!("--roots={}", ca_file.display()),
            "--proxy=none".to_owned(),
        ];
        Self {
            variables: BTreeMap::from([
                ("SALESFORCE_LOGIN_URL", org.my_domain),
                ("SALESFORCE_CLIENT_ID", org.client_id),
                ("SALESFORCE_CLIENT_SECRET", org.client_secret),
            ]),
            input: Vec::new(),
            input_is_terminal: false,
            options: options.map(OsString::from).into(),
            ca_file,
            emulator,
        }
    }

    /// The same with a folder for connections of its own, and no credentials in the environment.
    pub(crate) fn with_folder(test: &str) -> (Self, PathBuf) {
        let mut shell = Self::new(test);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).expect("the target folder can be written");
        let folder = root.join("connections");
        shell.variables = BTreeMap::from([
            ("FORCEGRANT_CONNECTIONS", folder.display().to_string()),
            ("XDG_CACHE_HOME", root.join("cache").display().to_string()),
            ("HOME", root.display().to_string()),
            ("LOCALAPPDATA", root.display().to_string()),
        ]);
        (shell, folder)
    }

    /// Saves a connection to the default org.
    pub(crate) fn connect(&mut self, id: &str, more: &[&str]) -> Output {
        let org = self.emulator.default_org();
        self.input = org.client_secret.clone().into_bytes();
        let args = [
            &[
                "connect",
                id,
                "--login-url",
                &org.my_domain,
                "--client-id",
                &org.client_id,
            ][..],
            &["--client-secret-stdin"],
            more,
        ];
        let output = self.run(&args.concat());
        self.input.clear();
        output
    }

    /// Runs a command; the options that lead to the emulator come first, so that others win.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_with(&self.options, args)
    }

    /// Runs a command that does not log in.
    pub(crate) fn run_offline(&self, args: &[&str]) -> Output {
        self.run_with(&[], args)
    }

    fn run_with(&self, options: &[OsString], args: &[&str]) -> Output {
        let is_token = args.first() == Some(&"token");
        let mut args: Vec<_> = args.iter().map(OsString::from).collect();
        args.splice(1..1, options.iter().cloned());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut input = self.input.as_slice();
        let mut pauses = Vec::new();
        let surroundings = Surroundings {
            environment: Environment::of(self.variables.clone()),
            input: &mut input,
            input_is_terminal: self.input_is_terminal,
            pause: &mut |time| pauses.push(time),
        };
        let code = run_in(args, surroundings, &mut out, &mut err);
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        let output = Output {
            code,
            out: text(out),
            err: text(err),
            pauses,
        };
        let org = self.emulator.default_org();
        let secret = org.client_secret;
        let shown = format!("{}{}", output.out, output.err).to_ascii_lowercase();
        assert!(!shown.contains(&secret.to_ascii_lowercase()), "{shown}");
        let token = format!("{}!", &org.org_id[..15]).to_ascii_lowercase();
        let may_show = if is_token { &output.err } else { &shown };
        let may_show = may_show.to_ascii_lowercase();
        assert!(!may_show.contains(&token), "{shown}");
        output
    }

    pub(crate) fn control(&self, operation: Value) -> Value {
        self.emulator
            .control(operation)
            .expect("an operation that the emulator knows")
    }

    pub(crate) fn fault(&self, kind: &str, params: &Value) {
        self.control(json!({"op": "fault", "endpoint": "token", "kind": kind, "params": params}));
    }

    pub(crate) fn token_requests(&self) -> u64 {
        self.emulator.counters().token_requests
    }
}

impl Output {
    /// The line of a report about a subject.
    pub(crate) fn line(&self, subject: &str) -> &str {
        self.out
            .lines()
            .find(|line| line.get(6..).is_some_and(|rest| rest.starts_with(subject)))
            .unwrap_or_else(|| panic!("no line on {subject}: {}", self.out))
    }

    /// OK, FAIL or -- for a subject.
    pub(crate) fn mark(&self, subject: &str) -> &str {
        self.line(subject)[..4].trim()
    }
}

/// A file in the tests' own folder.
pub(crate) fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).expect("the target folder can be written");
    path
}
