mod views;

use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::cache::cached_token::{CachedToken, NewToken};
use crate::cache::learning::Learned;
use crate::cache::policy::{FailureSettings, LifetimeSettings};
use crate::cache::reports::{Report, Reported};
use crate::error::ErrorCode;
use crate::secret::{CredentialsFingerprint, Secret};
use crate::token_data::{Grant, TokenFormat};

const START: Moment = Moment {
    wall: 1_700_000_000_000,
    boot: 1_000,
};

fn at(millis: u64) -> Moment {
    Moment {
        wall: START.wall.saturating_add_unsigned(millis),
        boot: START.boot + millis,
    }
}

fn grant(token: &str, expires_in: Option<u64>) -> Grant {
    Grant {
        access_token: Secret::new(token),
        token_format: TokenFormat::Opaque,
        instance_url: "https://acme.my.salesforce.com".to_owned(),
        api_instance_url: None,
        identity_url: None,
        scope: String::new(),
        issued_at: None,
        expires_in,
        jwt: None,
        signature_matches: None,
        extra: Map::new(),
    }
}

fn new_token(token: &str, expires_in: Option<u64>, started: Moment) -> NewToken {
    NewToken {
        grant: grant(token, expires_in),
        credentials: CredentialsFingerprint::default(),
        started,
        introspected: None,
        random: 0.0,
    }
}

fn cached_at(token: &str, expires_in: Option<u64>, started: Moment) -> Arc<CachedToken> {
    let new_token = new_token(token, expires_in, started);
    CachedToken::new(
        new_token,
        Learned::default(),
        started,
        &LifetimeSettings::default(),
    )
    .unwrap()
}

fn with(state: &CacheSnapshot, cached: Arc<CachedToken>, now: Moment) -> CacheSnapshot {
    state.new_token(cached, now, &LifetimeSettings::default())
}

fn reported(state: &CacheSnapshot, token: &str, now: Moment) -> Option<CacheSnapshot> {
    let fingerprint = crate::secret::fingerprint(token);
    let report = Report {
        fingerprint: &fingerprint,
        host: None,
        is_proof: true,
        is_renewed: false,
    };
    match state.reported(&report, now, &LifetimeSettings::default(), 0.0) {
        Reported::Dropped(next) => Some(next),
        Reported::Stale | Reported::Held(..) => None,
    }
}

fn error(code: ErrorCode) -> Error {
    Error::new(code, "on purpose")
}

fn failed(state: &CacheSnapshot, code: ErrorCode, now: Moment) -> CacheSnapshot {
    state.failed(error(code), now, &FailureSettings::default(), 0.0)
}

fn lookup(state: &CacheSnapshot, now: Moment) -> CacheState {
    state.classify(now).name()
}

#[test]
fn a_token_with_an_estimated_end_goes_through_its_states() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    assert_eq!(lookup(&state, at(0)), CacheState::Fresh);
    assert_eq!(lookup(&state, at(899_999)), CacheState::Fresh);
    assert_eq!(lookup(&state, at(900_000)), CacheState::RefreshDue);
    assert_eq!(lookup(&state, at(1_799_999)), CacheState::RefreshDue);
    // Without a failure, a token past its estimated end is not served.
    assert_eq!(lookup(&state, at(1_800_000)), CacheState::Empty);
}

#[test]
fn a_stale_token_serves_only_while_refreshing_fails_temporarily() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    let outage = failed(&state, ErrorCode::ServerUnavailable, at(1_800_000));
    assert_eq!(lookup(&outage, at(1_800_000)), CacheState::Stale);
    assert_eq!(lookup(&outage, at(5_399_999)), CacheState::Stale);
    assert_eq!(lookup(&outage, at(5_400_000)), CacheState::Empty);
    let refusal = failed(&state, ErrorCode::InvalidClientSecret, at(1_800_000));
    assert_eq!(lookup(&refusal, at(1_800_000)), CacheState::BackingOff);
}

#[test]
fn a_known_end_is_never_passed() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", Some(600), START),
        START,
    );
    let outage = failed(&state, ErrorCode::ServerUnavailable, at(500_000));
    assert_eq!(lookup(&outage, at(539_999)), CacheState::RefreshDue);
    assert!(outage.classify(at(540_000)).token().is_none());
}

#[test]
fn a_failed_refresh_does_not_displace_a_token_that_works() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    for code in [ErrorCode::ServerUnavailable, ErrorCode::InvalidClientSecret] {
        let state = failed(&state, code, at(1_000_000));
        assert_eq!(lookup(&state, at(1_000_000)), CacheState::RefreshDue);
        assert!(!state.may_refresh(at(1_000_000)));
        assert_eq!(state.failure.as_ref().unwrap().error.code(), code);
        assert!(state.may_refresh(at(1_000_000 + 300_000)));
    }
}

