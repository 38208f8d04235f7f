//! How often a refused token may be replaced by a login. Pure.
//!
//! A new token does not help if a host refuses one token after the other: its API does not accept tokens of this
//! form, or a gateway has a reason of its own. So renewals back off for each host that refuses, whatever the text of
//! the token: at most four in the first minute, and fewer later. Meanwhile the current token serves all other calls.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::moment::{Moment, millis};

/// A session that ends within a minute of another is replaced at once, twice.
const AT_ONCE: u32 = 2;
/// So many renewals are made at once after the host accepted a call: another of its APIs may still refuse the token.
const AFTER_SUCCESS: u32 = 4;

/// After the renewals that are made at once. There are at most five logins in a minute, including the first one and
/// the jitter.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_secs(40),
    cap: Duration::from_secs(15 * 60),
};

/// A token that is first refused so long after it was issued has reached an ordinary end: the refusal is no sign of
/// another reason. In milliseconds.
const LIVED: u64 = 60_000;

/// More hosts than these share one back-off.
const MAX_HOSTS: usize = 16;

/// The back-offs of one client: one for each host that recently refused a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewals(Vec<HostBackoff>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct HostBackoff {
    host: Box<str>,
    /// The token that was refused last.
    fingerprint: Box<str>,
    refused_at: Moment,
    /// How many in a row.
    renewals: u32,
    /// No renewal for so many milliseconds from `renewed_at` on.
    holds: u64,
    renewed_at: Moment,
}

/// A token that was refused.
#[derive(Clone, Copy, Debug)]
pub struct RefusedToken<'a> {
    /// The host that refused it; empty if the report does not say.
    #[doc(hidden)]
    pub host: &'a str,
    #[doc(hidden)]
    pub fingerprint: &'a str,
    /// When it was issued.
    #[doc(hidden)]
    pub issued: Moment,
    /// Whether Salesforce itself said so, and the token is for this host. If not, one renewal is tried.
    #[doc(hidden)]
    pub is_proof: bool,
}

impl Renewals {
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in a refusal. The token may be renewed now, or after this many milliseconds.
    pub fn refused(
        &self,
        refusal: &RefusedToken<'_>,
        now: Moment,
        random: f64,
    ) -> (Self, Result<(), u64>) {
        let mut next = self.clone();
        let backoff = next.entry(refusal, now);
        let allowed = match backoff.left(now) {
            0 => {
                let least = if refusal.is_proof { 1 } else { AT_ONCE + 1 };
                backoff.renewed(least, now, random);
                Ok(())
            }
            left => Err(left),
        };
        (next, allowed)
    }

    /// Takes in the refusal of a token that was just requested for this call, which is not renewed again.
    #[must_use]
    pub fn refused_again(&self, refusal: &RefusedToken<'_>, now: Moment) -> Self {
        let mut next = self.clone();
        next.entry(refusal, now);
        next
    }

    /// A login that was not a renewal returned the refused token: it counts like one.
    #[must_use]
    pub fn counted(&self, fingerprint: &str, now: Moment, random: f64) -> Self {
        let mut next = self.clone();
        for backoff in &mut next.0 {
            if &*backoff.fingerprint == fingerprint {
                backoff.renewed(1, now, random);
            }
        }
        next
    }

    /// A host accepted a token. `None`: nothing changes.
    pub fn accepted(&self, host: &str, now: Moment) -> Option<Self> {
        let at = self.0.iter().position(|backoff| &*backoff.host == host)?;
        let backoff = &self.0[at];
        if now.since(backoff.refused_at) >= LIVED {
            let mut next = self.clone();
            next.0.remove(at);
            return Some(next);
        }
        let ends = backoff.left(now) > 0 && backoff.renewals < AFTER_SUCCESS;
        ends.then(|| {
            let mut next = self.clone();
            next.0[at].holds = 0;
            next
        })
    }

    /// A host accepted the token that was requested because it refused the one before: the renewal helped. `None`:
    /// nothing changes.
    pub fn cured(&self, host: &str) -> Option<Self> {
        let at = self.0.iter().position(|backoff| &*backoff.host == host)?;
        let mut next = self.clone();
        next.0.remove(at);
        Some(next)
    }

    /// The back-off of the host that refused, which includes this refusal.
    fn entry(&mut self, refusal: &RefusedToken<'_>, now: Moment) -> &mut HostBackoff {
        let at = |all: &Self, host: &str| all.0.iter().position(|backoff| &*backoff.host == host);
        let is_full = self.0.len() >= MAX_HOSTS && at(self, refusal.host).is_none();
        let host = if is_full { "" } else { refusal.host };
        let at = at(self, host).unwrap_or_else(|| {
            if is_full {
                self.0.remove(0);
            }
            self.0.push(HostBackoff {
                host: host.into(),
                fingerprint: "".into(),
                refused_at: now,
                renewals: 0,
                holds: 0,
                renewed_at: now,
            });
            self.0.len() - 1
        });
        let backoff = &mut self.0[at];
        let is_known = *backoff.fingerprint == *refusal.fingerprint;
        if !is_known && now.since(refusal.issued) >= LIVED {
            backoff.renewals = 0;
            backoff.holds = 0;
        }
        backoff.fingerprint = refusal.fingerprint.into();
        backoff.refused_at = now;
        backoff
    }
}

impl HostBackoff {
    fn left(&self, now: Moment) -> u64 {
        self.holds.saturating_sub(now.since(self.renewed_at))
    }

