//! One request where one is enough, whoever asks and however they end.

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use common::{builder, emulator, fault, release, wait_requests};
use serde_json::json;

/// Ten thousand tasks on an empty cache cause one login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_cold_tasks_cause_one_login() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = builder(&emulator).build().unwrap();
    let callers: Vec<_> = (0..10_000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                client
                    .token()
                    .await
                    .map(|token| token.fingerprint().to_owned())
            })
        })
        .collect();
    wait_requests(&emulator, 1);
    release(&emulator);
    let mut seen = HashSet::new();
    for caller in callers {
        seen.insert(caller.await.unwrap().unwrap());
    }
    assert_eq!(seen.len(), 1);
    assert_eq!(emulator.counters().token_requests, 1);
}

/// The same from threads.
#[test]
fn cold_threads_cause_one_login() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = builder(&emulator).build_blocking().unwrap();
    let threads: Vec<_> = (0..200)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || client.token().unwrap().fingerprint().to_owned())
        })
        .collect();
    wait_requests(&emulator, 1);
    release(&emulator);
    let seen: HashSet<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(seen.len(), 1);
    assert_eq!(emulator.counters().token_requests, 1);
}

/// All waiters share a failure: none of them repeats the login.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_waiters_share_one_failing_round() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "503_html"}));
    let client = builder(&emulator).build().unwrap();
    let waiters: Vec<_> = (0..50)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.token().await.unwrap_err().code() })
        })
        .collect();
    // Whoever comes after the round meets the failure that is remembered.
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap(), "server_unavailable");
    }
    assert_eq!(
        emulator.counters().token_requests,
        3,
        "one round of three attempts"
    );
}

/// The caller that started the login is cancelled, and the login goes on for the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_first_caller_leaves_the_login_to_the_others() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = Arc::new(builder(&emulator).build().unwrap());
    let first = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.token().await }
    });
    wait_requests(&emulator, 1);
    let second = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.token().await }
    });
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    release(&emulator);
    assert!(second.await.unwrap().is_ok());
    assert_eq!(emulator.counters().token_requests, 1);
}

/// A login that hangs at one org delays no other org.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hanging_org_does_not_delay_another() {
    let (slow, quick) = (emulator(), emulator());
    fault(&slow, json!({"kind": "hold"}));
    let hanging = builder(&slow).build().unwrap();
    let waiting = tokio::spawn({
        let hanging = hanging.clone();
        async move { hanging.token().await }
    });
    wait_requests(&slow, 1);
    builder(&quick).build().unwrap().token().await.unwrap();
    assert!(!waiting.is_finished());
    release(&slow);
    waiting.await.unwrap().unwrap();
}

/// A hundred reports of one dead token, one login.
#[test]
fn a_storm_of_reports_causes_one_login() {
    let emulator = emulator();
    let client = builder(&emulator).build_blocking().unwrap();
    let token = client.token().unwrap();
    emulator.kill_sessions();
    let threads: Vec<_> = (0..100)
        .map(|_| {
            let (client, token) = (client.clone(), token.clone());
            std::thread::spawn(move || {
                client.invalidate(&token);
                client.token().unwrap().fingerprint().to_owned()
            })
        })
        .collect();
    let seen: HashSet<_> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(seen.len(), 1);
    assert!(!seen.contains(token.fingerprint()));
    assert_eq!(emulator.counters().token_requests, 2);
    assert!(!client.invalidate(&token), "a late report evicts nothing");
}

/// Nothing is resident when nothing is in flight (Linux shows the threads of a process).
#[cfg(target_os = "linux")]
#[test]
fn the_worker_thread_ends_with_the_last_login() {
    let names = || {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| name.trim() == "forcegrant")
            .count()
    };
    let emulator = emulator();
    let client = builder(&emulator).build_blocking().unwrap();
    client.token().unwrap();
    client.wait_idle();
    // Other tests of this process may have a login in flight: wait for a moment without any.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while names() > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "the worker thread stays"
        );
        std::thread::yield_now();
    }
}
