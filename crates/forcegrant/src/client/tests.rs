//! The client over a transport that a test plays by hand: no sockets, no sleeps.

mod lifecycle;
mod memory_store;
mod sharing;
mod store_faults;
mod tricky_store;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::*;
use crate::blocking;
use crate::events::Events;
use crate::ffi;
use crate::http::{Request, Response, Transport};
use crate::{ClientBuilder, TestClock};
use forcegrant_proto::grant::failure::RequestFailure;

/// What the endpoint answers, in order.
enum Play {
    Token(&'static str),
    ExpiresIn(&'static str, u64),
    Status(u16),
    Refuse,
    /// The client secret is refused.
    RefusePair,
    /// Any JSON, with status 200.
    Json(serde_json::Value),
    Panic,
    /// Tells the test that the request arrived, then waits for its word.
    Hold(
        mpsc::Sender<()>,
        tokio::sync::oneshot::Receiver<()>,
        Box<Play>,
    ),
}

#[derive(Default)]
struct Stage {
    plays: Mutex<VecDeque<Play>>,
    requests: AtomicUsize,
    bodies: Mutex<Vec<String>>,
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
            self.0.requests.fetch_add(1, Ordering::SeqCst);
            let body = request.body.as_ref().map(|body| body.expose().to_owned());
            self.0.bodies.lock().unwrap().push(body.unwrap_or_default());
            let play = self.0.plays.lock().unwrap().pop_front();
            let mut play = play.expect("no more requests than planned");
            while let Play::Hold(arrived, go, then) = play {
                arrived.send(()).unwrap();
                go.await.unwrap();
                play = *then;
            }
            Ok(answer(&play))
        })
    }
}

fn answer(play: &Play) -> Response {
    let (status, body) = match play {
        Play::Token(token) => (200, grant(token, None)),
        Play::ExpiresIn(token, seconds) => (200, grant(token, Some(*seconds))),
        Play::Status(status) => (*status, json!(null)),
        Play::Refuse => (
            400,
            json!({"error": "invalid_grant", "error_description": "no client credentials user enabled"}),
        ),
        Play::RefusePair => (
            400,
            json!({"error": "invalid_client", "error_description": "invalid client credentials"}),
        ),
        Play::Json(body) => (200, body.clone()),
        Play::Panic => panic!("a transport that panics, on purpose"),
        Play::Hold(..) => unreachable!("taken apart by the caller"),
    };
    Response {
        status,
        body: body.to_string().into_bytes().into(),
        ..Response::default()
    }
}

fn grant(token: &str, expires_in: Option<u64>) -> serde_json::Value {
    json!({"access_token": token, "instance_url": "https://acme.my.salesforce.com", "expires_in": expires_in})
}

struct Fixture {
    client: blocking::Client,
    clock: TestClock,
    stage: Arc<Stage>,
    events: Arc<Mutex<Vec<&'static str>>>,
}

fn fixture(plays: impl IntoIterator<Item = Play>) -> Fixture {
    fixture_with(plays, |builder| builder)
}