#[test]
fn failures_hold_longer_each_time_and_end() {
    let mut state = CacheSnapshot::default();
    let mut now = 0;
    for expected in [5_000, 10_000, 20_000, 40_000, 60_000, 60_000] {
        state = failed(&state, ErrorCode::NoRunAsUser, at(now));
        let Lookup::BackingOff(error) = state.classify(at(now)) else {
            panic!("a refusal holds")
        };
        assert_eq!(error.retry_after(), Some(Duration::from_millis(expected)));
        now += expected;
        assert_eq!(lookup(&state, at(now)), CacheState::Empty);
    }
    // A failure of another class starts anew.
    state = failed(&state, ErrorCode::Timeout, at(now));
    assert_eq!(state.failure.as_ref().unwrap().holds, 1_000);
    // Success forgets.
    assert!(
        with(&state, cached_at("a", None, at(now)), at(now))
            .failure
            .is_none()
    );
}

#[test]
fn a_report_evicts_only_the_token_it_names() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    let fingerprint = crate::secret::fingerprint("a");
    assert!(reported(&state, "b", at(1)).is_none());
    let next = reported(&state, "a", at(1)).unwrap();
    assert_eq!(next.generation, state.generation + 1);
    assert_eq!(lookup(&next, at(1)), CacheState::Empty);
    assert!(next.is_rejected(&fingerprint));
    assert!(
        reported(&next, "a", at(1)).is_none(),
        "a second report finds nothing"
    );
    assert!(!next.cleared(at(2)).is_rejected(&fingerprint));
}

#[test]
fn several_rejected_tokens_are_remembered() {
    let mut state = CacheSnapshot::default();
    for number in 0..10 {
        let (name, now) = (format!("token-{number}"), at(number * 100_000));
        state = with(&state, cached_at(&name, None, now), now);
        state = reported(&state, &name, at(number * 100_000 + 60_000)).unwrap();
    }
    let rejected =
        |number: u8| state.is_rejected(&crate::secret::fingerprint(&format!("token-{number}")));
    assert!((2..10).all(rejected) && !rejected(1));
}

#[test]
fn a_token_that_is_refused_whatever_it_is_goes_on_serving_while_renewals_are_held_off() {
    let mut state = CacheSnapshot::default();
    let mut renewals = 0;
    loop {
        let name = format!("token-{renewals}");
        state = with(&state, cached_at(&name, None, START), START);
        let Some(next) = reported(&state, &name, START) else {
            break;
        };
        state = next;
        renewals += 1;
    }
    assert_eq!(renewals, 3);
    assert_eq!(lookup(&state, at(1)), CacheState::Fresh);
    let name = format!("token-{renewals}");
    assert!(reported(&state, &name, at(39_999)).is_none());
    assert!(reported(&state, &name, at(40_000)).is_some());
    // A reset forgets that too.
    let state = with(&state.cleared(at(1)), cached_at("new", None, at(1)), at(1));
    assert!(reported(&state, "new", at(1)).is_some());
}

#[test]
fn dead_on_arrival_is_an_error() {
    let settings = LifetimeSettings::default();
    for (expires_in, arrived) in [(0, 0), (60, 54_000), (60, 90_000)] {
        let new_token = new_token("a", Some(expires_in), START);
        let result = CachedToken::new(new_token, Learned::default(), at(arrived), &settings);
        assert_eq!(result.unwrap_err().code(), "token_dead_on_arrival");
    }
    let new_token = new_token("a", Some(60), START);
    assert!(CachedToken::new(new_token, Learned::default(), at(53_000), &settings).is_ok());
}

#[test]
fn rejections_lower_the_estimate_and_survival_raises_it() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    let dead = reported(&state, "a", at(1_200_000)).unwrap();
    assert_eq!(dead.learned, Learned(Some(900_000)));
    assert_eq!(dead.rejected_age, Some(1_200_000));
    let settings = LifetimeSettings::default();
    let learned =
        CachedToken::new(new_token("b", None, START), dead.learned, START, &settings).unwrap();
    assert_eq!(learned.parts.expiry().source().as_str(), "learned");
    assert!(!learned.parts.expiry().is_known());
    let state = with(&dead, learned, START);
    assert_eq!(
        state.learned,
        Learned(Some(900_000)),
        "nothing was survived yet"
    );
    let state = with(&state, cached_at("b", None, at(500_000)), at(500_000));
    assert_eq!(state.learned, Learned(Some(918_000)));
    // A stated end teaches nothing.
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", Some(600), START),
        START,
    );
    assert_eq!(
        reported(&state, "a", at(1_000)).unwrap().learned,
        Learned::default()
    );
}

#[test]
fn each_state_is_reported_once() {
    let cached = cached_at("a", None, START);
    for lookup in [CacheState::RefreshDue, CacheState::Stale] {
        assert!(cached.mark_reported(lookup) && !cached.mark_reported(lookup));
    }
    assert!(!cached.mark_reported(CacheState::Fresh));
}

