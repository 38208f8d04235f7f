//! Clients that share a token: through the process, and through a store.

use super::tricky_store::Tricky;
use super::*;
use crate::store::StoreConfig;

impl Fixture {
    /// Another client with the same clock, at the same endpoint.
    pub(super) fn beside(&self, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        fixture_on(Arc::clone(&self.stage), self.clock.clone(), options)
    }
}

pub(super) fn with(store: &Tricky) -> impl FnOnce(ClientBuilder) -> ClientBuilder + use<> {
    let store = store.clone();
    move |builder| builder.store(store)
}

/// Returns when the jobs that the worker has now have all begun.
fn let_the_worker_run() {
    let (sender, receiver) = mpsc::channel();
    crate::worker::spawn(async move { sender.send(()).unwrap() }).unwrap();
    receiver.recv().unwrap();
}

pub(super) fn text(f: &Fixture) -> String {
    f.client.token().unwrap().access_token().to_owned()
}

#[test]
fn clients_of_one_process_share_a_login() {
    let one = fixture([Play::Token("a")]);
    let two = one.beside(|builder| builder);
    assert_eq!((text(&one), text(&two)), ("a".to_owned(), "a".to_owned()));
    assert_eq!(one.requests(), 1);
    assert_eq!(two.take_events(), ["token_adopted"]);
    assert_eq!(
        (one.client.status().logins, two.client.status().logins),
        (1, 0)
    );
}

#[test]
fn sharing_can_be_switched_off_and_ends_with_the_last_client() {
    let one = fixture_with(
        [Play::Token("a"), Play::Token("b"), Play::Token("c")],
        |builder| builder.store(StoreConfig::off()),
    );
    let two = one.beside(|builder| builder);
    assert_eq!((text(&one), text(&two)), ("a".to_owned(), "b".to_owned()));
    let (stage, clock) = (Arc::clone(&two.stage), two.clock.clone());
    drop(two);
    let three = fixture_on(stage, clock, |builder| builder);
    assert_eq!(text(&three), "c");
}

/// The secret, the way of authenticating and the route are part of what is shared.
#[test]
fn another_secret_style_or_route_shares_nothing() {
    let one = fixture([
        Play::Token("a"),
        Play::Token("b"),
        Play::Token("c"),
        Play::Token("d"),
    ]);
    let basic = one.beside(|builder| builder.auth_style(crate::AuthStyle::Basic));
    let routed = one.beside(|builder| {
        builder.resolve("acme.my.salesforce.com", "127.0.0.1:1".parse().unwrap())
    });
    let other = one.beside(|builder| builder);
    other.client.set_credentials(crate::CredentialSet::new(
        crate::ClientCredentials::new("id", "hunter23").unwrap(),
    ));
    for (f, token) in [(&one, "a"), (&basic, "b"), (&routed, "c"), (&other, "d")] {
        assert_eq!(text(f), token);
    }
}

#[test]
fn a_fleet_that_lost_its_session_logs_in_once() {
    let one = fixture([Play::Token("a"), Play::Token("b")]);
    let fleet: Vec<_> = (0..8).map(|_| one.beside(|builder| builder)).collect();
    let tokens: Vec<_> = fleet.iter().map(|f| f.client.token().unwrap()).collect();
    assert_eq!(one.requests(), 1);
    for (f, token) in fleet.iter().zip(&tokens) {
        assert!(f.client.invalidate(token));
    }
    for f in &fleet {
        assert_eq!(text(f), "b");
    }
    // Nobody told this one, and it was the first.
    assert_eq!(text(&one), "b");
    assert_eq!(one.requests(), 2);
}

#[test]
fn clients_of_one_process_that_wait_for_a_login_share_its_failure() {
    let (refusal, arrival, go) = held(Play::Refuse);
    let one = fixture([refusal]);
    let two = one.beside(|builder| builder);
    let first = one.client.clone().into_async().start();
    arrival.recv().unwrap();
    let second = two.client.clone().into_async().start();
    let_the_worker_run();
    go.send(()).unwrap();
    for start in [first, second] {
        let Start::Pending(pending) = start else {
            panic!("there was no token");
        };
        assert_eq!(pending.wait().unwrap_err().code(), "no_run_as_user");
    }
    assert_eq!(two.take_events(), ["login_failed"]);
    assert_eq!(one.requests(), 1);
    // It is remembered by each of them.
    assert_eq!(two.client.token().unwrap_err().code(), "no_run_as_user");
    assert_eq!(one.requests(), 1);
}

