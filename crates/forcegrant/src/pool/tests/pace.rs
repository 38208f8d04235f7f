//! The pace of logins, and who goes first.

use super::*;

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
    let warm = warm.wait().unwrap();
    assert_eq!(warm.ready, 20);
    let order = f.stage.order.lock().unwrap();
    assert_eq!(order[..3], [host("first"), host("org19"), host("new")]);
    assert_eq!(order.len(), 22);
}

#[test]
fn a_login_that_has_no_permit_in_time_is_a_typed_error() {
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
    f.clock.advance(Duration::from_millis(599_999));
    assert_eq!(f.waiting(), 1);
    f.clock.advance(Duration::from_millis(1));
    let outcome = second.wait_timeout(Duration::from_secs(60)).unwrap();
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), "timeout");
    assert!(error.message().contains("queued"), "{error}");
    go.send(()).unwrap();
    assert!(first.wait_timeout(Duration::from_secs(60)).unwrap().is_ok());
    // Its place in the queue was given up, so the next one has a permit.
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
    assert_eq!((f.waiting(), f.requests()), (1, 1));
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
    let settings = forcegrant_proto::cache::policy::LifetimeSettings {
        spread: builder::SPREAD,
        ..forcegrant_proto::cache::policy::LifetimeSettings::default()
    };
    let lifetime = forcegrant_proto::cache::policy::Lifetime {
        length: 7_200_000,
        source: crate::ExpirySource::Configured,
    };
    let mut by_second = BTreeMap::<u64, usize>::new();
    for number in 0..10_000 {
        let random = f64::from(number) / 10_000.0;
        let windows = forcegrant_proto::cache::policy::windows(lifetime, &settings, random);
        *by_second.entry(windows.refresh_due / 1_000).or_default() += 1;
    }
    assert!(by_second.values().all(|count| *count <= 25));
    assert!(by_second.len() >= 450);
}
