//! The policy of the cache against a simulated Salesforce, beside the policies of other libraries.
//!
//! `docs/simulation.md` shows its table and says what is assumed.
//!
//! No threads, no sockets, no clock: events in the order of their time, one org after the other,
//! since orgs share nothing. The traffic and the accidents of an org are the same for each policy.

mod bars;
mod command;
mod engine;
mod invariants;
mod ours;
mod policies;
mod random;
mod report;
mod salesforce;
mod traffic;

pub(crate) use self::command::main;

use self::bars::missed;
use self::policies::Policy;
use self::random::Rng;
use self::report::{PolicyRow, PolicyTally, SimulationReport};
use self::salesforce::SimulatedOrg;
use self::traffic::{Shape, Traffic};

/// Milliseconds since the world began, on a Monday at midnight.
type Time = u64;

const SECOND: Time = 1_000;
const MINUTE: Time = 60 * SECOND;
const HOUR: Time = 60 * MINUTE;
const DAY: Time = 24 * HOUR;
const WEEK: Time = 7 * DAY;

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SimulationOptions {
    /// The same seed gives the same table.
    pub(crate) seed: u64,
    /// Clients, each a process of its own; orgs are made until there are so many.
    pub(crate) clients: u64,
    /// Simulated weeks.
    pub(crate) weeks: u64,
    /// Of a million calls so many are answered with a 401 although the token is alive: API
    /// answers that a new token does not cure.
    pub(crate) false_rejections: u64,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            clients: 2_000,
            weeks: 2,
            false_rejections: 0,
        }
    }
}

impl SimulationOptions {
    /// Small enough for an unoptimised build on every commit.
    #[must_use]
    pub(crate) fn small() -> Self {
        Self {
            clients: 450,
            weeks: 1,
            ..Self::default()
        }
    }
}

/// Runs every policy through the same weeks.
///
/// # Panics
/// If this project's policy does what it must never do: serve a token past its stated end or after
/// it was reported as rejected, have two logins under way for one client, or log in while a failure
/// holds.
#[must_use]
pub(crate) fn run(options: &SimulationOptions) -> SimulationReport {
    compare(options, &policies::all())
}

/// Runs this project's policy with its default settings and with others.
///
/// # Panics
/// As [`run`].
#[must_use]
pub(crate) fn run_settings(options: &SimulationOptions) -> SimulationReport {
    compare(options, &policies::settings())
}

fn compare(options: &SimulationOptions, policies: &[Policy]) -> SimulationReport {
    let end = options.weeks * WEEK;
    let mut tallies = vec![PolicyTally::default(); policies.len()];
    let (mut orgs, mut clients) = (0, 0);
    while clients < options.clients {
        let mut rng = Rng::of(options.seed, &[orgs]);
        let org = SimulatedOrg::new(end, options.false_rejections, &mut rng);
        let traffic = traffic(options.clients - clients, &mut rng);
        for (tally, policy) in tallies.iter_mut().zip(policies) {
            tally.add(&engine::run(&org, &traffic, &policy.rule, end, rng.clone()));
        }
        orgs += 1;
        clients += u64::try_from(traffic.len()).unwrap_or(u64::MAX);
    }
    let rows = policies.iter().zip(&tallies);
    SimulationReport {
        clients,
        orgs,
        calls: tallies.first().map_or(0, |tally| tally.calls),
        rows: rows
            .map(|(policy, tally)| PolicyRow::new(&policy.name, tally))
            .collect(),
    }
}

/// The clients of one org: mostly one or a few, now and then a fleet, mostly alike.
fn traffic(at_most: u64, rng: &mut Rng) -> Vec<Traffic> {
    const SHAPES: [(u64, Shape); 5] = [
        (25, Shape::Steady),
        (25, Shape::OfficeHours),
        (12, Shape::NightlyBatch),
        (20, Shape::Sparse),
        (18, Shape::Bursts),
    ];
    let (low, high) = rng.pick(&[(45, (1, 2)), (40, (2, 5)), (15, (8, 33))]);
    let count = rng.between(low, high).min(at_most);
    let main = rng.pick(&SHAPES);
    (0..count)
        .map(|client| {
            let shape = if rng.chance(0.75) {
                main
            } else {
                rng.pick(&SHAPES)
            };
            let own = Rng::of(rng.between(0, u64::MAX), &[client]);
            Traffic::new(shape, own)
        })
        .collect()
}

#[cfg(test)]
mod tests;
