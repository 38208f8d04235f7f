//! How a report about a token changes the state: an API refused it or accepted it. Pure.

use crate::cache::policy::{self, LifetimeSettings};
use crate::cache::renewals::RefusedToken;
use crate::cache::state::{CacheSnapshot, Memory, Rejected};
use crate::moment::Moment;

/// A report that an API refused a token.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    pub fingerprint: &'a str,
    /// The host that refused it, if an adapter saw it.
    pub host: Option<&'a str>,
    /// See [`RefusedToken::is_proof`].
    pub is_proof: bool,
    /// Whether the refused token was requested for this same call: then no other is requested.
    pub is_renewed: bool,
}

/// What follows from a report.
#[derive(Debug)]
pub enum Reported {
    /// The token is no longer current.
    Stale,
    /// The token is no longer served.
    Dropped(CacheSnapshot),
    /// The token is still served: a new one did not help, and none is requested for so many milliseconds.
    Held(CacheSnapshot, u64),
}

/// Enough if an administrator ends every session of the org one after the other.
const MAX_REJECTED: usize = 8;

impl CacheSnapshot {
    /// After a report that a token was rejected. If its end was an estimate, its age improves the estimate.
    pub fn reported(
        &self,
        report: &Report<'_>,
        now: Moment,
        settings: &LifetimeSettings,
        random: f64,
    ) -> Reported {
        let fingerprint = report.fingerprint;
        let current = self.cached.as_ref();
        let Some(cached) = current.filter(|cached| cached.parts.fingerprint() == fingerprint)
        else {
            return Reported::Stale;
        };
        let refusal = RefusedToken {
            host: report.host.unwrap_or_default(),
            fingerprint,
            issued: cached.started,
            is_proof: report.is_proof,
        };
        let (renewals, allowed) = if report.is_renewed {
            (self.renewals.refused_again(&refusal, now), Err(0))
        } else {
            self.renewals.refused(&refusal, now, random)
        };
        if let Err(left) = allowed {
            let memory = Memory {
                renewals,
                ..self.memory()
            };
            return Reported::Held(self.remembering(memory), left);
        }
        let age = cached.age(now);
        let learned = if cached.is_estimated() {
            self.learned
                .found_dead(age, policy::estimate(settings).length)
        } else {
            self.learned
        };
        let rejected = Rejected {
            fingerprint: fingerprint.to_owned(),
            is_of_adapter: report.host.is_some(),
        };
        let without = self.without_token();
        Reported::Dropped(without.remembering(Memory {
            rejected: remember(&self.rejected, rejected),
            renewals,
            rejected_age: Some(age),
            rejected_start: self.rejected_start.max(Some(cached.started.wall)),
            learned,
            ..without.memory()
        }))
    }

    /// After a host accepted a token; `is_cure` if the token was requested because this host refused the one before.
    /// `None`: nothing changes.
    pub fn accepted(&self, host: &str, is_cure: bool, now: Moment) -> Option<Self> {
        let renewals = if is_cure {
            self.renewals.cured(host)?
        } else {
            self.renewals.accepted(host, now)?
        };
        Some(self.remembering(Memory {
            renewals,
            ..self.memory()
        }))
    }
}

fn remember(rejected: &[Rejected], newest: Rejected) -> Vec<Rejected> {
    let others = rejected
        .iter()
        .filter(|one| one.fingerprint != newest.fingerprint);
    let mut all: Vec<_> = others.cloned().collect();
    let surplus = (all.len() + 1).saturating_sub(MAX_REJECTED);
    all.drain(..surplus);
    all.push(newest);
    all
}
