//! What was counted, and the table that shows it.

use std::fmt;

use super::{DAY, MINUTE, SECOND, Time};

/// Counts of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PolicyTally {
    pub(super) client_ms: Time,
    pub(super) calls: u64,
    /// Calls that had a token at once.
    pub(super) cached: u64,
    /// Logins that Salesforce granted.
    pub(super) logins: u64,
    /// Requests to the token and introspection endpoints.
    pub(super) round_trips: u64,
    /// Calls whose caller saw a 401.
    pub(super) dead_token: u64,
    /// Calls that got no token.
    pub(super) no_login: u64,
    /// Calls that were made twice.
    pub(super) replays: u64,
    /// Calls that waited a second or more.
    pub(super) long_waits: u64,
    pub(super) worst_wait: Time,
    /// Minutes of a user in which a login was refused because of the limit.
    pub(super) blocked_minutes: u64,
}

impl PolicyTally {
    /// A call ended this long after it began.
    pub(super) fn waited(&mut self, wait: Time) {
        self.long_waits += u64::from(wait >= SECOND);
        self.worst_wait = self.worst_wait.max(wait);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.client_ms += other.client_ms;
        self.calls += other.calls;
        self.cached += other.cached;
        self.logins += other.logins;
        self.round_trips += other.round_trips;
        self.dead_token += other.dead_token;
        self.no_login += other.no_login;
        self.replays += other.replays;
        self.long_waits += other.long_waits;
        self.worst_wait = self.worst_wait.max(other.worst_wait);
        self.blocked_minutes += other.blocked_minutes;
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicyRow {
    /// The policy.
    pub(crate) policy: String,
    /// Granted logins for each client and day.
    pub(crate) logins_per_client_day: f64,
    /// Calls in a million whose caller saw an error: `dead_token_ppm` + `no_login_ppm`.
    pub(crate) errors_ppm: f64,
    /// Calls in a million that met a 401 and were not saved by a second try.
    pub(crate) dead_token_ppm: f64,
    /// Calls in a million that got no token.
    pub(crate) no_login_ppm: f64,
    /// Calls in a million that met a 401 and were made once more.
    pub(crate) replays_ppm: f64,
    /// Calls in a hundred that had a token without waiting.
    pub(crate) cached_percent: f64,
    /// Requests to the token and introspection endpoints for a thousand calls.
    pub(crate) round_trips_per_thousand: f64,
    /// Calls in a million that were kept for a second or longer by authentication.
    pub(crate) long_waits_ppm: f64,
    /// The longest that a call was kept, in seconds.
    pub(crate) worst_wait_s: f64,
    /// Hours, over all users, in which logins were refused because of the login limit.
    pub(crate) blocked_hours: f64,
}

impl PolicyRow {
    pub(super) fn new(policy: &str, tally: &PolicyTally) -> Self {
        let of_calls = |count| ratio(count, tally.calls);
        Self {
            policy: policy.to_owned(),
            logins_per_client_day: ratio(tally.logins, 1) / ratio(tally.client_ms, DAY),
            errors_ppm: of_calls(tally.dead_token + tally.no_login) * 1e6,
            dead_token_ppm: of_calls(tally.dead_token) * 1e6,
            no_login_ppm: of_calls(tally.no_login) * 1e6,
            replays_ppm: of_calls(tally.replays) * 1e6,
            cached_percent: of_calls(tally.cached) * 1e2,
            round_trips_per_thousand: of_calls(tally.round_trips) * 1e3,
            long_waits_ppm: of_calls(tally.long_waits) * 1e6,
            worst_wait_s: ratio(tally.worst_wait, SECOND),
            blocked_hours: ratio(tally.blocked_minutes * MINUTE, 60 * MINUTE),
        }
    }
}

/// The outcome of a simulation. `Display` is a table in Markdown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SimulationReport {
    /// Clients simulated.
    pub(crate) clients: u64,
    /// Orgs that they belong to.
    pub(crate) orgs: u64,
    /// Calls made under each policy.
    pub(crate) calls: u64,
    /// One for each policy; this project's first.
    pub(crate) rows: Vec<PolicyRow>,
}

const HEADS: [&str; 11] = [
    "policy",
    "logins per client-day",
    "calls that saw an error, per million",
    "of these: dead token",
    "of these: no login",
    "replays per million",
    "served from cache, %",
    "auth round trips per 1,000 calls",
    "waited 1 s or more, per million",
    "worst wait, s",
    "hours blocked by the login limit",
];

impl fmt::Display for SimulationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| {} |", HEADS.join(" | "))?;
        writeln!(f, "| --- |{}", " ---: |".repeat(HEADS.len() - 1))?;
        for row in &self.rows {
            write!(f, "| {} | {:.2}", row.policy, row.logins_per_client_day)?;
            for ppm in [
                row.errors_ppm,
                row.dead_token_ppm,
                row.no_login_ppm,
                row.replays_ppm,
            ] {
                write!(f, " | {ppm:.0}")?;
            }
            write!(f, " | {:.2}", row.cached_percent)?;
            write!(f, " | {:.1}", row.round_trips_per_thousand)?;
            write!(f, " | {:.0}", row.long_waits_ppm)?;
            writeln!(f, " | {:.1} | {:.1} |", row.worst_wait_s, row.blocked_hours)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
