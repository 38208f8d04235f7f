//! Processes that share one file store and meet a temporary failure: it stays temporary for all of
//! them, and nobody drops a token that serves.
#![cfg(feature = "store-file")]

mod common;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use common::{emulator, fault};
use forcegrant::store::{FileStore, StoreConfig};
use forcegrant::{Client, Proxy, Roots, TestClock};
use forcegrant_emulator::Emulator;
use serde_json::{Value, json};

const SET_UP: &str = "FORCEGRANT_TEST_WORKER";
const WORKERS: usize = 6;

/// Not a test of its own: the program of a worker, which the tests below start from this same binary.
#[test]
fn worker() {
    let Ok(set_up) = std::env::var(SET_UP) else {
        return;
    };
    let set_up: Value = serde_json::from_str(&set_up).unwrap();
    let text = |name: &str| set_up[name].as_str().unwrap().to_owned();
    let clock = TestClock::starting_now();
    let client = Client::builder(text("my_domain"), text("client_id"), text("client_secret"))
        .resolve(text("my_domain"), text("address").parse().unwrap())
        .roots(Roots::Pem(text("ca_pem").into_bytes()))
        .proxy(Proxy::None)
        .clock(clock.clone())
        .retry_backoff(Duration::from_millis(1))
        .store(StoreConfig::store(FileStore::new(text("store")).unwrap()))
        .build_blocking()
        .unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        if let Some(seconds) = line.strip_prefix("advance ") {
            clock.advance(Duration::from_secs(seconds.parse().unwrap()));
        }
        let told = match client.token() {
            Ok(token) => token.fingerprint().to_owned(),
            Err(error) => format!("{} {}", error.code(), error.is_retryable()),
        };
        client.wait_idle();
        println!("\nworker: {told} {}", client.status().state.as_str());
    }
}

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// What it got, and the state of its cache.
    fn told(&mut self) -> String {
        let mut lines = self.output.by_ref().map(Result::unwrap);
        let told = lines.find_map(|line| line.strip_prefix("worker: ").map(str::to_owned));
        told.expect("the worker speaks")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Workers with one store, in a folder of this test's own.
fn workers(emulator: &Emulator, test: &str) -> Vec<Worker> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("shared-failures-{test}"));
    let _ = std::fs::remove_dir_all(&folder);
    let org = emulator.default_org();
    let set_up = json!({
        "my_domain": org.my_domain, "client_id": org.client_id, "client_secret": org.client_secret,
        "address": emulator.https_addr().to_string(), "ca_pem": emulator.ca_pem(), "store": folder,
    });
    let start = |_| {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture"])
            .env(SET_UP, set_up.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Worker {
            input: child.stdin.take(),
            output,
            child,
        }
    };
    (0..WORKERS).map(start).collect()
}

fn all(workers: &mut [Worker], line: &str) -> Vec<String> {
    for worker in &mut *workers {
        worker.tell(line);
    }
    workers.iter_mut().map(Worker::told).collect()
}

fn retry_your_request() -> Value {
    json!({"kind": "refusal", "error": "unknown_error", "description": "retry your request"})
}

#[test]
fn a_temporary_failure_of_one_process_fails_none() {
    let emulator = emulator();
    let mut rule = retry_your_request();
    rule["first"] = json!(2);
    fault(&emulator, rule);
    let mut workers = workers(&emulator, "once");
    let told = all(&mut workers, "ask");
    assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
    assert!(told[0].ends_with(" fresh"), "{told:?}");
    assert_eq!(emulator.counters().token_requests, 3);
}

#[test]
fn a_token_at_hand_serves_in_every_process() {
    let emulator = emulator();
    let mut workers = workers(&emulator, "at-hand");
    let first = all(&mut workers, "ask");
    for kind in [
        retry_your_request(),
        json!({"kind": "status", "status": 403, "content_type": "text/html", "body": "<html>"}),
    ] {
        emulator.control(json!({"op": "clear_faults"})).unwrap();
        fault(&emulator, kind.clone());
        // Past the estimated end of 30 minutes, each time by another stretch.
        let later = all(&mut workers, "advance 1900");
        for (before, now) in first.iter().zip(&later) {
            let (token, _) = before.split_once(' ').unwrap();
            assert_eq!(*now, format!("{token} stale"), "{kind}");
        }
    }
    assert_eq!(emulator.counters().logins, 1);
}

#[test]
fn without_a_token_the_failure_stays_temporary_for_all() {
    let emulator = emulator();
    fault(&emulator, retry_your_request());
    let mut workers = workers(&emulator, "always");
    for told in all(&mut workers, "ask") {
        assert_eq!(told, "server_unavailable true backing_off");
    }
    // And it passes for all.
    emulator.control(json!({"op": "clear_faults"})).unwrap();
    let told = all(&mut workers, "advance 600");
    assert!(told.iter().all(|one| one == &told[0]), "{told:?}");
    assert_eq!(emulator.counters().logins, 1);
}
