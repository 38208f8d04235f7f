//! The pool over a transport that a test plays by hand: no sockets, no sleeps.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::TestClock;
use crate::blocking;
use crate::cache::state::CacheState;
use crate::grant::response::Failure;
use crate::http::{Request, Response, Transport};

/// Every org answers at once with tokens of its own, but for those that a test holds or refuses.
#[derive(Default)]
struct Stage {
    requests: AtomicUsize,
    by_host: Mutex<BTreeMap<String, usize>>,
    order: Mutex<Vec<String>>,
    held: Mutex<HashMap<String, Held>>,
    refused: Mutex<Vec<String>>,
}

struct Held {
    arrived: mpsc::Sender<()>,
    go: tokio::sync::oneshot::Receiver<()>,
}

#[derive(Clone)]
struct Theatre(Arc<Stage>);

impl fmt::Debug for Theatre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Theatre")
    }
}

impl Transport for Theatre {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        _: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        Box::pin(async move {
            let stage = &self.0;
            stage.requests.fetch_add(1, Ordering::SeqCst);
            let url = url::Url::parse(&request.url).unwrap();
            let host = url.host_str().unwrap().to_owned();
            stage.order.lock().unwrap().push(host.clone());
            let number = {
                let mut by_host = stage.by_host.lock().unwrap();
                let number = by_host.entry(host.clone()).or_default();
                *number += 1;
                *number
            };
            let held = stage.held.lock().unwrap().remove(&host);
            if let Some(held) = held {
                held.arrived.send(()).unwrap();
                let _ = held.go.await;
            }
            let refused = stage.refused.lock().unwrap().contains(&host);
            let (status, body) = if refused {
                let body = json!({"error": "invalid_grant", "error_description": "no client credentials user enabled"});
                (400, body)
            } else {
                let body = json!({"access_token": format!("{host}!{number}"), "instance_url": format!("https://{host}")});
                (200, body)
            };
            Ok(Response {
                status,
                body: body.to_string().into_bytes().into(),
                ..Response::default()
            })
        })
    }
}

struct Fixture {
    pool: blocking::ClientPool,
    stage: Arc<Stage>,
    clock: TestClock,
}

fn fixture(options: impl FnOnce(ClientPoolBuilder) -> ClientPoolBuilder) -> Fixture {
    let clock = TestClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let own = clock.clone();
    let builder = ClientPool::builder()
        .logins_per_second(None)
        .options(|client| client.clock(own).retry_backoff(Duration::ZERO));
    let mut built = options(builder).build().unwrap();
    let stage = Arc::new(Stage::default());
    let pool = Arc::get_mut(&mut built.pool).unwrap();
    let profile = Arc::get_mut(&mut pool.profile).unwrap();
    profile.transport = Box::new(Theatre(Arc::clone(&stage)));
    if let Some(gate) = profile.gate.as_mut().and_then(Arc::get_mut) {
        // However slow the machine is, order is not a matter of time.
        gate.slow_after = Duration::from_secs(3_600);
    }
    Fixture {
        pool: built.into(),
        stage,
        clock,
    }
}

/// With a callback that knows every key.
fn fixture_of_all(options: impl FnOnce(ClientPoolBuilder) -> ClientPoolBuilder) -> Fixture {
    fixture(|builder| {
        options(builder.credentials_callback(async |key| {
            Ok(OrgCredentials::of(host(&key), "id", "hunter22")?)
        }))
    })
}

fn host(key: &str) -> String {
    format!("{key}.my.salesforce.com")
}

impl Fixture {
    fn requests(&self) -> usize {
        self.stage.requests.load(Ordering::SeqCst)
    }

    fn text(&self, key: &str) -> String {
        self.pool.token(key).unwrap().access_token().to_owned()
    }

    /// Holds the next request to an org: says when it has arrived, and lets it go.
    fn hold(&self, key: &str) -> (mpsc::Receiver<()>, tokio::sync::oneshot::Sender<()>) {
        let (arrived, arrival) = mpsc::channel();
        let (gone, go) = tokio::sync::oneshot::channel();
        let mut held = self.stage.held.lock().unwrap();
        held.insert(host(key), Held { arrived, go });
        (arrival, gone)
    }

