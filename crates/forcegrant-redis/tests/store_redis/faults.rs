//! What the store makes of a Redis that is down, slow, full or cut off.

use std::time::{Duration, Instant};

use forcegrant::store::{Acquired, Lease, RedisStore, Store};
use tokio::io::AsyncWriteExt;

use crate::proxy::Proxy;
use crate::server::{Server, free_port};
use crate::{acquire, conforms};

/// As a client limits its calls.
const CALL_LIMIT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_server_that_is_down_is_an_error_at_once() {
    let port = free_port();
    let store = RedisStore::new(&format!("redis://127.0.0.1:{port}")).unwrap();
    let start = Instant::now();
    let text = acquire(&store, "k", "aa").await.unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(1));
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    // The same store, when the server comes.
    let _server = Server::start_on(port, &[]);
    conforms(&store).await;
}

#[tokio::test]
async fn a_restart_is_not_noticed() {
    let mut server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let mut last = 0;
    for _ in 0..3 {
        let Ok(Acquired::Granted { fence }) = acquire(&store, "k", "aa").await else {
            panic!("not granted");
        };
        // It lost what it had, and fences grow all the same.
        assert!(fence > last);
        last = fence;
        server.restart();
    }
    conforms(&store).await;
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    for _ in 0..3 {
        acquire(&store, "k", "aa").await.unwrap();
        server.command::<()>(&["SCRIPT", "FLUSH"]);
    }
}

#[tokio::test]
async fn a_server_that_stands_still_holds_nobody_after_it_goes_on() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    acquire(&store, "k", "aa").await.unwrap();
    server.signal("STOP");
    for _ in 0..3 {
        let start = Instant::now();
        let late = tokio::time::timeout(CALL_LIMIT, store.get("k")).await;
        assert!(
            late.is_err() && start.elapsed() < CALL_LIMIT * 2,
            "{late:?}"
        );
    }
    server.signal("CONT");
    acquire(&store, "k", "aa").await.unwrap();
    conforms(&store).await;
}

#[tokio::test]
async fn who_waits_for_a_login_outlasts_a_restart_but_not_more() {
    let mut server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let Ok(Acquired::Granted { fence }) = acquire(&store, "k", "aa").await else {
        panic!("not granted");
    };
    let waiting = store.clone();
    let waits = tokio::spawn(async move {
        let limit = Duration::from_secs(60);
        waiting.watch("k", fence, limit).await
    });
    tokio::task::yield_now().await;
    server.restart();
    waits.await.unwrap().unwrap();
    server.signal("STOP");
    let start = Instant::now();
    let limit = Duration::from_secs(60);
    store.watch("k", fence, limit).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_connection_that_swallows_all_is_given_up() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port).await;
    let store = RedisStore::new(&proxy.url()).unwrap();
    acquire(&store, "k", "aa").await.unwrap();
    assert_eq!(proxy.connections(), 1);
    proxy.swallow(true);
    let late = tokio::time::timeout(CALL_LIMIT, store.get("k")).await;
    assert!(late.is_err(), "{late:?}");
    // The old connection is as dead as before; a new one is not.
    proxy.swallow(false);
    acquire(&store, "k", "aa").await.unwrap();
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_was_cut_is_made_anew() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port).await;
    let store = RedisStore::new(&proxy.url()).unwrap();
    for round in 1..=5 {
        acquire(&store, "k", "aa").await.unwrap();
        assert_eq!(proxy.connections(), round);
        if round % 2 == 0 {
            proxy.cut_all();
        } else {
            proxy.cut_next_reply();
        }
    }
}

// The proxy must go on while a check keeps a thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_changes_nothing() {
    let server = Server::start(&[]);
    let proxy = Proxy::start(server.port).await;
    proxy.delay(Duration::from_millis(3));
    conforms(&RedisStore::new(&proxy.url()).unwrap()).await;
}

#[tokio::test]
async fn a_full_server_says_so_and_keeps_what_it_has() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let put = async |entry: &[u8], owner: &str, fence| {
        let owner = owner.to_owned();
        let lease = Lease { owner, fence };
        store.put("k", entry, Duration::from_secs(60), &lease).await
    };
    put(b"old", "aa", 1).await.unwrap();
    let Ok(Acquired::Granted { fence }) = acquire(&store, "k", "aa").await else {
        panic!("not granted");
    };
    server.command::<()>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for error in [
        put(b"new", "aa", fence).await.unwrap_err(),
        acquire(&store, "other", "aa").await.unwrap_err(),
        store.count("k", 1).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("out of memory (OOM)"), "{error}");
    }
    assert_eq!(store.get("k").await.unwrap().unwrap().entry, b"old");
    let lease = Lease {
        owner: "aa".to_owned(),
        fence: 1,
    };
    store.release("k", &lease).await.unwrap();
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    conforms(&store).await;
}

#[tokio::test]
async fn something_else_at_the_port_is_an_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let page = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let _ = client.write_all(page).await;
        }
    });
    let store = RedisStore::new(&format!("redis://:c4n4ry@127.0.0.1:{port}")).unwrap();
    let text = acquire(&store, "k", "aa").await.unwrap_err().to_string();
    assert!(
        !text.contains("c4n4ry") && text.contains("127.0.0.1"),
        "{text}"
    );
}
