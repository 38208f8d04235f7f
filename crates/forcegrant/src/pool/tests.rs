//! The pool over a transport that a test plays by hand: no sockets, no sleeps.

mod bounds;
mod credentials;
mod pace;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::TestClock;
use crate::blocking;
use crate::events::Events;
use crate::http::{Request, Response, Transport};
use forcegrant_proto::cache::cache_state::CacheState;
use forcegrant_proto::grant::failure::RequestFailure;

/// Every org responds at once with tokens of its own, except those that a test holds or refuses.
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
struct MockTransport(Arc<Stage>);

impl fmt::Debug for MockTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MockTransport")
    }
}

impl Transport for MockTransport {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        _: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, RequestFailure>> + Send + 'a>> {
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
    let mut builder = ClientPool::builder()
        .logins_per_second(None)
        .options(|client| client.clock(own).retry_backoff(Duration::ZERO));
    // However slow the machine is, order is not a matter of time.
    builder.pacing.slow_after = Duration::from_secs(3_600);
    let mut built = options(builder).build().unwrap();
    let stage = Arc::new(Stage::default());
    let clients = Arc::get_mut(&mut built.clients).unwrap();
    let config = Arc::get_mut(&mut clients.config).unwrap();
    config.transport = Arc::new(MockTransport(Arc::clone(&stage)));
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

    /// How many logins wait for a permit.
    fn waiting(&self) -> usize {
        let pool = self.pool.clone().into_async();
        pool.clients.config.permits.as_ref().unwrap().waiting()
    }

    /// Until so many logins wait for a permit.
    fn wait_until_waiting(&self, logins: usize) {
        while self.waiting() < logins {
            std::thread::yield_now();
        }
    }

    fn insert(&self, key: &str, secret: &str) {
        self.pool.insert(key, host(key), "id", secret).unwrap();
    }

    fn start(&self, key: &str) -> Pending<Token> {
        match self.pool.clone().into_async().start(key) {
            Start::Pending(pending) => pending,
            Start::Ready(_) => panic!("a token was cached"),
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

#[test]
fn the_failures_of_one_org_are_not_those_of_another() {
    let f = fixture_of_all(|builder| builder);
    f.stage.refused.lock().unwrap().push(host("acme"));
    assert_eq!(f.pool.token("acme").unwrap_err().code(), "no_run_as_user");
    assert!(f.pool.token("globex").is_ok());
    assert_eq!(f.pool.status("acme").unwrap().state, CacheState::BackingOff);
    assert_eq!(f.pool.status("globex").unwrap().state, CacheState::Fresh);
    assert!(f.pool.status("initech").is_none());
    let states: BTreeMap<_, _> = f
        .pool
        .statuses()
        .map(|(key, one)| (key, one.state))
        .collect();
    let expected = [
        ("acme", CacheState::BackingOff),
        ("globex", CacheState::Fresh),
    ];
    assert_eq!(
        states,
        expected.map(|(key, state)| (key.to_owned(), state)).into()
    );
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
fn events_say_whose_they_are() {
    let (sender, receiver) = mpsc::channel();
    let f = fixture_of_all(|builder| {
        builder.with_events(Events::inline(move |_, key, event| {
            let _ = sender.send((key.to_owned(), event.name()));
        }))
    });
    f.text("acme");
    f.pool.wait_idle();
    let seen: Vec<_> = receiver.try_iter().collect();
    let acme = |name| ("acme".to_owned(), name);
    assert_eq!(seen, [acme("login_started"), acme("login_succeeded")]);
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
