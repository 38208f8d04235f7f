//! How a client reads entries, leases and counters that anyone may have written.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorCode;

const NOW: Moment = Moment {
    wall: 1_800_000_000_000,
    boot: 700_000_000,
};
const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn origin(started: i64) -> LoginRecord {
    LoginRecord {
        started,
        introspected: None,
        age: 300,
        lives: MINUTE.unsigned_abs() * 30,
    }
}

fn age(started: Option<Moment>) -> Option<i64> {
    let started = started?;
    assert_eq!(
        NOW.wall - started.wall,
        (NOW.boot - started.boot).cast_signed()
    );
    Some(NOW.wall - started.wall)
}

#[test]
fn an_entry_is_as_old_as_either_clock_says_and_none_of_the_future_serves() {
    let left = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    for (what, written, left, expected) in [
        ("just now", 0, None, Some(0)),
        ("ten minutes ago", -10 * MINUTE, None, Some(10 * MINUTE)),
        ("by a clock that is a little ahead", 50_000, None, Some(0)),
        ("at the edge", MAX_CLOCK_SKEW, None, Some(0)),
        ("beyond it", MAX_CLOCK_SKEW + 1, None, None),
        ("an hour ahead", 60 * MINUTE, None, None),
        ("a day ahead", DAY, None, None),
        (
            "a day ahead, says a server's clock too",
            DAY,
            left(29),
            None,
        ),
        ("for ever ahead", i64::MAX - NOW.wall, None, None),
        (
            "the server says it is older",
            0,
            left(20),
            Some(10 * MINUTE + 300),
        ),
        (
            "the server says it is younger",
            -10 * MINUTE,
            left(29),
            Some(10 * MINUTE),
        ),
        (
            "by a clock that was a day behind",
            -DAY,
            left(29),
            Some(DAY),
        ),
    ] {
        let entry = origin(NOW.wall.saturating_add(written));
        let found = started(&entry, left, NOW, &KnownLogins::default());
        assert_eq!(age(found), expected, "{what}");
    }
}

#[test]
fn only_a_newer_login_serves_and_what_is_known_of_the_future_is_not() {
    let entry = origin(NOW.wall - MINUTE);
    let own = |ago: i64| KnownLogins {
        own: Some(NOW.wall - ago),
        ..KnownLogins::default()
    };
    let rejected = |ago: i64| KnownLogins {
        rejected: Some(NOW.wall - ago),
        ..KnownLogins::default()
    };
    let reset = |ago: i64| KnownLogins {
        fresh_after: Some(NOW.wall - ago),
        ..KnownLogins::default()
    };
    for (what, known, serves) in [
        ("an older one of its own", own(2 * MINUTE), true),
        ("the same login", own(MINUTE + 900), false),
        ("a newer one of its own", own(0), false),
        ("its own, by a clock that was ahead", own(-DAY), true),
        ("an older one was rejected", rejected(2 * MINUTE), true),
        ("a newer one was rejected", rejected(0), false),
        (
            "one was rejected while the clock was ahead",
            rejected(-DAY),
            true,
        ),
        ("a reset before", reset(2 * MINUTE), true),
        ("a reset after", reset(0), false),
        ("a reset while the clock was ahead", reset(-DAY), true),
    ] {
        let found = started(&entry, None, NOW, &known).is_some();
        assert_eq!(found, serves, "{what}");
    }
}

proptest! {
    /// Neither clock, nor what is known, makes a token younger than the wall clock says.
    #[test]
    fn no_token_is_younger_than_it_is(
        at in any::<i64>(), left in any::<Option<u64>>(), age in any::<u64>(), lives in any::<u64>(),
    ) {
        let entry = LoginRecord { started: at, introspected: None, age, lives };
        let left = left.map(Duration::from_millis);
        if let Some(found) = started(&entry, left, NOW, &KnownLogins::default()) {
            prop_assert!(at <= NOW.wall + MAX_CLOCK_SKEW);
            prop_assert!(found.wall <= at.max(NOW.wall) && found.wall <= NOW.wall);
            prop_assert!(NOW.since(found) >= NOW.wall.saturating_sub(at).max(0).unsigned_abs());
        }
    }
}

#[test]
fn a_failure_is_told_for_its_time_only_and_under_its_lease() {
    let error = Error::new(ErrorCode::NoRunAsUser, "refused");
    let text = write_failure(7, NOW.wall, &error);
    let read = |fence, after: i64| read_failure(&text, fence, NOW.wall + after).is_some();
    assert!(read(7, 0) && read(7, 60_000) && read(7, -30_000));
    assert!(!read(8, 0), "of another lease");
    assert!(!read(7, 2 * MINUTE + 6_000), "put back later");
    assert!(!read(7, -2 * MINUTE), "of the future");
    assert!(!read(7, 30 * DAY) && !read(7, i64::MIN / 2));
    let slow = error.with_retry_after(Some(Duration::from_secs(900)));
    assert_eq!(failure_lifetime(&slow), Duration::from_secs(60));
    // Of a release that did not write the time.
    let old = String::from_utf8(text.clone()).unwrap();
    let old = old.replace(&format!("\"at\":{},", NOW.wall), "");
    assert!(read_failure(old.as_bytes(), 7, NOW.wall).is_none());
}

#[test]
fn a_counter_slows_logins_down_and_stops_none_for_good() {
    assert_eq!(budget_wait(2_999, 3_000, 123_456), None);
    let mut let_through = 0;
    for second in 0..3_600 {
        let now = second * 1_000;
        match budget_wait(u64::MAX, 3_000, now) {
            None => let_through += 1,
            Some(wait) => {
                assert!(wait <= Duration::from_secs(290), "{wait:?}");
                let then = now + i64::try_from(wait.as_millis()).unwrap();
                assert_eq!(budget_wait(u64::MAX, 3_000, then), None);
            }
        }
    }
    // Of each hour two minutes.
    assert_eq!(let_through, 120);
}

const LEASE: Duration = Duration::from_millis(2_500);

/// Looks at a lease whose end the store tells, until patience ends; when that is, in milliseconds.
fn waits(left_at: impl Fn(u64) -> (u64, u64)) -> u64 {
    let mut patience = LeaseWait::new(LEASE);
    let mut now = 0;
    while now < 30_000 {
        let (fence, left) = left_at(now);
        match patience.wait(now, fence, Duration::from_millis(left)) {
            None => break,
            // As the client does: it leaves a moment before it looks again.
            Some(wait) => now += millis(wait).max(20),
        }
    }
    now
}

#[test]
fn who_waits_does_so_for_a_holder_that_lives_and_for_no_lease_without_end() {
    let lease = millis(LEASE);
    assert_eq!(waits(|_| (7, u64::MAX)), lease, "it never ends");
    assert_eq!(
        waits(|now| (7, 3_600_000 - now)),
        lease,
        "it ends in an hour"
    );
    // A holder that extends it three or four times in its time, with replies that come late.
    for late in [0, 300, 600] {
        for period in [500, 750] {
            let left = |now: u64| lease - (now + late) % period;
            assert_eq!(waits(|now| (7, left(now))), 30_000, "{late} {period}");
        }
    }
    // Another login each time is one that can be waited for.
    assert!(waits(|now| (now / 2_000, 2_000)) >= 30_000);
}