    fn gate(&self) -> Arc<gate::Gate> {
        let pool = self.pool.clone().into_async();
        Arc::clone(pool.pool.profile.gate.as_ref().unwrap())
    }

    /// Until so many logins are in the line.
    fn wait_until_waiting(&self, logins: usize) {
        let gate = self.gate();
        while gate.waiting() < logins {
            std::thread::yield_now();
        }
    }

    fn insert(&self, key: &str, secret: &str) {
        self.pool.insert(key, host(key), "id", secret).unwrap();
    }

    fn start(&self, key: &str) -> Pending<Token> {
        match self.pool.clone().into_async().start(key) {
            Start::Pending(pending) => pending,
            Start::Ready(_) => panic!("a token was at hand"),
        }
    }
}

#[test]
fn each_key_has_its_own_token() {
    let f = fixture(|builder| builder);
    f.insert("acme", "one");
    f.insert("globex", "two");
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    assert_eq!(f.text("globex"), "globex.my.salesforce.com!1");
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    assert_eq!((f.requests(), f.pool.len()), (2, 2));
    let error = f.pool.token("initech").unwrap_err();
    assert_eq!(error.code(), "unknown_key");
    assert!(error.message().contains("`initech`"));
}

#[test]
fn ten_thousand_cold_callers_of_one_key_cause_one_request() {
    let f = fixture_of_all(|builder| builder);
    let (arrival, go) = f.hold("acme");
    let callers: Vec<_> = (0..10_000).map(|_| f.start("acme")).collect();
    arrival.recv().unwrap();
    go.send(()).unwrap();
    for mut caller in callers {
        let token = caller.wait_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(token.unwrap().access_token(), "acme.my.salesforce.com!1");
    }
    assert_eq!(f.requests(), 1);
}

/// A17
#[test]
fn an_org_that_hangs_delays_no_other() {
    let f = fixture_of_all(|builder| builder.concurrent_logins(Some(2)));
    let (arrival, go) = f.hold("slow");
    let mut slow = f.start("slow");
    arrival.recv().unwrap();
    for number in 0..100 {
        f.text(&format!("org{number}"));
    }
    assert!(slow.wait_timeout(Duration::ZERO).is_none());
    go.send(()).unwrap();
    assert!(slow.wait_timeout(Duration::from_secs(60)).unwrap().is_ok());
}

#[test]
fn the_failures_of_one_org_are_not_those_of_another() {
    let f = fixture_of_all(|builder| builder);
    f.stage.refused.lock().unwrap().push(host("acme"));
    assert_eq!(f.pool.token("acme").unwrap_err().code(), "no_run_as_user");
    assert!(f.pool.token("globex").is_ok());
    assert_eq!(f.pool.status("acme").unwrap().state, CacheState::Cooling);
    assert_eq!(f.pool.status("globex").unwrap().state, CacheState::Fresh);
    assert!(f.pool.status("initech").is_none());
    let states: BTreeMap<_, _> = f
        .pool
        .statuses()
        .map(|(key, one)| (key, one.state))
        .collect();
    let expected = [("acme", CacheState::Cooling), ("globex", CacheState::Fresh)];
    assert_eq!(
        states,
        expected.map(|(key, state)| (key.to_owned(), state)).into()
    );
}

/// A19. The long form is the example `pool_soak`.
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
fn new_credentials_keep_the_token_that_still_works() {
    let f = fixture(|builder| builder);
    f.insert("acme", "old");
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    let new = OrgCredentials::of(host("acme"), "id", "new").unwrap();
    f.pool.set_credentials("acme", new.clone()).unwrap();
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!1");
    // The new ones are used from the next login on.
    assert!(f.pool.invalidate("acme", &f.pool.token("acme").unwrap()));
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!2");
    let error = f.pool.set_credentials("globex", new).unwrap_err();
    assert_eq!(error.code(), "unknown_key");
}

#[test]
fn the_same_credentials_again_change_nothing_and_forget_no_failure() {
    let f = fixture(|builder| builder);
    f.stage.refused.lock().unwrap().push(host("acme"));
    f.insert("acme", "s");
    f.pool.token("acme").unwrap_err();
    f.insert("acme", "s");
    f.pool.token("acme").unwrap_err();
    assert_eq!(f.requests(), 1);
    f.insert("acme", "other");
    f.pool.token("acme").unwrap_err();
    assert_eq!(f.requests(), 2);
}

