//! Introspection, learning, budget, rotation: what the client does with time and credentials.

use std::sync::OnceLock;

use super::*;
use crate::{CacheState, ClientCredentials, CredentialSet, Event};

fn credential_set(secret: &str) -> CredentialSet {
    CredentialSet::new(ClientCredentials::new("id", secret).unwrap())
}

#[test]
fn introspection_tells_the_end_once_a_login() {
    let ends = 1_700_000_000 + 600;
    let active = Play::Json(json!({"active": true, "exp": ends}));
    let f = fixture_with([Play::Token("a"), active], |builder| {
        builder.introspect(true)
    });
    let token = f.client.token().unwrap();
    assert_eq!(token.expiry().source().as_str(), "introspection");
    assert!(token.expiry().is_known());
    assert_eq!(
        token.expiry().at(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(ends)
    );
    f.client.token().unwrap();
    assert_eq!(f.requests(), 2);
    let bodies = f.stage.bodies.lock().unwrap();
    assert!(
        bodies[1].starts_with("token=a&token_type_hint=access_token&"),
        "{}",
        bodies[1]
    );
}

#[test]
fn a_failing_introspection_is_an_event_and_falls_through() {
    let f = fixture_with([Play::Token("a"), Play::Status(403)], |builder| {
        builder.introspect(true)
    });
    assert_eq!(
        f.client.token().unwrap().expiry().source().as_str(),
        "default"
    );
    assert_eq!(
        f.take_events(),
        ["login_started", "introspection_failed", "login_succeeded"]
    );
}

#[test]
fn an_inactive_token_is_dead_on_arrival() {
    let inactive = Play::Json(json!({"active": false}));
    let f = fixture_with([Play::Token("a"), inactive], |builder| {
        builder.introspect(true)
    });
    assert_eq!(
        f.client.token().unwrap_err().code(),
        "token_dead_on_arrival"
    );
}

#[test]
fn stated_ends_are_not_introspected() {
    let f = fixture_with([Play::ExpiresIn("a", 600)], |builder| {
        builder.introspect(true)
    });
    assert_eq!(
        f.client.token().unwrap().expiry().source().as_str(),
        "expires_in"
    );
    assert_eq!(f.requests(), 1);
}

#[test]
fn a_rejection_teaches_a_shorter_lifetime() {
    let f = fixture([Play::Token("a"), Play::Token("b")]);
    let token = f.client.token().unwrap();
    f.pass(800);
    assert!(f.client.invalidate(&token));
    let status = f.client.status();
    assert_eq!(status.last_rejected_age, Some(Duration::from_secs(800)));
    assert_eq!(status.learned_lifetime, Some(Duration::from_secs(600)));
    let expiry = f.client.token().unwrap().expiry();
    assert_eq!(
        (expiry.source().as_str(), expiry.is_known()),
        ("learned", false)
    );
    f.client.reset();
    assert!(f.client.status().learned_lifetime.is_none());
}

#[test]
fn the_budget_stops_logins_before_salesforce_does() {
    let tokens = (0..5)
        .map(|_| Play::ExpiresIn("a", 1))
        .chain([Play::Token("b")]);
    let f = fixture_with(tokens, |builder| builder.login_budget(Some(5)));
    for _ in 0..5 {
        f.client.token().unwrap();
        f.pass(1);
    }
    let error = f.client.token().unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.kind()),
        ("login_budget_exceeded", crate::ErrorKind::LoginRate)
    );
    let wait = error.retry_after().unwrap();
    assert!(
        wait > Duration::from_secs(3_500) && wait <= Duration::from_secs(3_660),
        "{wait:?}"
    );
    assert_eq!(f.requests(), 5, "nothing was sent");
    assert_eq!(f.client.status().state, CacheState::BackingOff);
    assert_eq!(
        f.take_events()
            .iter()
            .filter(|name| **name == "login_budget_warning")
            .count(),
        1
    );
    f.pass(wait.as_secs() + 1);
    assert_eq!(f.client.token().unwrap().access_token(), "b");
}

#[test]
fn two_clients_of_one_app_share_the_budget() {
    let clock = TestClock::starting_now();
    let client = |plays: Vec<Play>| {
        let shared = clock.clone();
        fixture_with(plays, move |builder| {
            builder.clock(shared).login_budget(Some(1))
        })
    };
    client(vec![Play::Token("a")]).client.token().unwrap();
    let second = client(vec![]);
    assert_eq!(
        second.client.token().unwrap_err().code(),
        "login_budget_exceeded"
    );
}

