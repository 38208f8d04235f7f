//! Stores that fail, hang or lie, and clocks that are wrong: a login is the worst that they cost.

use super::sharing::{text, with};
use super::tricky_store::Tricky;
use super::*;

#[test]
fn a_store_that_fails_is_an_event_and_is_left_alone_for_a_while() {
    let store = Tricky::default();
    store.0.fails.store(true, Ordering::SeqCst);
    let f = fixture_with(["a", "b", "c"].map(Play::Token), with(&store));
    assert_eq!(text(&f), "a");
    assert_eq!(
        f.take_events(),
        ["store_failed", "login_started", "login_succeeded"]
    );
    let steps = store.steps();
    f.client.reset();
    assert_eq!(text(&f), "b");
    assert_eq!(f.take_events(), ["login_started", "login_succeeded"]);
    assert_eq!(store.steps(), steps);
    // Back again: the fleet converges.
    store.0.fails.store(false, Ordering::SeqCst);
    f.pass(2);
    f.client.reset();
    f.pass(2);
    assert_eq!(text(&f), "c");
    assert_eq!(text(&f.beside(with(&store))), "c");
    assert_eq!(f.requests(), 3);
}

#[test]
fn the_words_of_a_store_hold_no_secret() {
    let store = Tricky::default();
    store.0.fails.store(true, Ordering::SeqCst);
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let own = Arc::clone(&told);
    let f = fixture_with([Play::Token("a")], |builder| {
        ffi::on_event(with(&store)(builder), move |event| {
            own.lock().unwrap().push(format!("{event:?}"));
        })
    });
    assert_eq!(text(&f), "a");
    let told = told.lock().unwrap().join(" ");
    assert!(told.contains("on purpose"), "{told}");
    assert!(!told.contains("hunter22"), "{told}");
}

#[test]
fn a_store_that_hangs_delays_a_login_by_its_timeout() {
    let store = Tricky::default();
    store.0.hangs.store(true, Ordering::SeqCst);
    let f = fixture_with([Play::Token("a")], |builder| {
        with(&store)(builder).store_timeout(Duration::from_millis(20))
    });
    assert_eq!(text(&f), "a");
    assert_eq!(
        f.take_events(),
        ["store_failed", "login_started", "login_succeeded"]
    );
}

#[test]
fn entries_that_are_not_ours_cost_a_login() {
    let store = Tricky::default();
    store.0.garbage.store(true, Ordering::SeqCst);
    let f = fixture_with([Play::Token("a")], with(&store));
    assert_eq!(text(&f), "a");
    assert_eq!(f.take_events(), ["login_started", "login_succeeded"]);
}

#[test]
fn a_lease_that_never_ends_is_waited_for_no_longer_than_a_login_may_take() {
    let store = Tricky::default();
    store.0.is_held.store(true, Ordering::SeqCst);
    let f = fixture_with([Play::Token("a")], |builder| {
        with(&store)(builder).total_timeout(Duration::from_millis(100))
    });
    assert_eq!(text(&f), "a");
    assert_eq!(
        f.take_events(),
        ["store_failed", "login_started", "login_succeeded"]
    );
}

/// This machine's clock is behind: by the store's, the token has 100 s left of its 3,600.
#[test]
fn the_clock_of_the_store_counts_too() {
    let store = Tricky::default();
    let one = fixture_with(
        [Play::ExpiresIn("a", 3_600), Play::ExpiresIn("b", 3_600)],
        with(&store),
    );
    assert_eq!(text(&one), "a");
    let two = one.beside(with(&store));
    *store.0.left.lock().unwrap() = Some(Duration::from_secs(100));
    let token = two.client.token().unwrap();
    assert_eq!(token.access_token(), "a");
    let left = token.expiry().at().duration_since(two.clock.now()).unwrap();
    assert!(left <= Duration::from_secs(160), "{left:?}");
}

#[test]
fn a_login_with_the_next_pair_is_shared_by_that_pair() {
    let store = Tricky::default();
    let rotating =
        |builder: ClientBuilder| with(&store)(builder).next_credentials("id", "hunter23");
    let one = fixture_with([Play::RefusePair, Play::Token("a")], rotating);
    assert_eq!(text(&one), "a");
    let two = one.beside(with(&store));
    two.client.set_credentials(crate::CredentialSet::new(
        crate::ClientCredentials::new("id", "hunter23").unwrap(),
    ));
    assert_eq!((text(&two), two.requests()), ("a".to_owned(), 2));
}

/// The budget is that of all who share a store.
#[test]
fn logins_of_a_fleet_are_counted_together() {
    let store = Tricky::default();
    let one = fixture_with([Play::Token("a")], |builder| {
        with(&store)(builder).login_budget(Some(3))
    });
    assert_eq!(text(&one), "a");
    one.client.wait_idle();
    store.0.others.store(2, Ordering::SeqCst);
    one.client.reset();
    let error = one.client.token().unwrap_err();
    assert_eq!(error.code(), "login_budget_exceeded");
    assert_eq!(one.requests(), 1);
}

/// A report came while the login was in flight: what it brought is for nobody, but it was a login.
#[test]
fn a_login_that_a_report_overtook_is_counted_and_not_shared() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let store = Tricky::default();
    let f = fixture_with([Play::Token("a"), hold, Play::Token("b")], with(&store));
    let token = f.client.token().unwrap();
    f.pass(1_000);
    f.client.token().unwrap();
    arrival.recv().unwrap();
    assert!(f.client.invalidate(&token));
    go.send(()).unwrap();
    assert_eq!(text(&f), "b");
    f.client.wait_idle();
    assert_eq!(f.requests(), 3);
    assert_eq!(store.0.puts.load(Ordering::SeqCst), 2, "a and b");
    assert_eq!(store.logins(3), 3);
}