#[test]
fn another_login_host_under_a_key_is_another_org() {
    let f = fixture(|builder| builder);
    f.insert("tenant", "s");
    let before = f.pool.client("tenant").unwrap();
    f.text("tenant");
    f.pool.insert("tenant", host("globex"), "id", "s").unwrap();
    assert!(f.pool.cached("tenant").is_none(), "the other org's token");
    assert_eq!(f.text("tenant"), "globex.my.salesforce.com!1");
    assert_eq!(f.pool.len(), 1);
    // A handle goes on with what it was made for.
    let token = before.token().unwrap();
    assert_eq!(token.access_token(), "tenant.my.salesforce.com!1");
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

#[test]
fn a_rejected_token_is_dropped_for_its_key_only() {
    let f = fixture_of_all(|builder| builder);
    let (acme, globex) = (
        f.pool.token("acme").unwrap(),
        f.pool.token("globex").unwrap(),
    );
    assert!(!f.pool.invalidate("acme", &globex));
    assert!(f.pool.invalidate_access_token("acme", acme.access_token()));
    assert!(!f.pool.invalidate("acme", &acme), "a late report");
    assert_eq!(f.text("acme"), "acme.my.salesforce.com!2");
    assert_eq!(f.text("globex"), "globex.my.salesforce.com!1");
}

#[test]
fn a_callback_is_asked_once_for_many_callers_and_its_failure_is_remembered() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let f = fixture(move |builder| {
        builder.credentials_callback(move |key| {
            let number = count.fetch_add(1, Ordering::SeqCst);
            async move {
                if number == 0 {
                    return Err("the vault is sealed".into());
                }
                Ok(OrgCredentials::of(host(&key), "id", "s")?)
            }
        })
    });
    let first = f.pool.token("acme").unwrap_err();
    let second = f.pool.token("acme").unwrap_err();
    assert_eq!(first.code(), "credentials_unavailable");
    assert_eq!(second.code(), "credentials_unavailable");
    assert!(second.retry_after().is_some());
    assert_eq!((asked.load(Ordering::SeqCst), f.requests()), (1, 0));
    f.clock.advance(Duration::from_secs(5));
    f.text("acme");
    f.text("acme");
    assert_eq!((asked.load(Ordering::SeqCst), f.requests()), (2, 1));
    assert_eq!(f.pool.status("acme").unwrap().login_host, host("acme"));
}

#[test]
fn a_callback_that_names_a_strange_host_is_refused() {
    let f = fixture(|builder| {
        builder.credentials_callback(async |_| Ok(OrgCredentials::of("evil.example", "id", "s")?))
    });
    assert_eq!(f.pool.token("acme").unwrap_err().code(), "untrusted_host");
    assert_eq!(f.requests(), 0);
}

#[test]
fn prewarming_tells_what_came_of_it() {
    let f = fixture_of_all(|builder| builder.concurrent_logins(Some(3)));
    f.stage.refused.lock().unwrap().push(host("bad"));
    f.text("org1");
    let keys = (0..50).map(|number| format!("org{number}"));
    let warm = f.pool.prewarm(keys.chain(["bad".to_owned()]));
    assert_eq!((warm.ready, warm.failed.len(), f.requests()), (50, 1, 51));
    assert_eq!(warm.failed[0].0, "bad");
    f.pool.wait_idle();
    assert!(f.pool.statuses().all(|(_, status)| !status.in_flight));
}

#[test]
fn a_caller_goes_before_those_who_are_prewarmed_and_takes_its_own_along() {
    let f = fixture_of_all(|builder| builder.concurrent_logins(Some(1)));
    let (arrival, go) = f.hold("first");
    let first = f.start("first");
    arrival.recv().unwrap();
    let keys = (0..20).map(|number| format!("org{number}"));
    let warm = f.pool.clone().into_async().start_prewarm(keys);
    // One that is being prewarmed, and one that is new.
    let (mut known, mut new) = (f.start("org19"), f.start("new"));
    f.wait_until_waiting(21);
    go.send(()).unwrap();
    for caller in [&mut known, &mut new] {
        caller
            .wait_timeout(Duration::from_secs(60))
            .unwrap()
            .unwrap();
    }
    drop(first);
    let warm = blocking::wait(warm).unwrap();
    assert_eq!(warm.ready, 20);
    let order = f.stage.order.lock().unwrap();
    assert_eq!(order[..3], [host("first"), host("org19"), host("new")]);
    assert_eq!(order.len(), 22);
}

