//! The span in which readers return the token without a lock.

use super::*;

#[test]
fn a_view_ends_where_a_decision_is_due() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", Some(600), START),
        START,
    );
    let cached = state.cached.as_ref().unwrap();
    assert!(!cached.in_view(START.wall), "nothing was looked at yet");
    let span = |now: u64, refreshing| {
        let (from, until) = state.look(at(now), at(now).wall, 1_000, refreshing)?;
        assert_eq!(from, at(now).wall);
        Some(until - from)
    };
    assert_eq!(span(0, false), Some(1_000));
    assert!(cached.in_view(START.wall) && !cached.in_view(START.wall + 1_000));
    assert!(
        !cached.in_view(START.wall - 1),
        "a clock that was stepped back is noticed"
    );
    // Ageing starts at 300 s.
    assert_eq!(span(299_400, false), Some(600));
    assert_eq!(
        span(300_000, false),
        None,
        "a refresh is due and none is up"
    );
    assert_eq!(span(300_000, true), Some(1_000));
    assert_eq!(span(539_900, true), Some(100));
    assert_eq!(span(540_000, true), None);
    // While a failure holds, the view ends with it.
    let state = failed(&state, ErrorCode::Timeout, at(300_000));
    assert_eq!(
        state.look(at(300_400), at(300_400).wall, 1_000, false),
        Some((at(300_400).wall, at(301_000).wall))
    );
}

/// The coarse clock of some kernels is always milliseconds behind, and readers have no other.
#[test]
fn a_view_begins_where_its_readers_are() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    let coarse = START.wall - 8;
    state.look(START, coarse, 1_000, false);
    let cached = state.cached.as_ref().unwrap();
    assert!(cached.in_view(coarse));
    assert!(!cached.in_view(coarse - 1));
    assert!(!cached.in_view(START.wall + 1_000));
}

/// A reader may take a new view without the lock, but decides nothing.
#[test]
fn a_reader_renews_the_view_until_a_refresh_is_due() {
    let cached = cached_at("a", Some(600), START);
    // Ageing starts at 300 s.
    for (now, renewed) in [(0, true), (5_000, true), (299_999, true), (300_000, false)] {
        assert_eq!(cached.renew(at(now), at(now).wall, 1_000), renewed, "{now}");
    }
    assert!(cached.in_view(at(299_999).wall) && !cached.in_view(at(300_000).wall));
    assert!(!cached.renew(at(540_000), at(540_000).wall, 1_000));
}

#[test]
fn a_view_is_one_word() {
    let cached = cached_at("a", None, START);
    for (wall, length, covered) in [
        (0, 1_000, true),
        (1, 1, true),
        (1, 0, false),
        (-1, 1_000, false),
        (i64::MIN, 1_000, false),
        ((1 << 48) - 1, 1_000, true),
        (1 << 48, 1_000, false),
        (i64::MAX, 1_000, false),
    ] {
        let now = Moment { wall, boot: 0 };
        cached.show(now, wall, length);
        assert_eq!(cached.in_view(wall), covered, "{wall}");
        assert!(!cached.in_view(wall.saturating_sub(1)) || wall == i64::MIN);
        assert!(!cached.in_view(i64::MIN) && !cached.in_view(-1));
    }
    // Never longer than requested, whatever the coarse clock says.
    cached.show(START, START.wall - 100_000, 1_000);
    assert!(!cached.in_view(START.wall + 1_000));
    cached.retire();
    assert!(!cached.in_view(START.wall - 100_000) && !cached.in_view(0));
    assert!(!cached.renew(START, START.wall, 1_000) && !cached.in_view(START.wall));
}

#[test]
fn invalidation_closes_the_view() {
    let state = with(
        &CacheSnapshot::default(),
        cached_at("a", None, START),
        START,
    );
    state.look(START, START.wall, 1_000, false);
    let cached = Arc::clone(state.cached.as_ref().unwrap());
    assert!(cached.in_view(START.wall));
    let _ = reported(&state, "a", START);
    assert!(!cached.in_view(START.wall));
}
