//! Clients that share a token: through the process, and through stores that fail and lie.

use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::memory_store::MemoryStore;
use super::*;
use crate::store::{Acquired, Lease, Put, Store, StoreConfig, StoreError, StoreFuture, Stored};

impl Fixture {
    /// Another client with the same clock, at the same endpoint.
    fn beside(&self, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        fixture_on(Arc::clone(&self.stage), self.clock.clone(), options)
    }
}

/// A store in memory that can fail, hang and lie. Clones are one store.
#[derive(Clone, Debug, Default)]
struct Tricky(Arc<Tricks>);

#[derive(Debug, Default)]
struct Tricks {
    contents: MemoryStore,
    fails: AtomicBool,
    hangs: AtomicBool,
    /// Another has every lease.
    is_held: AtomicBool,
    /// An entry is what another put, or garbage.
    garbage: AtomicBool,
    left: Mutex<Option<Duration>>,
    /// Logins of others.
    others: AtomicU64,
    steps: AtomicUsize,
    watches: AtomicUsize,
    acquires: AtomicUsize,
    /// The longest lease that was asked for.
    longest: Mutex<Duration>,
    puts: AtomicUsize,
    logins: Mutex<u64>,
    counted: Condvar,
}

impl Tricky {
    fn play<'a, T: Send + 'a>(&'a self, step: StoreFuture<'a, T>) -> StoreFuture<'a, T> {
        self.0.steps.fetch_add(1, Ordering::SeqCst);
        if self.0.fails.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::new("on purpose, with hunter22")) });
        }
        if self.0.hangs.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        step
    }

    /// Logins are counted after their callers have gone on, so this waits for that many.
    fn logins(&self, wanted: u64) -> u64 {
        let logins = self.0.logins.lock().unwrap();
        let limit = Duration::from_secs(30);
        let counted = &self.0.counted;
        let (logins, _) = counted
            .wait_timeout_while(logins, limit, |logins| *logins < wanted)
            .unwrap();
        *logins
    }

    /// Returns once the lease was asked for so many times more.
    fn is_asked_again(&self, times: usize) {
        let wanted = self.0.acquires.load(Ordering::SeqCst) + times;
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while self.0.acquires.load(Ordering::SeqCst) < wanted {
            assert!(
                std::time::Instant::now() < deadline,
                "the lease is not extended"
            );
            std::thread::yield_now();
        }
    }

    fn steps(&self) -> usize {
        self.0.steps.load(Ordering::SeqCst)
    }
}

impl Store for Tricky {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        if self.0.garbage.load(Ordering::SeqCst) {
            let entry = b"garbage".repeat(20);
            return self.play(Box::pin(
                async move { Ok(Some(Stored { entry, left: None })) },
            ));
        }
        let left = *self.0.left.lock().unwrap();
        self.play(Box::pin(async move {
            let stored = self.0.contents.get(key).await?;
            Ok(stored.map(|stored| Stored { left, ..stored }))
        }))
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        self.0.puts.fetch_add(1, Ordering::SeqCst);
        self.play(Box::pin(async move {
            self.0.contents.put(key, entry, time_to_live, lease).await
        }))
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        self.0.acquires.fetch_add(1, Ordering::SeqCst);
        let mut longest = self.0.longest.lock().unwrap();
        *longest = time.max(*longest);
        drop(longest);
        if self.0.is_held.load(Ordering::SeqCst) {
            let held = Acquired::Held {
                fence: 7,
                left: Duration::from_millis(30),
            };
            return self.play(Box::pin(async move { Ok(held) }));
        }
        self.play(Box::pin(async move {
            self.0.contents.acquire(key, owner, time).await
        }))
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        self.play(Box::pin(async move {
            self.0.contents.release(key, lease).await
        }))
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        self.0.watches.fetch_add(1, Ordering::SeqCst);
        self.play(Box::pin(async move {
            self.0.contents.watch(key, fence, limit).await
        }))
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        *self.0.logins.lock().unwrap() += u64::from(logins);
        self.0.counted.notify_all();
        let others = self.0.others.load(Ordering::SeqCst);
        self.play(Box::pin(async move {
            Ok(others + self.0.contents.count(key, logins).await?)
        }))
    }
}

fn with(store: &Tricky) -> impl FnOnce(ClientBuilder) -> ClientBuilder + use<> {
    let store = store.clone();
    move |builder| builder.store(store)
}

/// Returns when the jobs that the worker has now have all begun.
fn let_the_worker_run() {
    let (sender, receiver) = mpsc::channel();
    crate::worker::spawn(async move { sender.send(()).unwrap() }).unwrap();
    receiver.recv().unwrap();
}

fn text(f: &Fixture) -> String {
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

/// Whoever logs in keeps the right to it: a store that fails for a moment is asked again, and no breaker
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