    /// Counts one more renewal; it is at least number `least` in a row.
    fn renewed(&mut self, least: u32, now: Moment, random: f64) {
        self.renewals = self.renewals.saturating_add(1).max(least);
        self.renewed_at = now;
        self.holds = match self.renewals.saturating_sub(AT_ONCE) {
            0 => 0,
            more => millis(BACKOFF.hold(more, random)),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const API: &str = "https://acme.my.salesforce.com";

    fn at(millis: u64) -> Moment {
        Moment {
            wall: 1_000_000_000 + i64::try_from(millis).unwrap(),
            boot: millis,
        }
    }

    /// A client whose logins bring a new token each, or the same one again.
    struct World {
        renewals: Renewals,
        /// Each with the time of its login.
        logins: Vec<u64>,
        opaque: bool,
        random: f64,
    }

    impl World {
        fn new(opaque: bool, random: f64) -> Self {
            Self {
                renewals: Renewals::default(),
                logins: vec![0],
                opaque,
                random,
            }
        }

        fn refuse(&mut self, host: &str, now: u64, is_proof: bool) -> bool {
            let issued = *self.logins.last().unwrap();
            let number = if self.opaque { 0 } else { self.logins.len() };
            let refusal = RefusedToken {
                host,
                fingerprint: &number.to_string(),
                issued: at(issued),
                is_proof,
            };
            let (next, allowed) = self.renewals.refused(&refusal, at(now), self.random);
            self.renewals = next;
            if allowed.is_ok() {
                self.logins.push(now);
            }
            allowed.is_ok()
        }

        fn accept(&mut self, host: &str, now: u64) {
            if let Some(next) = self.renewals.accepted(host, at(now)) {
                self.renewals = next;
            }
        }

        fn logins_until(&self, millis: u64) -> usize {
            self.logins.iter().filter(|at| **at < millis).count()
        }
    }

    #[test]
    fn a_storm_of_refusals_costs_few_logins() {
        for (opaque, random) in [(true, 0.0), (false, 0.0), (true, 1.0), (false, 1.0)] {
            let mut world = World::new(opaque, random);
            for call in 0..36_000 {
                world.refuse(API, call * 100, true);
            }
            assert!(world.logins_until(60_000) <= 5, "{:?}", world.logins);
            assert!(world.logins.len() <= 12, "{:?}", world.logins);
        }
    }

    #[test]
    fn an_ordinary_end_of_a_session_is_never_held_off() {
        let mut world = World::new(false, 0.0);
        for end in 1..100 {
            assert!(world.refuse(API, end * 1_800_000, true));
        }
    }

    #[test]
    fn without_proof_one_renewal_is_tried() {
        let mut world = World::new(false, 0.0);
        assert!(world.refuse(API, 1_000, false));
        assert!(!world.refuse(API, 2_000, false));
        assert!(!world.refuse(API, 40_000, false));
        assert!(world.refuse(API, 41_000, false));
    }

    #[test]
    fn hosts_do_not_hold_each_other_off() {
        let mut world = World::new(false, 0.0);
        while world.refuse(API, 0, true) {}
        assert!(world.refuse("https://api.salesforce.com", 0, true));
    }

    #[test]
    fn a_success_ends_the_back_off_but_not_at_once_for_ever() {
        let mut world = World::new(false, 0.0);
        while world.refuse(API, 0, true) {}
        world.accept("https://api.salesforce.com", 10);
        assert!(!world.refuse(API, 10, true));
        world.accept(API, 10);
        assert!(world.refuse(API, 10, true));
        // One that it accepted for a minute: all is well again.
        world.accept(API, 70_010);
        assert!(world.renewals.is_empty());
    }

    #[test]
    fn renewals_that_are_of_use_are_never_held_off() {
        let mut world = World::new(false, 0.0);
        for call in 0..100 {
            assert!(world.refuse(API, call, true));
            world.renewals = world.renewals.cured(API).unwrap();
        }
        assert!(world.renewals.is_empty() && world.renewals.cured(API).is_none());
    }

    #[test]
    fn one_api_of_a_host_that_accepts_makes_no_storm_of_another_that_refuses() {
        let mut world = World::new(false, 1.0);
        for call in 0..36_000 {
            world.accept(API, call * 100);
            world.refuse(API, call * 100 + 50, true);
        }
        assert!(world.logins_until(60_000) <= 5, "{:?}", world.logins);
        assert!(world.logins.len() <= 12, "{:?}", world.logins);
    }

    proptest! {
        /// Whatever refuses and accepts, in whatever order.
        #[test]
        fn no_minute_has_more_than_five_logins_per_host(
            steps in proptest::collection::vec((0u64..5_000, any::<bool>(), any::<bool>()), 0..400),
            opaque in any::<bool>(),
            random in 0.0..=1.0f64,
        ) {
            let mut world = World::new(opaque, random);
            let mut now = 0;
            for (gap, refuses, is_proof) in steps {
                now += gap;
                if refuses {
                    world.refuse(API, now, is_proof);
                } else {
                    world.accept(API, now);
                }
            }
            for start in &world.logins {
                let minute = world.logins.iter().filter(|at| (*start..start + 60_000).contains(at));
                // A token that lived through its minute may start the next row within it.
                prop_assert!(minute.count() <= 6, "{:?}", world.logins);
            }
        }

        #[test]
        fn the_memory_is_bounded(hosts in proptest::collection::vec(0u32..100, 0..200)) {
            let mut world = World::new(false, 0.5);
            for host in hosts {
                world.refuse(&format!("https://{host}.example.com"), 0, true);
            }
            prop_assert!(world.renewals.0.len() <= MAX_HOSTS);
            prop_assert!(world.logins.len() <= 1 + MAX_HOSTS * 3);
        }
    }
}