#[test]
fn a_login_that_panics_leaves_the_right_to_log_in_to_the_next_client() {
    let (panic, arrival, go) = held(Play::Panic);
    let one = fixture([panic, Play::Token("b")]);
    let two = one.beside(|builder| builder);
    let first = one.client.clone().into_async().start();
    arrival.recv().unwrap();
    let second = two.client.clone().into_async().start();
    let_the_worker_run();
    go.send(()).unwrap();
    let (Start::Pending(first), Start::Pending(second)) = (first, second) else {
        panic!("there was no token");
    };
    assert_eq!(first.wait().unwrap_err().code(), "internal");
    assert_eq!(second.wait().unwrap().access_token(), "b");
    assert_eq!(text(&one), "b");
}

/// The instance that one client trusts is not taken over by a client that does not.
#[test]
fn a_token_for_an_instance_that_a_client_does_not_trust_is_not_adopted() {
    let elsewhere =
        json!({"access_token": "a", "instance_url": "https://gateway.example", "expires_in": null});
    let one = fixture_with([Play::Json(elsewhere), Play::Token("b")], |builder| {
        builder.trusted_hosts(["gateway.example"])
    });
    let two = one.beside(|builder| builder);
    assert_eq!((text(&one), text(&two)), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn a_verification_logs_in_although_another_client_has_a_token_and_shares_what_it_gets() {
    let limits = json!({});
    let one = fixture([Play::Token("a"), Play::Token("b"), Play::Json(limits)]);
    let (two, three) = (one.beside(|builder| builder), one.beside(|builder| builder));
    assert_eq!(text(&one), "a");
    two.pass(2);
    assert_eq!(two.client.verify().unwrap().token.access_token(), "b");
    assert_eq!((text(&three), text(&one)), ("b".to_owned(), "a".to_owned()));
}

#[test]
fn a_login_with_the_next_credentials_is_shared_within_the_process() {
    let one = fixture_with([Play::RefusePair, Play::Token("a")], |builder| {
        builder.next_credentials("id", "hunter23")
    });
    assert_eq!(text(&one), "a");
    let two = one.beside(|builder| builder);
    two.client.set_credentials(crate::CredentialSet::new(
        crate::ClientCredentials::new("id", "hunter23").unwrap(),
    ));
    assert_eq!((text(&two), two.requests()), ("a".to_owned(), 2));
}

#[test]
fn a_refresh_of_one_serves_all() {
    let store = Tricky::default();
    let one = fixture_with([Play::Token("a"), Play::Token("b")], with(&store));
    let two = one.beside(with(&store));
    assert_eq!((text(&one), text(&two)), ("a".to_owned(), "a".to_owned()));
    one.pass(1_000);
    assert_eq!(text(&one), "a");
    one.client.wait_idle();
    assert_eq!((text(&one), one.requests()), ("b".to_owned(), 2));
    assert_eq!(text(&two), "a", "served while it looks");
    two.client.wait_idle();
    assert_eq!((text(&two), two.requests()), ("b".to_owned(), 2));
}

/// Callers of two clients wait for one login, and both hear that it failed.
#[test]
fn those_who_waited_for_a_login_hear_that_it_failed() {
    let (refusal, arrival, go) = held(Play::Refuse);
    let store = Tricky::default();
    let one = fixture_with([refusal], with(&store));
    let two = one.beside(with(&store));
    let (first, second) = (one.client.clone(), two.client.clone());
    let first = std::thread::spawn(move || first.token().unwrap_err());
    arrival.recv().unwrap();
    let second = std::thread::spawn(move || second.token().unwrap_err());
    while store.0.watches.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    go.send(()).unwrap();
    let (first, second) = (first.join().unwrap(), second.join().unwrap());
    assert_eq!(
        (first.code().as_str(), second.code().as_str()),
        ("no_run_as_user", "no_run_as_user")
    );
    assert_eq!(second.setup_step(), first.setup_step());
    assert_eq!(one.requests(), 1);
}

#[test]
fn a_reset_asks_for_a_token_that_is_newer() {
    let one = fixture([Play::Token("a"), Play::Token("b")]);
    let two = one.beside(|builder| builder);
    assert_eq!((text(&one), text(&two)), ("a".to_owned(), "a".to_owned()));
    two.client.reset();
    two.pass(2);
    assert_eq!(text(&two), "b");
    assert_eq!(text(&one), "a", "which still works");
}
