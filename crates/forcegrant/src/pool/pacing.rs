//! When a login may start, and which is next: so many in a second, so many at once, callers who wait
//! before refreshes that nobody waits for, and otherwise in the order of arrival. Pure.

use std::collections::{HashSet, VecDeque};

/// What a user can set about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacingSettings {
    /// Logins that start within a second, on the average. `None`: as many as want to.
    pub(crate) per_second: Option<u32>,
    /// Logins in the air at once. `None`: as many as want to.
    pub(crate) at_once: Option<u32>,
}

impl Default for PacingSettings {
    fn default() -> Self {
        Self {
            per_second: Some(100),
            at_once: Some(64),
        }
    }
}

/// A login takes this part of a credit that grows by `per_second` in a millisecond.
const COST: u64 = 1_000;

/// A tenth of a second's logins may start together, so that timers need not be exact.
const BURST_PART: u64 = 10;

/// Slow logins have room of their own, so that orgs which do not answer hold up no others: so many
/// times `at_once`, and when that is full too, the logins wait.
const SLOW_ROOM: u32 = 4;

/// Room for so many is kept while nobody waits.
pub(crate) const KEPT: usize = 64;

/// A login that waits to start, or one in the air.
pub(crate) type Ticket = u64;

#[derive(Debug)]
pub(crate) struct Pacer {
    settings: PacingSettings,
    credit: u64,
    /// The last time that credit was counted, in milliseconds.
    counted: u64,
    /// Somebody waits for these.
    urgent: VecDeque<Ticket>,
    /// Nobody waits for these. Some may have become urgent since, or have left.
    calm: VecDeque<Ticket>,
    waiting: HashSet<Ticket>,
    quick: u32,
    slow: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// This login starts now.
    Start(Ticket),
    /// One may start after so many milliseconds.
    Wait(u64),
    /// Nothing, until a login arrives or ends.
    Nothing,
}

/// In which room a login in the air is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Quick,
    Slow,
}

impl Pacer {
    pub(crate) fn new(settings: PacingSettings, now: u64) -> Self {
        Self {
            settings,
            credit: u64::MAX,
            counted: now,
            urgent: VecDeque::new(),
            calm: VecDeque::new(),
            waiting: HashSet::new(),
            quick: 0,
            slow: 0,
        }
    }

    pub(crate) fn arrive(&mut self, ticket: Ticket, urgent: bool) {
        self.waiting.insert(ticket);
        if urgent {
            self.urgent.push_back(ticket);
        } else {
            self.calm.push_back(ticket);
        }
    }

    /// Somebody waits for this login now.
    pub(crate) fn hurry(&mut self, ticket: Ticket) {
        if self.waiting.contains(&ticket) {
            // It stays in the calm line too and is passed over there.
            self.urgent.push_back(ticket);
        }
    }

