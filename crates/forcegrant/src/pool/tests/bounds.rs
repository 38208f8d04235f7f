//! A full pool, and clients that it lets go of.

use super::*;

/// The long form is the example `pool_soak`.
#[test]
fn a_pool_of_1024_stays_at_1024_whatever_comes() {
    let f = fixture(|builder| builder.max_clients(1_024));
    let handle = f.pool.insert("kept", host("kept"), "id", "s").unwrap();
    for number in 0..20_000 {
        let key = format!("org{number}");
        f.pool.insert(&key, host(&key), "id", "s").unwrap();
        // What is read stays.
        assert!(f.pool.client("kept").is_ok());
    }
    assert_eq!(f.pool.len(), 1_024);
    assert_eq!(f.pool.statuses().count(), 1_024);
    assert!(f.pool.contains("kept") && f.pool.contains("org19999") && !f.pool.contains("org0"));
    assert!(handle.token().is_ok());
}

#[test]
fn a_full_pool_evicts_nothing_until_one_more_comes() {
    let f = fixture(|builder| builder.max_clients(100));
    let keys: Vec<_> = (0..100).map(|number| format!("org{number}")).collect();
    for key in &keys {
        f.insert(key, "s");
    }
    assert!(keys.iter().all(|key| f.pool.contains(key)));
    f.insert("more", "s");
    assert_eq!(f.pool.len(), 100);
}

#[test]
fn the_login_of_an_evicted_client_is_finished_for_its_callers() {
    let f = fixture_of_all(|builder| builder.max_clients(1));
    let (arrival, go) = f.hold("first");
    let mut caller = f.start("first");
    arrival.recv().unwrap();
    f.text("second");
    assert!(!f.pool.contains("first"));
    go.send(()).unwrap();
    let token = caller.wait_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(token.unwrap().access_token(), "first.my.salesforce.com!1");
}

#[test]
fn waiting_for_idleness_sees_clients_that_had_to_go() {
    type LetGo = fn(&Fixture);
    let ways: [(&str, LetGo); 3] = [
        ("removed", |f| assert!(f.pool.remove("first"))),
        ("evicted", |f| drop(f.text("second"))),
        ("replaced", |f| {
            let other = f.pool.insert("first", host("other"), "id", "s");
            assert!(other.is_ok());
        }),
    ];
    for (name, let_go) in ways {
        let f = fixture_of_all(|builder| builder.max_clients(1));
        f.insert("first", "s");
        let (arrival, go) = f.hold("first");
        let mut caller = f.start("first");
        arrival.recv().unwrap();
        let_go(&f);
        let mut idle = f.pool.clone().into_async().start_wait_idle();
        assert!(idle.wait_timeout(Duration::ZERO).is_none(), "{name}");
        go.send(()).unwrap();
        assert!(idle.wait_timeout(Duration::from_secs(60)).is_some());
        let token = caller.wait_timeout(Duration::ZERO).expect(name).unwrap();
        assert_eq!(token.access_token(), "first.my.salesforce.com!1");
    }
}

#[test]
fn a_removed_key_is_unknown_and_its_handle_works_on() {
    let f = fixture(|builder| builder);
    f.insert("acme", "s");
    let client = f.pool.client("acme").unwrap();
    assert!(f.pool.remove("acme") && !f.pool.remove("acme"));
    assert_eq!(f.pool.token("acme").unwrap_err().code(), "unknown_key");
    assert!(f.pool.is_empty() && client.token().is_ok());
}
