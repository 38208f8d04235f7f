//! What the small simulation must show, on every commit.

use super::report::{PolicyRow, SimulationReport};

/// More logins than this and something discards tokens: a lease of 30 minutes that ages after
/// half of its time is asked for 96 times a day by a client that never rests, JWTs of a minute oftener,
/// and most clients rest. Various seeds give 29 to 38.
const LOGINS_PER_CLIENT_DAY: f64 = 48.0;
/// Calls without a login, over those of the peer that lets tokens end as early and reacts to a 401.
/// The two are alike; one outage that meets one busy client makes the difference.
const NO_LOGIN_OVER_ALIKE: f64 = 1.5;
/// The same, over the best peer that reacts to a 401. That one keeps a token for ever, so a token
/// endpoint that is out does not concern it while the session lives.
const NO_LOGIN_OVER_BEST: f64 = 3.0;
/// A 401 that is repaired by a second try still costs a round trip, and not every call can be
/// made twice.
const REPLAYS_OVER_BEST: f64 = 1.0;
/// Nobody is kept longer than the total time of a login, twice: once for the login that was under
/// way and once for that after a 401.
const WORST_WAIT_S: f64 = 61.0;

/// The bars that this report misses, each in words; empty if all hold.
///
/// What must never happen at all is no bar: [`run`](super::run) panics on it.
#[must_use]
pub(crate) fn missed(report: &SimulationReport) -> Vec<String> {
    let Some((ours, peers)) = report.rows.split_first() else {
        return vec!["the report is empty".to_owned()];
    };
    let best = |value: fn(&PolicyRow) -> f64| {
        let reacting = peers.iter().filter(|row| row.replays_ppm > 0.0);
        reacting.map(value).fold(f64::INFINITY, f64::min)
    };
    let alike = |row: &&PolicyRow| row.policy == "fixed 30 min, login on 401";
    let alike = peers.iter().find(alike).map_or(0.0, |row| row.no_login_ppm);
    let bars = [
        (
            "calls that saw a dead token",
            ours.dead_token_ppm,
            best(|row| row.dead_token_ppm),
        ),
        (
            "calls without a login",
            ours.no_login_ppm,
            best(|row| row.no_login_ppm) * NO_LOGIN_OVER_BEST,
        ),
        (
            "calls without a login, beside the like",
            ours.no_login_ppm,
            alike * NO_LOGIN_OVER_ALIKE,
        ),
        (
            "replays",
            ours.replays_ppm,
            best(|row| row.replays_ppm) * REPLAYS_OVER_BEST,
        ),
        (
            "logins per client-day",
            ours.logins_per_client_day,
            LOGINS_PER_CLIENT_DAY,
        ),
        ("worst wait", ours.worst_wait_s, WORST_WAIT_S),
        ("hours blocked", ours.blocked_hours, 0.0),
    ];
    let over = bars.iter().filter(|(_, value, bar)| value > bar);
    over.map(|(name, value, bar)| format!("{name}: {value:.2}, the bar is {bar:.2}"))
        .collect()
}