#[test]
fn the_next_pair_is_tried_once_and_then_first() {
    let plays = [Play::RefusePair, Play::Token("a"), Play::Token("b")];
    let f = fixture_with(plays, |builder| builder.next_credentials("id", "newer"));
    f.client.token().unwrap();
    assert_eq!(f.secrets(), ["hunter22", "newer"]);
    assert!(f.take_events().contains(&"credentials_rotated"));
    f.client.reset();
    f.client.token().unwrap();
    assert_eq!(
        f.secrets(),
        ["hunter22", "newer", "newer"],
        "no failed login where none is needed"
    );
    assert!(!f.take_events().contains(&"credentials_rotated"));
}

#[test]
fn each_pair_is_tried_once_before_the_refusal_is_reported() {
    let plays = [Play::RefusePair, Play::RefusePair];
    let f = fixture_with(plays, |builder| builder.next_credentials("id", "newer"));
    assert_eq!(
        f.client.token().unwrap_err().code(),
        "invalid_client_secret"
    );
    assert_eq!(f.secrets(), ["hunter22", "newer"]);
}

#[test]
fn another_refusal_does_not_touch_the_other_pair() {
    let f = fixture_with([Play::Refuse], |builder| {
        builder.next_credentials("id", "newer")
    });
    assert_eq!(f.client.token().unwrap_err().code(), "no_run_as_user");
    assert_eq!(f.requests(), 1);
}

#[test]
fn new_credentials_end_a_remembered_failure_at_once() {
    let f = fixture([Play::RefusePair, Play::Token("a")]);
    assert!(f.client.token().is_err());
    assert!(f.client.token().is_err());
    f.client
        .clone()
        .into_async()
        .set_credentials(credential_set("newer"));
    assert_eq!(f.client.token().unwrap().access_token(), "a");
    assert_eq!(f.secrets(), ["hunter22", "newer"]);
}

#[test]
fn a_token_of_a_retired_pair_is_dropped_when_asked() {
    let f = fixture([Play::Token("a"), Play::Token("b")]);
    f.client.token().unwrap();
    assert!(!f.client.invalidate_if_rotated(), "its pair is in use");
    f.client.set_credentials(credential_set("newer"));
    assert_eq!(
        f.client.token().unwrap().access_token(),
        "a",
        "it works still"
    );
    assert!(f.client.invalidate_if_rotated());
    assert_eq!(f.client.token().unwrap().access_token(), "b");
}