#[test]
fn a_login_that_has_no_turn_in_time_is_a_typed_error() {
    // Within the life of a token.
    let limit = Duration::from_secs(600);
    let f = fixture_of_all(|builder| {
        builder
            .concurrent_logins(Some(1))
            .options(|client| client.total_timeout(limit))
    });
    let (arrival, go) = f.hold("first");
    let mut first = f.start("first");
    arrival.recv().unwrap();
    let mut second = f.start("second");
    f.wait_until_waiting(1);
    f.clock.advance(limit - Duration::from_millis(1));
    assert_eq!(f.gate().waiting(), 1);
    f.clock.advance(Duration::from_millis(1));
    let outcome = second.wait_timeout(Duration::from_secs(60)).unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), "timeout");
    assert!(error.message().contains("turn"), "{error}");
    go.send(()).unwrap();
    assert!(first.wait_timeout(Duration::from_secs(60)).unwrap().is_ok());
    // The place in the line was given up, so the next one has its turn.
    f.text("third");
}

#[test]
fn the_rate_is_that_of_the_clock() {
    let f = fixture_of_all(|builder| builder.logins_per_second(Some(1)));
    f.text("org0");
    let mut second = f.start("org1");
    f.wait_until_waiting(1);
    // A stopped clock lets nobody pass, and one that moves too little neither.
    f.clock.advance(Duration::from_millis(999));
    assert_eq!((f.gate().waiting(), f.requests()), (1, 1));
    f.clock.advance(Duration::from_millis(1));
    assert!(
        second
            .wait_timeout(Duration::from_secs(60))
            .unwrap()
            .is_ok()
    );
    assert_eq!(f.requests(), 2);
}

#[test]
fn ten_thousand_orgs_that_logged_in_together_are_not_refreshed_together() {
    let settings = crate::cache::policy::LifetimeSettings {
        spread: builder::SPREAD,
        ..crate::cache::policy::LifetimeSettings::default()
    };
    let lifetime = crate::cache::policy::Lifetime {
        length: 7_200_000,
        source: crate::ExpirySource::Configured,
    };
    let mut by_second = BTreeMap::<u64, usize>::new();
    for number in 0..10_000 {
        let random = f64::from(number) / 10_000.0;
        let windows = crate::cache::policy::windows(lifetime, &settings, random);
        *by_second.entry(windows.ages / 1_000).or_default() += 1;
    }
    assert!(by_second.values().all(|count| *count <= 25));
    assert!(by_second.len() >= 450);
}

#[test]
fn events_say_whose_they_are() {
    let (sender, receiver) = mpsc::channel();
    let f = fixture_of_all(|builder| {
        builder.on_event_inline(move |_, key, event| {
            let _ = sender.send((key.to_owned(), event.name()));
        })
    });
    f.text("acme");
    f.pool.wait_idle();
    let seen: Vec<_> = receiver.try_iter().collect();
    let acme = |name| ("acme".to_owned(), name);
    assert_eq!(seen, [acme("mint_started"), acme("mint_succeeded")]);
}

#[test]
fn the_options_of_one_org_and_numbers_out_of_range_are_refused() {
    let builder = ClientPool::builder;
    let table = [
        ("max_clients", builder().max_clients(0)),
        ("logins_per_second", builder().logins_per_second(Some(0))),
        ("concurrent_logins", builder().concurrent_logins(Some(0))),
        (
            "token_url",
            builder().options(|client| client.token_url("https://x.example/token")),
        ),
        (
            "next_credentials",
            builder().options(|client| client.next_credentials("a", "b")),
        ),
        (
            "client_secret_file",
            builder().options(|client| client.client_secret_file("/x")),
        ),
        (
            "credentials_callback",
            builder().options(|client| client.credentials_callback(std::future::pending)),
        ),
        (
            "max_attempts",
            builder().options(|client| client.max_attempts(0)),
        ),
    ];
    for (name, builder) in table {
        let error = builder.build().expect_err(name);
        assert!(error.message().contains(name), "{name}: {error}");
    }
}