#[test]
fn a_login_rate_refusal_says_how_long_it_holds() {
    let state = failed(
        &CacheSnapshot::default(),
        ErrorCode::LoginRateExceeded,
        START,
    );
    let error = &state.failure.as_ref().unwrap().error;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(900)));
    let spent = error_for_budget(42);
    let state = CacheSnapshot::default().failed(spent, START, &FailureSettings::default(), 1.0);
    assert_eq!(lookup(&state, at(41_999)), CacheState::BackingOff);
    assert_eq!(lookup(&state, at(42_000)), CacheState::Empty);
}

fn error_for_budget(seconds: u64) -> Error {
    error(ErrorCode::LoginBudgetExceeded).with_retry_after(Some(Duration::from_secs(seconds)))
}

/// What can happen to a cache, in any order.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    MoveWall(i64),
    NewToken(u8, Option<u64>),
    Failed(u8),
    Report(u8),
    Reset,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u64..4_000_000).prop_map(Step::Pass),
        1 => (-10_000_000i64..10_000_000).prop_map(Step::MoveWall),
        3 => (0u8..4, proptest::option::of(1u64..9_000)).prop_map(|(t, e)| Step::NewToken(t, e)),
        2 => (0u8..3).prop_map(Step::Failed),
        1 => (0u8..4).prop_map(Step::Report),
        1 => Just(Step::Reset),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    /// Over any history, no token is served past a known end by either clock, nor after a report; a login happens only
    /// if nothing holds it off; and the cache always recovers.
    #[test]
    fn any_history_keeps_the_promises(steps in steps()) {
        let mut state = CacheSnapshot::default();
        let mut now = START;
        let mut known_end: Option<Moment> = None;
        for step in steps {
            match step {
                Step::Pass(by) => {
                    now.boot += by;
                    now.wall = now.wall.saturating_add_unsigned(by);
                }
                Step::MoveWall(by) => now.wall += by,
                Step::NewToken(token, expires_in) => {
                    let name = format!("token-{token}");
                    if !state.is_rejected(&crate::secret::fingerprint(&name)) {
                        state = with(&state, cached_at(&name, expires_in, now), now);
                        known_end = expires_in.map(|seconds| Moment {
                            wall: now.wall.saturating_add_unsigned(seconds * 1_000),
                            boot: now.boot + seconds * 1_000,
                        });
                    }
                }
                Step::Failed(kind) => {
                    let code = [ErrorCode::Timeout, ErrorCode::NoRunAsUser, ErrorCode::LoginRateExceeded][usize::from(kind)];
                    state = failed(&state, code, now);
                }
                Step::Report(token) => {
                    let name = format!("token-{token}");
                    if let Some(next) = reported(&state, &name, now) {
                        state = next;
                    }
                }
                Step::Reset => state = state.cleared(now),
            }
            let lookup = state.classify(now);
            if let Some(token) = lookup.clone().token() {
                prop_assert!(!state.is_rejected(token.fingerprint()));
                if let Some(end) = known_end.filter(|_| token.expiry().is_known()) {
                    prop_assert!(now.wall < end.wall && now.boot < end.boot);
                }
            }
            if let Lookup::BackingOff(error) = &lookup {
                prop_assert!(!state.may_refresh(now));
                prop_assert!(error.retry_after().is_some_and(|left| left <= Duration::from_secs(900)));
            }
            // A view never reaches past what the state allows.
            if let Some((_, until)) = state.look(now, now.wall, 1_000, true) {
                let later = Moment { wall: until - 1, boot: now.boot + u64::try_from(until - 1 - now.wall).unwrap() };
                prop_assert!(state.classify(later).token().is_some());
            }
        }
        // However it went, after a quarter of an hour a login is allowed, and brings a token.
        now.boot += 900_000;
        prop_assert!(state.may_refresh(now));
        let state = with(&state, cached_at("new", None, now), now);
        prop_assert!(matches!(state.classify(now), Lookup::Fresh(_)));
    }

    /// The time of a refresh is drawn once per token and differs between tokens.
    #[test]
    fn jitter_is_drawn_once_per_token(random in 0.0..=1.0f64) {
        let settings = LifetimeSettings::default();
        let new_token = NewToken { random, ..new_token("a", None, START) };
        let cached = CachedToken::new(new_token, Learned::default(), START, &settings).unwrap();
        let state = with(&CacheSnapshot::default(), cached, START);
        let due = state.cached.as_ref().unwrap().windows.refresh_due;
        prop_assert!((720_000..=900_000).contains(&due));
        for _ in 0..1_000 {
            prop_assert_eq!(lookup(&state, at(due - 1)), CacheState::Fresh);
            prop_assert_eq!(lookup(&state, at(due)), CacheState::RefreshDue);
        }
    }
}
