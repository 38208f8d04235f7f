//! The Redis store against real servers. What callers notice of their faults is in
//! `callers.rs`.

mod callers;
#[path = "../../../forcegrant/tests/common/mod.rs"]
mod common;
mod faults;
mod hostile;
mod proxy;
mod server;
mod topologies;

use forcegrant::store::conformance::{self, check_damaged};
use forcegrant::store::{RedisStore, Store};

use crate::server::Server;

#[tokio::test]
async fn the_store_keeps_the_contract() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    conforms(&store).await;
    assert_eq!(conformance::check_steps(&store).await, Ok(()));
}

#[tokio::test]
async fn every_key_has_the_prefix_and_a_time_to_live() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&format!("{}/3", server.url())).unwrap();
    let store = store.prefix("acme:").unwrap();
    conforms(&store).await;
    let mut connection = redis::Client::open(format!("{}/3", server.url()))
        .and_then(|client| client.get_connection())
        .unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    assert!(keys.len() > 10);
    for key in keys {
        assert!(key.starts_with("acme:{conformance:"), "{key}");
        let left: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
        assert!(left != -1, "{key} stays for ever");
    }
    let other: Vec<String> = server.command(&["KEYS", "*"]);
    assert_eq!(other, [""; 0], "in another database");
}

/// Whatever somebody writes over the entry, it counts as absent or is what it was.
#[tokio::test]
async fn an_entry_that_was_replaced_or_damaged_is_none() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let damages: [&[&str]; 6] = [
        &["DEL"],
        &["SETRANGE", "0", "9"],
        &["SET", "something of another program"],
        &["SET", ""],
        &["APPEND", "x"],
        &["HSET", "a", "b"],
    ];
    for damage in damages {
        let spoil = |key: &str| {
            let full = format!("forcegrant:{{{key}}}:entry");
            if damage[0] == "HSET" {
                server.command::<()>(&["DEL", &full]);
            }
            let words: Vec<_> = [damage[0], &full]
                .into_iter()
                .chain(damage[1..].iter().copied())
                .collect();
            server.command::<redis::Value>(&words);
        };
        if let Err(violation) = check_damaged(&store, &spoil).await {
            panic!("{damage:?}: {violation}");
        }
    }
    // The same for leases and counters of another form: they count as absent.
    server.command::<()>(&["SADD", "forcegrant:{a}:lease", "x"]);
    server.command::<()>(&["SET", "forcegrant:{b}:lease", "1 not-in-hex"]);
    server.command::<()>(&["SET", "forcegrant:{c}:lease", "1 aa"]);
    server.command::<()>(&["SADD", "forcegrant:{d}:fence", "x"]);
    for key in ["a", "b", "c", "d"] {
        let acquired = acquire(&store, key, "bb").await;
        assert!(
            matches!(acquired, Ok(forcegrant::store::Acquired::Granted { .. })),
            "{key}: {acquired:?}"
        );
    }
    server.command::<()>(&["SET", "forcegrant:{a}:count", "x"]);
    assert_eq!(store.count("a", 2).await.unwrap(), 2);
}

#[tokio::test]
async fn a_count_leaves_the_window_after_an_hour_and_not_before() {
    let server = Server::start(&[]);
    let store = RedisStore::new(&server.url()).unwrap();
    let (seconds, _): (u64, u64) = server.command(&["TIME"]);
    // Should a minute end between these lines, one more is allowed.
    let minute = seconds / 60;
    for (age, logins) in [(0, "1"), (59, "10"), (62, "1000"), (9999, "10000")] {
        let field = (minute - age).to_string();
        server.command::<()>(&["HSET", "forcegrant:{k}:count", &field, logins]);
    }
    assert_eq!(store.count("k", 0).await.unwrap(), 11);
    assert_eq!(store.count("k", 100).await.unwrap(), 111);
    let left: Vec<String> = server.command(&["HVALS", "forcegrant:{k}:count"]);
    assert!(!left.contains(&"10000".to_owned()), "{left:?}");
}

pub(crate) async fn conforms(store: &RedisStore) {
    if let Err(violations) = conformance::check(store).await {
        let lines: Vec<_> = violations.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"));
    }
}

pub(crate) async fn acquire(
    store: &RedisStore,
    key: &str,
    owner: &str,
) -> Result<forcegrant::store::Acquired, forcegrant::store::StoreError> {
    store
        .acquire(key, owner, std::time::Duration::from_secs(30))
        .await
}