fn fixture_with(
    plays: impl IntoIterator<Item = Play>,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Fixture {
    let stage = Arc::new(Stage::default());
    stage.plays.lock().unwrap().extend(plays);
    let clock = TestClock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    fixture_on(stage, clock, options)
}

fn fixture_on(
    stage: Arc<Stage>,
    clock: TestClock,
    options: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Fixture {
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let builder = Client::builder("acme.my.salesforce.com", "id", "hunter22")
        .clock(clock.clone())
        .retry_backoff(Duration::ZERO);
    let builder = ffi::on_event(builder, move |event| log.lock().unwrap().push(event.name()));
    let built = options(builder).build().unwrap();
    let mut inner = Arc::into_inner(built.inner).unwrap();
    Arc::get_mut(&mut inner.config).unwrap().transport =
        Arc::new(MockTransport(Arc::clone(&stage)));
    Fixture {
        client: Client::new(inner).into(),
        clock,
        stage,
        events,
    }
}

impl Fixture {
    fn requests(&self) -> usize {
        self.stage.requests.load(Ordering::SeqCst)
    }

    /// The client secrets of the requests so far, in order.
    fn secrets(&self) -> Vec<String> {
        let secret = |body: &String| {
            let fields = url::form_urlencoded::parse(body.as_bytes());
            let found = fields
                .into_owned()
                .find(|(name, _)| name == "client_secret");
            found.map(|(_, value)| value).unwrap_or_default()
        };
        self.stage
            .bodies
            .lock()
            .unwrap()
            .iter()
            .map(secret)
            .collect()
    }

    fn take_events(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn held(play: Play) -> (Play, mpsc::Receiver<()>, tokio::sync::oneshot::Sender<()>) {
    let (arrived, arrival) = mpsc::channel();
    let (go, gate) = tokio::sync::oneshot::channel();
    (Play::Hold(arrived, gate, Box::new(play)), arrival, go)
}

#[test]
fn one_login_serves_many_reads() {
    let f = fixture([Play::Token("a")]);
    assert!(f.client.cached().is_none());
    let token = f.client.token().unwrap();
    for _ in 0..100 {
        assert!(f.client.token().unwrap().is(&token));
    }
    assert!(f.client.cached().unwrap().is(&token));
    assert_eq!(f.requests(), 1);
    assert_eq!(f.take_events(), ["login_started", "login_succeeded"]);
    assert_eq!(f.client.status().logins, 1);
}

/// A4: a flight that panics is an error for all, and the next call works.
#[test]
fn a_panic_is_an_error_and_the_next_call_works() {
    let f = fixture([Play::Panic, Play::Token("a")]);
    assert_eq!(f.client.token().unwrap_err().code(), "internal");
    assert_eq!(f.client.token().unwrap().access_token(), "a");
}

#[test]
fn transient_failures_are_tried_again_within_a_login() {
    let f = fixture([Play::Status(503), Play::Status(500), Play::Token("a")]);
    assert_eq!(f.client.token().unwrap().access_token(), "a");
    assert_eq!(
        f.take_events(),
        [
            "login_started",
            "login_retried",
            "login_retried",
            "login_succeeded"
        ]
    );
}

#[test]
fn a_refusal_is_not_tried_again_and_is_remembered() {
    let f = fixture([Play::Refuse, Play::Refuse, Play::Token("a")]);
    let first = f.client.token().unwrap_err();
    assert_eq!((first.code().as_str(), f.requests()), ("no_run_as_user", 1));
    let second = f.client.token().unwrap_err();
    assert_eq!(
        (second.code().as_str(), f.requests()),
        ("no_run_as_user", 1),
        "remembered"
    );
    assert!(
        second
            .retry_after()
            .is_some_and(|left| left <= Duration::from_secs(5))
    );
    let status = f.client.status();
    assert_eq!(status.state, crate::CacheState::BackingOff);
    assert_eq!(status.last_error.unwrap().code(), "no_run_as_user");
    assert!(status.backing_off_until.is_some() && status.last_failure_at.is_some());
    f.pass(5);
    assert!(f.client.token().is_err());
    assert_eq!(f.requests(), 2);
    f.client.reset();
    assert_eq!(f.client.token().unwrap().access_token(), "a");
}

/// A15: ageing and the endpoint is down.
#[test]
fn a_failing_refresh_keeps_the_token_that_works() {
    let f = fixture([Play::Token("a"), Play::Refuse, Play::Token("b")]);
    let token = f.client.token().unwrap();
    f.pass(1_000);
    assert!(
        f.client.token().unwrap().is(&token),
        "served while the refresh is behind"
    );
    f.client.wait_idle();
    assert_eq!(f.requests(), 2);
    assert!(f.client.token().unwrap().is(&token));
    assert_eq!(
        f.client.status().last_error.unwrap().code(),
        "no_run_as_user"
    );
    f.pass(5);
    assert!(f.client.token().unwrap().is(&token));
    f.client.wait_idle();
    assert_eq!(f.client.token().unwrap().access_token(), "b");
}

#[test]
fn a_lapsed_token_serves_through_an_outage_and_no_further() {
    let outage = || [Play::Status(503), Play::Status(503), Play::Status(503)];
    let f = fixture(
        [Play::Token("a")]
            .into_iter()
            .chain(outage())
            .chain(outage()),
    );
    let token = f.client.token().unwrap();
    f.pass(1_800);
    // Nobody refreshed in time: this caller waits, the login fails, and the old token serves.
    assert!(f.client.token().unwrap().is(&token));
    assert_eq!(f.client.status().state, crate::CacheState::Stale);
    f.pass(3_600);
    assert_eq!(f.client.token().unwrap_err().code(), "server_unavailable");
    assert_eq!(f.requests(), 7);
}

#[test]
fn a_known_end_is_never_passed_however_the_endpoint_fares() {
    let f = fixture([Play::ExpiresIn("a", 600), Play::Refuse]);
    f.client.token().unwrap();
    f.pass(539);
    assert!(f.client.cached().is_some());
    f.pass(1);
    assert!(f.client.cached().is_none());
    assert!(f.client.token().is_err());
}

#[test]
fn the_same_token_again_ends_in_a_typed_error() {
    let f = fixture([Play::Token("a"), Play::Token("a"), Play::Token("b")]);
    let token = f.client.token().unwrap();
    assert!(f.client.invalidate(&token));
    assert!(!f.client.invalidate(&token));
    let error = f.client.token().unwrap_err();
    assert_eq!(error.code(), "same_token_returned");
    assert_eq!(f.client.token().unwrap_err().code(), "same_token_returned");
    assert_eq!(f.requests(), 2, "no loop");
    f.pass(5);
    assert_eq!(f.client.token().unwrap().access_token(), "b");
    assert!(f.take_events().contains(&"same_token_returned"));
}

/// A wrong report must not stop a client for the rest of a session's life.
#[test]
fn a_token_that_salesforce_insists_on_serves_again_after_longer_and_longer() {
    let f = fixture((0..7).map(|_| Play::Token("a")));
    for hold in [5, 10, 20] {
        let token = f.client.token().unwrap();
        assert!(f.client.invalidate(&token));
        let error = f.client.token().unwrap_err();
        assert_eq!(error.code(), "same_token_returned");
        // The jitter takes off at most a fifth.
        f.pass(hold * 4 / 5 - 1);
        assert!(f.client.token().is_err());
        f.pass(hold);
        if hold == 10 {
            // Twice in a row it was of no use, so reports change nothing for a while.
            let token = f.client.token().unwrap();
            assert!(!f.client.invalidate(&token));
            assert!(f.client.token().unwrap().is(&token));
            f.pass(80);
        }
    }
    assert_eq!(f.client.token().unwrap().access_token(), "a");
    assert_eq!(f.requests(), 7);
}

/// Whoever reports each token, and asks for another: few logins, and a token at hand all the same.
#[test]
fn a_user_who_reports_every_token_causes_no_storm() {
    const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let f = fixture(NAMES.map(Play::Token));
    for call in 0..1_000 {
        let token = f.client.token().unwrap();
        f.client.invalidate(&token);
        if call % 17 == 0 {
            f.pass(1);
        }
    }
    assert!(f.requests() <= 5, "{} logins in a minute", f.requests());
    f.client.reset();
    assert!(f.client.invalidate(&f.client.token().unwrap()));
}

/// A report that arrives while a refresh is in flight may be newer than its answer.
#[test]
fn a_login_that_a_report_overtook_is_repeated_once() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let f = fixture([Play::Token("a"), hold, Play::Token("b")]);
    let token = f.client.token().unwrap();
    f.pass(1_000);
    f.client.token().unwrap();
    arrival.recv().unwrap();
    assert!(f.client.invalidate(&token));
    go.send(()).unwrap();
    assert_eq!(f.client.token().unwrap().access_token(), "b");
    assert_eq!(f.requests(), 3);
}

#[test]
fn a_thread_that_gives_up_leaves_the_login_to_the_others() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let f = fixture([hold]);
    let error = f
        .client
        .token_timeout(Duration::from_millis(1))
        .unwrap_err();
    assert_eq!(error.code(), "timeout");
    arrival.recv().unwrap();
    go.send(()).unwrap();
    assert_eq!(f.client.token().unwrap().access_token(), "a");
    assert_eq!(f.requests(), 1);
}

#[test]
fn a_callback_that_panics_harms_nothing() {
    let f = fixture([Play::Token("a")]);
    let mut inner = Arc::into_inner(f.client.into_async().inner).unwrap();
    Arc::get_mut(&mut inner.config).unwrap().events =
        Events::inline(|_, _, _| panic!("a callback that panics, on purpose"));
    let client = blocking::Client::from(Client::new(inner));
    assert_eq!(client.token().unwrap().access_token(), "a");
}

/// A14: one login per lifetime over a simulated week, on every rung of the ladder.
#[test]
fn one_login_per_lifetime_over_a_week() {
    for (expires_in, ages) in [(None, 900), (Some(7_200), 6_300), (Some(60), 30)] {
        let week = 7 * 86_400;
        let plays = (0..week).map(|_| match expires_in {
            None => Play::Token("a"),
            Some(seconds) => Play::ExpiresIn("a", seconds),
        });
        let f = fixture(plays);
        let step = ages / 10;
        for _ in 0..week / step {
            f.client.token().unwrap();
            f.client.wait_idle();
            f.pass(step);
        }
        let most = usize::try_from(week / (ages * 7 / 10)).unwrap();
        let least = usize::try_from(week / (ages + 2 * step)).unwrap();
        assert!(
            (least..=most).contains(&f.requests()),
            "{expires_in:?}: {}",
            f.requests()
        );
    }
}

#[test]
fn a_view_is_empty_under_a_test_clock_and_starts_the_refresh_that_is_due() {
    let (hold, arrival, go) = held(Play::Token("b"));
    let f = fixture([Play::Token("a"), hold]);
    let client = f.client.clone().into_async();
    assert!(
        ffi::view(&client).is_none(),
        "no login is started for a view"
    );
    f.client.token().unwrap();
    let view = ffi::view(&client).unwrap();
    assert_eq!(view.from_ms, view.until_ms);
    f.pass(1_000);
    assert_eq!(ffi::view(&client).unwrap().token.access_token(), "a");
    arrival.recv().unwrap();
    go.send(()).unwrap();
    f.client.wait_idle();
    assert_eq!(ffi::view(&client).unwrap().token.access_token(), "b");
}

/// A refresh that takes a token from memory can be over before the caller that started it goes on.
#[test]
fn a_view_is_of_the_token_that_was_served_when_the_refresh_is_over_at_once() {
    let client = Arc::new(std::sync::OnceLock::<Client>::new());
    let refreshed = Arc::clone(&client);
    let f = fixture_with([Play::Token("a"), Play::Token("b")], |builder| {
        ffi::on_event(builder, move |event| {
            if event.name() == "refresh_due" {
                let runtime = crate::worker::runtime().unwrap();
                let login = refreshed.get().unwrap().login_afresh();
                runtime.block_on(login).unwrap();
            }
        })
    });
    let client = client.get_or_init(|| f.client.clone().into_async());
    f.client.token().unwrap();
    f.pass(900);
    let view = ffi::view(client).unwrap();
    assert_eq!(view.token.access_token(), "a");
    assert_eq!(view.from_ms, view.until_ms);
    assert_eq!(f.client.cached().unwrap().access_token(), "b");
}

#[test]
fn no_debug_form_holds_a_secret() {
    let f = fixture([Play::Token("canary-token")]);
    let token = f.client.token().unwrap();
    let inner = f.client.clone().into_async().inner;
    for shown in [
        format!("{token:?}"),
        format!("{inner:?}"),
        format!("{:?}", f.client),
        format!("{:?}", f.client.status()),
        format!("{:?}", inner.cell.state()),
    ] {
        assert!(
            !shown.contains("canary-token") && !shown.contains("hunter22"),
            "{shown}"
        );
    }
}