    /// A login that waited does not want to start any more.
    pub(crate) fn leave(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// A login is in the air for long.
    pub(crate) fn slow_down(&mut self) {
        self.quick -= 1;
        self.slow += 1;
    }

    /// A login ended.
    pub(crate) fn land(&mut self, lane: Lane) {
        match lane {
            Lane::Quick => self.quick -= 1,
            Lane::Slow => self.slow -= 1,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The login that starts at `now`, in milliseconds; ask again until there is none.
    pub(crate) fn next(&mut self, now: u64) -> Next {
        let Some(line) = self.line() else {
            self.leave_no_room();
            return Next::Nothing;
        };
        if let Some(most) = self.settings.at_once {
            let full = self.quick >= most || self.slow >= most.saturating_mul(SLOW_ROOM);
            if full {
                return Next::Nothing;
            }
        }
        if let Some(wait) = self.credit_missing(now) {
            return Next::Wait(wait);
        }
        let line = match line {
            Line::Urgent => &mut self.urgent,
            Line::Calm => &mut self.calm,
        };
        let Some(ticket) = line.pop_front() else {
            return Next::Nothing;
        };
        self.waiting.remove(&ticket);
        self.quick += 1;
        Next::Start(ticket)
    }

    /// Nobody waits: what a hundred thousand who did have left behind is given back.
    fn leave_no_room(&mut self) {
        self.urgent.shrink_to(KEPT);
        self.calm.shrink_to(KEPT);
        self.waiting.shrink_to(KEPT);
    }

    /// The line whose head is next, after those who left it.
    fn line(&mut self) -> Option<Line> {
        for (name, line) in [
            (Line::Urgent, &mut self.urgent),
            (Line::Calm, &mut self.calm),
        ] {
            while let Some(ticket) = line.front() {
                if self.waiting.contains(ticket) {
                    return Some(name);
                }
                line.pop_front();
            }
        }
        None
    }

    /// Pays for one login. `Some`: the credit is there after so many milliseconds.
    fn credit_missing(&mut self, now: u64) -> Option<u64> {
        let rate = u64::from(self.settings.per_second?);
        let most = (rate * COST / BURST_PART).max(COST);
        let passed = now.saturating_sub(self.counted);
        self.counted = self.counted.max(now);
        self.credit = self
            .credit
            .saturating_add(passed.saturating_mul(rate))
            .min(most);
        if self.credit < COST {
            return Some((COST - self.credit).div_ceil(rate));
        }
        self.credit -= COST;
        None
    }
}

#[derive(Clone, Copy)]
enum Line {
    Urgent,
    Calm,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pacer(per_second: Option<u32>, at_once: Option<u32>) -> Pacer {
        let settings = PacingSettings {
            per_second,
            at_once,
        };
        Pacer::new(settings, 0)
    }

    fn started(pacer: &mut Pacer, now: u64) -> Vec<Ticket> {
        std::iter::from_fn(|| match pacer.next(now) {
            Next::Start(ticket) => Some(ticket),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn callers_go_before_refreshes_and_each_line_in_order() {
        let mut pacer = pacer(None, None);
        for (ticket, urgent) in [(1, false), (2, true), (3, false), (4, true)] {
            pacer.arrive(ticket, urgent);
        }
        assert_eq!(started(&mut pacer, 0), [2, 4, 1, 3]);
    }

    #[test]
    fn a_refresh_that_somebody_waits_for_goes_with_the_callers_and_once() {
        let mut pacer = pacer(None, None);
        (1..=4).for_each(|ticket| pacer.arrive(ticket, false));
        pacer.hurry(3);
        pacer.hurry(3);
        pacer.leave(2);
        assert_eq!(started(&mut pacer, 0), [3, 1, 4]);
        pacer.hurry(3);
        assert_eq!(pacer.next(0), Next::Nothing);
    }

    #[test]
    fn the_rate_is_kept_and_told() {
        let mut pacer = pacer(Some(10), None);
        (1..=5).for_each(|ticket| pacer.arrive(ticket, true));
        assert_eq!(started(&mut pacer, 0), [1]);
        assert_eq!(pacer.next(0), Next::Wait(100));
        assert_eq!(pacer.next(99), Next::Wait(1));
        assert_eq!(started(&mut pacer, 100), [2]);
        // What was not used does not pile up.
        assert_eq!(started(&mut pacer, 10_000), [3]);
    }

    #[test]
    fn a17_slow_logins_have_room_of_their_own() {
        let mut pacer = pacer(None, Some(2));
        (1..=20).for_each(|ticket| pacer.arrive(ticket, true));
        assert_eq!(started(&mut pacer, 0), [1, 2]);
        pacer.slow_down();
        pacer.slow_down();
        assert_eq!(started(&mut pacer, 0), [3, 4]);
        for lane in [Lane::Quick, Lane::Slow] {
            pacer.land(lane);
        }
        assert_eq!(started(&mut pacer, 0), [5]);
        // But not without end.
        let mut slow = 1;
        while !started(&mut pacer, 0).is_empty() || pacer.quick > 0 {
            if pacer.quick > 0 {
                pacer.slow_down();
                slow += 1;
            }
        }
        assert!((8..=10).contains(&slow), "{slow}");
        assert!(pacer.waiting() > 0);
    }

    proptest! {
        /// Whatever arrives when: never more in the air than allowed, never more in any second than
        /// the rate and its burst, and in the end everyone has started once.
        #[test]
        fn caps_hold_and_nobody_is_forgotten(
            per_second in 1u32..500,
            at_once in 1u32..20,
            arrivals in prop::collection::vec((0u64..40, any::<bool>(), any::<bool>()), 1..120),
        ) {
            let mut pacer = pacer(Some(per_second), Some(at_once));
            let (mut now, mut air, mut starts) = (0, 0u32, Vec::new());
            let mut seen = HashSet::new();
            let mut queue: VecDeque<_> = (1u64..).zip(arrivals.clone()).collect();
            while seen.len() < arrivals.len() {
                if let Some((ticket, (pause, urgent, hurry))) = queue.pop_front() {
                    now += pause;
                    pacer.arrive(ticket, urgent);
                    if hurry {
                        pacer.hurry(ticket);
                    }
                } else {
                    now += 1;
                }
                for ticket in started(&mut pacer, now) {
                    prop_assert!(seen.insert(ticket));
                    starts.push(now);
                    air += 1;
                }
                prop_assert!(air <= at_once);
                if air > 0 && now % 3 == 0 {
                    pacer.land(Lane::Quick);
                    air -= 1;
                }
            }
            let burst = (per_second / 10).max(1);
            let allowed = (per_second + burst) as usize;
            for (first, start) in starts.iter().enumerate() {
                let within = starts[first..].iter().filter(|other| **other < start + 1_000).count();
                prop_assert!(within <= allowed, "{within} of {allowed}");
            }
        }
    }
}
