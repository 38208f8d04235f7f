//! Tests of calls from threads.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use forcegrant::blocking::{Client, ClientExt, Response};
use forcegrant::calls::{CallError, ClientExt as _};
use forcegrant::reqwest::{self, Method};
use forcegrant_adapters::web::{JOBS, LIMITS, builder, emulator};
use forcegrant_emulator::{Emulator, Endpoint, Fault, FaultKind};
use serde_json::json;

fn env() -> (Emulator, Client) {
    let emulator = emulator();
    let client = builder(&emulator).build_blocking().unwrap();
    (emulator, client)
}

fn get(client: &Client, path: &str) -> Result<Response, CallError<reqwest::Error>> {
    client.request(Method::GET, path).send()
}

#[test]
fn all_options_of_a_call_are_sent() {
    let (emulator, client) = env();
    let response = client
        .request(Method::POST, JOBS)
        .query([("a", "1 2")])
        .header("x-one", "1")
        .headers(
            [("x-two".parse().unwrap(), "2".parse().unwrap())]
                .into_iter()
                .collect(),
        )
        .json(&json!({ "object": "Account" }))
        .send()
        .unwrap();
    assert_eq!(response.status(), 200);
    let instance = emulator.default_org().instance_url;
    assert_eq!(response.url(), format!("{instance}{JOBS}?a=1+2"));
    assert_eq!(
        response.headers()["content-type"],
        "application/json;charset=UTF-8"
    );
    assert!(response.text().unwrap().contains("Account"));
    let seen = &emulator.requests_for(Endpoint::Data)[0];
    assert_eq!(seen.query, "a=1+2");
    assert_eq!(
        (seen.header("x-one"), seen.header("x-two")),
        (Some("1"), Some("2"))
    );
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let wrong = client
        .request(Method::GET, LIMITS)
        .header("a b", "c")
        .send();
    assert!(matches!(wrong, Err(CallError::Token(error)) if error.code() == "invalid_option"));
    assert_eq!(emulator.requests_for(Endpoint::Data).len(), 1);
}

#[test]
fn connections_are_kept() {
    let (emulator, client) = env();
    client.token().unwrap();
    let before = emulator.counters().connections;
    for _ in 0..5 {
        get(&client, LIMITS).unwrap().bytes().unwrap();
    }
    assert_eq!(emulator.counters().connections, before + 1);
}

#[test]
fn a_body_is_read_piece_by_piece() {
    let (emulator, client) = env();
    let bytes = 3_000_000;
    let huge = FaultKind::HugeBody {
        bytes,
        chunked: true,
    };
    emulator.fault(&Fault::new(Endpoint::Data, huge));
    let mut response = get(&client, LIMITS).unwrap();
    let mut first = [0; 10];
    response.read_exact(&mut first).unwrap();
    let mut sink = io::sink();
    let rest = io::copy(&mut response, &mut sink).unwrap();
    assert_eq!(rest + 10, bytes);
    // The bytes that were read are not returned again.
    let mut response = get(&client, LIMITS).unwrap();
    response.read_exact(&mut first).unwrap();
    assert_eq!(response.bytes().unwrap().len() as u64 + 10, bytes);
    let cut = Fault::new(Endpoint::Data, FaultKind::CutBody);
    emulator.clear_faults();
    emulator.fault(&cut);
    let error = io::copy(&mut get(&client, LIMITS).unwrap(), &mut sink).unwrap_err();
    let inner = error.into_inner().unwrap();
    assert!(inner.is::<CallError<reqwest::Error>>(), "{inner}");
}

#[test]
fn a_call_that_times_out_affects_no_other_call() {
    let (emulator, client) = env();
    for endpoint in [Endpoint::Data, Endpoint::Token] {
        client.reset();
        emulator.fault(&Fault::new(endpoint, FaultKind::Hold).first(1));
        let late = client
            .request(Method::GET, LIMITS)
            .timeout(Duration::from_millis(200));
        if endpoint == Endpoint::Data {
            assert!(matches!(late.send(), Err(CallError::Http(error)) if error.is_timeout()));
            emulator.release();
        } else {
            // The time limit of a call begins when there is a token.
            thread::scope(|scope| {
                let waiting = scope.spawn(|| late.send());
                emulator.wait_requests(Endpoint::Token, 2);
                emulator.release();
                assert_eq!(waiting.join().unwrap().unwrap().status(), 200);
            });
        }
        assert_eq!(get(&client, LIMITS).unwrap().status(), 200);
    }
    assert_eq!(emulator.counters().token_requests, 2);
}

/// Like other blocking methods it blocks the thread of the task, and it does not panic.
#[test]
fn inside_a_runtime_it_blocks() {
    let (emulator, client) = env();
    let kinds = [
        tokio::runtime::Builder::new_current_thread().build(),
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build(),
    ];
    for runtime in kinds {
        runtime.unwrap().block_on(async {
            let response = get(&client, LIMITS).unwrap();
            assert!(response.text().unwrap().contains("DailyApiRequests"));
            // Dropped here half read, and its client at the end of the block.
            let own = builder(&emulator).build_blocking().unwrap();
            get(&own, LIMITS).unwrap().read_exact(&mut [0]).unwrap();
            let inside = client.clone();
            let task = tokio::task::spawn_blocking(move || get(&inside, LIMITS).map(drop));
            task.await.unwrap().unwrap();
        });
    }
    assert_eq!(get(&client, LIMITS).unwrap().status(), 200);
}

#[test]
fn a_client_for_both_keeps_connections_apart() {
    let (emulator, client) = env();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let asynchronous = client.clone().into_async();
    for _ in 0..3 {
        get(&client, LIMITS).unwrap().bytes().unwrap();
        runtime.block_on(async {
            let call = asynchronous.request(Method::GET, LIMITS);
            call.send().await.unwrap().bytes().await.unwrap();
        });
    }
    assert_eq!(emulator.requests_for(Endpoint::Data).len(), 6);
    assert_eq!(client.limits().unwrap().used, 6);
}

/// Nothing runs between two calls, so a closed connection is noticed by the next call, before it sends.
#[test]
fn a_connection_that_the_server_closed_is_not_used() {
    let emulator = emulator();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = builder(&emulator)
        .trusted_hosts(["127.0.0.1"])
        .allow_http_loopback(true)
        .build_blocking()
        .unwrap();
    let (read, close) = mpsc::channel();
    let (closed, next) = mpsc::channel();
    let server = thread::spawn(move || {
        for _ in 0..20 {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            (&stream).write_all(response).unwrap();
            close.recv().unwrap();
            stream.shutdown(Shutdown::Both).unwrap();
            closed.send(()).unwrap();
        }
    });
    for _ in 0..20 {
        // The HTTP client never repeats a POST that may have been sent.
        let response = client.request(Method::POST, &url).send().unwrap();
        assert_eq!(response.bytes().unwrap(), "ok");
        read.send(()).unwrap();
        next.recv().unwrap();
    }
    server.join().unwrap();
}

#[test]
fn many_threads_share_the_connections() {
    let (emulator, client) = env();
    client.token().unwrap();
    let client = Arc::new(client);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let client = Arc::clone(&client);
            thread::spawn(move || {
                for _ in 0..25 {
                    let response = get(&client, LIMITS).unwrap();
                    assert!(response.text().unwrap().contains("DailyApiRequests"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(emulator.requests_for(Endpoint::Data).len(), 200);
}
