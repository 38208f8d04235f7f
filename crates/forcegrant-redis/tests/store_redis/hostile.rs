//! Who can write to the server, or is one: what that costs, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use forcegrant::store::conformance::check_attacked;
use forcegrant::store::{RedisStore, Store};
use redis::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::acquire;
use crate::server::Server;

/// Nothing that is written under the keys of a login ends the sharing of logins.
#[tokio::test]
async fn what_somebody_wrote_ends_nothing_for_good() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let (seconds, _): (u64, u64) = server.command(&["TIME"]);
    let to_come = (seconds / 60 + 1_000).to_string();
    let this = (seconds / 60).to_string();
    let tomorrow = ((seconds + 25 * 3_600) * 1_000_000).to_string();
    let huge = "x".repeat(5_000_000);
    let digits = "9".repeat(400);
    let top = "9007199254740990";
    let attacks: &[&[&str]] = &[
        &["SET", "lease", "5 abc", "EX", "100000"],
        &["SET", "lease", "5 abc"],
        &["SET", "lease", &format!("{top} abc"), "EX", "30"],
        &["SET", "lease", &format!("{digits} abc"), "EX", "30"],
        &["SET", "lease", &huge, "EX", "30"],
        &["LPUSH", "lease", "x"],
        &["SET", "entry", &format!("1 {top} 1\nx")],
        &["SET", "entry", "1 9007199254740991 1\nx", "EX", "999999999"],
        &["SET", "entry", &format!("1 {tomorrow} 1\nx")],
        &["SET", "entry", &format!("1 {digits} 1\nx")],
        &["SET", "entry", &format!("1 1 5000000\n{huge}")],
        &["SET", "entry", &huge],
        &["SADD", "entry", "x"],
        &["SET", "fence", top],
        &["SET", "fence", &digits],
        &["SADD", "fence", "x"],
        &["HSET", "count", &to_come, "1000000"],
        &["HSET", "count", &this, "a lot"],
        &["HSET", "count", &this, "-5"],
        &["HSET", "count", &this, "9223372036854775807"],
        &["HSET", "count", "x", "5", "1e300", "5", &digits, "5"],
        &["SET", "count", "x"],
    ];
    for attack in attacks {
        let write = |key: &str| {
            let full = format!("forcegrant:{{{key}}}:{}", attack[1]);
            server.command::<()>(&["DEL", &full]);
            let words: Vec<_> = [attack[0], &full]
                .into_iter()
                .chain(attack[2..].iter().copied())
                .collect();
            server.command::<Value>(&words);
        };
        if let Err(violation) = check_attacked(&store, &write).await {
            let shown: String = format!("{attack:?}").chars().take(80).collect();
            panic!("{shown}: {violation}");
        }
    }
    server.command::<()>(&["HSET", "forcegrant:{k}:count", &to_come, "1000000"]);
    server.command::<()>(&["HSET", "forcegrant:{k}:count", &this, "3"]);
    assert_eq!(store.count("k", 0).await.unwrap(), 3);
}

/// A server of our own: it replies to every command with the bytes, and counts what it could send.
async fn replies(bytes: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(answer(client, bytes.clone(), Arc::clone(&own)));
        }
    });
    (port, sent)
}

async fn answer(mut client: TcpStream, bytes: Vec<u8>, sent: Arc<AtomicUsize>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut buffer).await {
        let command = String::from_utf8_lossy(&buffer[..count]).into_owned();
        if command.contains("AUTH") || command.contains("SELECT") {
            let _ = client.write_all(b"+OK\r\n").await;
            continue;
        }
        for chunk in bytes.chunks(16 * 1024) {
            if client.write_all(chunk).await.is_err() {
                return;
            }
            sent.fetch_add(chunk.len(), Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_without_measure_is_not_read() {
    const SIZE: usize = 100_000_000;
    let body = "x".repeat(SIZE);
    for (what, reply) in [
        ("a string", format!("${SIZE}\r\n{body}\r\n")),
        (
            "a string in a reply",
            format!("*2\r\n${SIZE}\r\n{body}\r\n:5\r\n"),
        ),
        ("a line", format!("+{body}\r\n")),
        ("an error", format!("-ERR {body}\r\n")),
        (
            "many parts",
            format!("*{}\r\n{}", SIZE / 4, ":1\r\n".repeat(SIZE / 4)),
        ),
        ("nested parts", "*1\r\n".repeat(SIZE / 4)),
    ] {
        let (port, sent) = replies(reply.into_bytes()).await;
        let store = RedisStore::new(&format!("redis://127.0.0.1:{port}")).unwrap();
        let start = Instant::now();
        let text = store.get("k").await.unwrap_err().to_string();
        assert!(text.contains("exceeds the size limit"), "{what}: {text}");
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        // What the system's buffers take, for each of two tries.
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < SIZE / 5, "{what}: {sent} bytes");
    }
}

#[tokio::test]
async fn a_single_server_sends_nobody_elsewhere() {
    let foreign = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = foreign.local_addr().unwrap();
    for word in ["MOVED", "ASK"] {
        let reply = format!("-{word} 1234 {elsewhere}\r\n");
        let (port, _) = replies(reply.clone().into_bytes()).await;
        let store = RedisStore::new(&format!("redis://me:c4n4ry@127.0.0.1:{port}")).unwrap();
        let text = acquire(&store, "k", "aa").await.unwrap_err().to_string();
        assert!(text.contains("redis+cluster"), "{text}");
        assert!(!text.contains("c4n4ry"), "{text}");
        // The same words of a Cluster are followed.
        let url = format!("redis+cluster://me:c4n4ry@127.0.0.1:{port}");
        let cluster = RedisStore::new(&url).unwrap();
        let (_, accepted) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(500), acquire(&cluster, "k", "aa")),
            tokio::time::timeout(Duration::from_secs(5), foreign.accept())
        );
        accepted.unwrap().unwrap();
    }
    // Only the two Clusters came.
    let more = tokio::time::timeout(Duration::ZERO, foreign.accept()).await;
    assert!(more.is_err(), "{more:?}");
}

/// An entry that was written while a clock was ahead is in the way of nobody.
#[tokio::test]
async fn a_server_whose_clock_was_ahead_is_outdone() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    for ahead in [3_600, 23 * 3_600, 25 * 3_600, 300 * 24 * 3_600] {
        let fence = (now + Duration::from_secs(ahead)).as_micros().to_string();
        let write = |key: &str| {
            let full = |kind| format!("forcegrant:{{{key}}}:{kind}");
            server.command::<()>(&["SET", &full("entry"), &format!("1 {fence} 1\nx")]);
            server.command::<()>(&["SET", &full("fence"), &fence]);
        };
        let checked = check_attacked(&store, &write).await;
        assert_eq!(checked, Ok(()), "{ahead} s");
    }
}