#[test]
fn a_rejected_token_that_comes_back_is_not_shared_again() {
    let store = Tricky::default();
    let f = fixture_with([Play::Token("a"), Play::Token("a")], with(&store));
    assert!(f.client.invalidate(&f.client.token().unwrap()));
    let error = f.client.token().unwrap_err();
    assert_eq!(error.code(), "same_token_returned");
    f.client.wait_idle();
    assert_eq!(
        store.0.puts.load(Ordering::SeqCst),
        2,
        "the token once, and why the second login failed"
    );
    assert_eq!(store.logins(2), 2);
}

/// While the store was away a newer token came and was rejected: what the store has from before is
/// older still.
#[test]
fn an_entry_older_than_a_rejected_token_does_not_serve() {
    let store = Tricky::default();
    let f = fixture_with(
        ["a", "b", "c"].map(|token| Play::ExpiresIn(token, 3_600)),
        with(&store),
    );
    assert_eq!(text(&f), "a");
    store.0.fails.store(true, Ordering::SeqCst);
    f.pass(3_000);
    assert_eq!(text(&f), "a");
    f.client.wait_idle();
    let token = f.client.token().unwrap();
    assert_eq!(token.access_token(), "b");
    store.0.fails.store(false, Ordering::SeqCst);
    f.pass(100);
    assert!(f.client.invalidate(&token));
    let steps = store.steps();
    assert_eq!(text(&f), "c");
    assert!(store.steps() > steps, "the store was asked");
    assert_eq!(f.requests(), 3);
}

/// The client that logs in keeps the right to it: a store that fails for a moment is asked again, and no breaker
/// keeps the extension back.
#[test]
fn a_lease_is_short_and_is_extended_though_the_store_fails_for_a_moment() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let store = Tricky::default();
    let f = fixture_with([hold], with(&store));
    let asking = f.client.clone();
    let asked = std::thread::spawn(move || asking.token().unwrap());
    arrival.recv().unwrap();
    store.0.fails.store(true, Ordering::SeqCst);
    store.is_asked_again(2);
    store.0.fails.store(false, Ordering::SeqCst);
    store.is_asked_again(2);
    go.send(()).unwrap();
    assert_eq!(asked.join().unwrap().access_token(), "a");
    f.client.wait_idle();
    assert_eq!(store.0.puts.load(Ordering::SeqCst), 1);
    assert_eq!(f.take_events(), ["login_started", "login_succeeded"]);
    // Others wait for a holder that was killed for this, a look, and their own login: 4 s in all.
    assert!(*store.0.longest.lock().unwrap() <= Duration::from_secs(3));
}

/// Another has logged in since, perhaps: what this login brought may be the older token.
#[test]
fn who_lost_the_lease_in_the_middle_of_a_login_keeps_its_token_to_itself() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let store = Tricky::default();
    let f = fixture_with([hold], with(&store));
    let asking = f.client.clone();
    let asked = std::thread::spawn(move || asking.token().unwrap());
    arrival.recv().unwrap();
    let steps = store.steps();
    store.0.is_held.store(true, Ordering::SeqCst);
    store.is_asked_again(1);
    // The release after it.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.steps() < steps + 2 && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    go.send(()).unwrap();
    assert_eq!(asked.join().unwrap().access_token(), "a");
    f.client.wait_idle();
    assert_eq!(store.0.puts.load(Ordering::SeqCst), 0);
}

/// A counter is anyone's word who can write to the store: it slows logins down and stops none for good.
#[test]
fn a_counter_that_somebody_wrote_refuses_for_minutes_and_not_for_good() {
    let store = Tricky::default();
    let f = fixture_with([Play::Token("a")], with(&store));
    store.0.others.store(u64::MAX / 2, Ordering::SeqCst);
    let error = f.client.token().unwrap_err();
    assert_eq!(error.code(), "login_budget_exceeded");
    let wait = error.retry_after().unwrap();
    assert!(wait <= Duration::from_secs(300), "{wait:?}");
    f.pass(wait.as_secs() + 1);
    assert_eq!(text(&f), "a");
}

/// The token has a stated end of 30 minutes. The clock was a day ahead when it was put, and is right again.
#[test]
fn an_entry_of_a_clock_that_was_ahead_does_not_serve_and_is_replaced() {
    let store = Tricky::default();
    let ahead = fixture_with(
        ["old", "new"].map(|token| Play::ExpiresIn(token, 1_800)),
        with(&store),
    );
    ahead.pass(24 * 3_600);
    assert_eq!(text(&ahead), "old");
    let right = TestClock::new(ahead.clock.now() - Duration::from_secs(24 * 3_600));
    let beside =
        |clock: &TestClock| fixture_on(Arc::clone(&ahead.stage), clock.clone(), with(&store));
    let one = beside(&right);
    assert_eq!(text(&one), "new");
    // And the login of today is what others of today find.
    let two = beside(&right);
    assert_eq!((text(&two), two.requests()), ("new".to_owned(), 2));
}

/// The clients of one process share a login too while their store is down, each with its own way to it.
#[test]
fn clients_of_one_process_share_a_login_while_their_store_fails() {
    let stores: [Tricky; 3] = Default::default();
    let one = fixture_with([Play::Token("a")], with(&stores[0]));
    let others = [&stores[1], &stores[2]].map(|store| one.beside(with(store)));
    for store in &stores {
        store.0.fails.store(true, Ordering::SeqCst);
    }
    assert_eq!(text(&one), "a");
    for other in &others {
        assert_eq!((text(other), other.requests()), ("a".to_owned(), 1));
    }
}