#[test]
fn a_secret_file_is_read_again_when_it_changes() {
    let folder = std::env::temp_dir().join(format!("forcegrant-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("secret");
    std::fs::write(&path, "first\n").unwrap();
    let plays = [Play::RefusePair, Play::Token("a")];
    let f = fixture_with(plays, |builder| builder.client_secret_file(&path));
    assert_eq!(
        f.client.token().unwrap_err().code(),
        "invalid_client_secret"
    );
    assert_eq!(
        f.client.token().unwrap_err().code(),
        "invalid_client_secret"
    );
    std::fs::write(&path, "second, longer\n").unwrap();
    f.client.token().unwrap();
    assert_eq!(f.secrets(), ["first", "second, longer"]);
    std::fs::remove_dir_all(&folder).unwrap();
    // A source that fails does not stop a client that has credentials and a token.
    assert!(f.client.token().is_ok());
    let error = Client::builder("acme.my", "id", "")
        .client_secret_file(&path)
        .build()
        .unwrap_err();
    assert!(error.message().contains("client_secret_file"), "{error}");
}

#[test]
fn a_secret_file_beside_another_source_is_refused() {
    let error = Client::builder("acme.my", "", "")
        .credentials_callback(|| async { Ok(credential_set("x")) })
        .client_secret_file("secret")
        .build()
        .unwrap_err();
    assert!(error.message().contains("client_secret_file"), "{error}");
}

#[test]
fn a_verification_does_not_pass_over_a_refused_login() {
    let f = fixture([Play::Token("a"), Play::Refuse]);
    f.client.token().unwrap();
    assert_eq!(f.client.verify().unwrap_err().code(), "no_run_as_user");
    assert!(
        f.client.cached().is_some(),
        "the token that works goes on serving"
    );
}

#[test]
fn idle_means_that_no_verification_is_in_flight_either() {
    let (hold, arrival, go) = held(Play::Token("a"));
    let (call, called, answer) = held(Play::Status(503));
    let f = fixture([hold, call]);
    let client = f.client.clone().into_async();
    let mut first = client.start_verify();
    let mut second = client.start_verify();
    let mut idle = client.start_wait_idle();
    arrival.recv().unwrap();
    assert!(idle.wait_timeout(Duration::ZERO).is_none());
    go.send(()).unwrap();
    called.recv().unwrap();
    assert!(
        idle.wait_timeout(Duration::ZERO).is_none(),
        "the API call is under way"
    );
    answer.send(()).unwrap();
    let wait = Duration::from_secs(30);
    for verification in [&mut first, &mut second] {
        let error = verification.wait_timeout(wait).unwrap().unwrap_err();
        assert_eq!(error.code(), "server_unavailable");
    }
    idle.wait_timeout(wait).unwrap().unwrap();
    assert_eq!(f.requests(), 2, "they shared one");
}

#[test]
fn a_callback_is_asked_at_the_first_login_and_after_a_refusal() {
    let answers = Arc::new(Mutex::new(VecDeque::from(["first", "first", "second"])));
    let source = Arc::clone(&answers);
    let plays = [
        Play::Token("a"),
        Play::RefusePair,
        Play::RefusePair,
        Play::Token("b"),
    ];
    let f = fixture_with(plays, move |builder| {
        builder.credentials_callback(move || {
            let next = source.lock().unwrap().pop_front();
            async move {
                next.map(credential_set)
                    .ok_or_else(|| "the vault is sealed".into())
            }
        })
    });
    f.client.token().unwrap();
    f.client.reset();
    assert_eq!(
        f.client.token().unwrap_err().code(),
        "invalid_client_secret"
    );
    assert_eq!(
        f.secrets(),
        ["first", "first"],
        "the same pair is not tried again"
    );
    f.client.reset();
    assert_eq!(f.client.token().unwrap().access_token(), "b");
    assert_eq!(f.secrets(), ["first", "first", "first", "second"]);
    // Now the vault is sealed: what is at hand goes on.
    assert!(answers.lock().unwrap().is_empty());
}

#[test]
fn a_callback_that_never_answers_is_given_up() {
    let f = fixture_with([], |builder| {
        builder
            .total_timeout(Duration::from_millis(10))
            .credentials_callback(std::future::pending)
    });
    let error = f.client.token().unwrap_err();
    assert_eq!(error.code(), "credentials_unavailable");
    assert!(error.message().contains("in time"), "{error}");
}

#[test]
fn a_callback_that_fails_is_a_typed_error_with_its_cause() {
    let f = fixture_with([], |builder| {
        builder.credentials_callback(|| async { Err("the vault is sealed".into()) })
    });
    let error = f.client.token().unwrap_err();
    assert_eq!(error.code(), "credentials_unavailable");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the vault is sealed"
    );
}

#[test]
fn ageing_and_lapsing_are_told_once() {
    let outage = || [Play::Status(503), Play::Status(503), Play::Status(503)];
    let f = fixture(
        [Play::Token("a")]
            .into_iter()
            .chain(outage())
            .chain(outage()),
    );
    f.client.token().unwrap();
    f.pass(900);
    for _ in 0..3 {
        f.client.token().unwrap();
    }
    f.client.wait_idle();
    let count = |events: &[&str], name| events.iter().filter(|event| **event == name).count();
    let events = f.take_events();
    assert_eq!(count(&events, "refresh_due"), 1, "{events:?}");
    f.pass(900);
    for _ in 0..3 {
        f.client.token().unwrap();
    }
    f.client.wait_idle();
    let events = f.take_events();
    assert_eq!(count(&events, "serving_stale"), 1, "{events:?}");
    assert_eq!(count(&events, "refresh_due"), 0, "{events:?}");
}

#[test]
fn ageing_is_told_before_the_refresh_that_it_makes_due() {
    let (client, seen) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(Vec::new())));
    let (told, log) = (Arc::clone(&client), Arc::clone(&seen));
    let f = fixture_with([Play::Token("a"), Play::Token("b")], |builder| {
        ffi::on_event(builder, move |event| {
            if let Event::RefreshDue { fingerprint, .. } = event {
                let client: &crate::blocking::Client = told.get().unwrap();
                let in_flight = client.status().in_flight;
                log.lock().unwrap().push((in_flight, fingerprint.clone()));
            }
        })
    });
    client.set(f.client.clone()).unwrap();
    let token = f.client.token().unwrap();
    f.pass(900);
    f.client.token().unwrap();
    f.client.wait_idle();
    let expected = [(false, token.fingerprint().to_owned())];
    assert_eq!(*seen.lock().unwrap(), expected);
}
