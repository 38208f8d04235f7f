//! When a login may start, and which is next: so many in a second, so many at once, logins that callers wait
//! for before those that nobody waits for, and otherwise in the order of arrival. Pure.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// What a user can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacingSettings {
    /// Logins that start within a second, on average. `None`: no limit.
    pub(crate) per_second: Option<u32>,
    /// Logins in flight at once. `None`: no limit.
    pub(crate) at_once: Option<u32>,
    /// A login that takes longer is slow.
    pub(crate) slow_after: Duration,
}

impl Default for PacingSettings {
    fn default() -> Self {
        Self {
            per_second: Some(100),
            at_once: Some(64),
            slow_after: Duration::from_secs(2),
        }
    }
}

/// A login takes this part of a credit that grows by `per_second` in a millisecond.
const COST: u64 = 1_000;

/// A tenth of a second's logins may start together, so that timers need not be exact.
const BURST_PART: u64 = 10;

/// Slow logins are counted separately, so that orgs which do not respond delay no others. There may be this many
/// times `at_once` of them; then logins wait.
const MAX_SLOW: u32 = 4;

/// The capacity of the queue while it is empty.
pub(crate) const IDLE_CAPACITY: usize = 64;

/// A login that waits to start, or one in flight.
pub(crate) type WaiterId = u64;

#[derive(Debug)]
pub(crate) struct LoginQueue {
    settings: PacingSettings,
    credit: u64,
    /// The last time that credit was counted, in milliseconds.
    counted: u64,
    /// Callers wait for these.
    urgent: VecDeque<WaiterId>,
    /// No caller waited for these when they came. Some may have become urgent since, or have left.
    background: VecDeque<WaiterId>,
    waiting: HashSet<WaiterId>,
    quick: u32,
    slow: u32,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextLogin {
    /// This login starts now.
    Start(WaiterId),
    /// One may start after this many milliseconds.
    Wait(u64),
    /// Nothing, until a login arrives or ends.
    Nothing,
}

/// How a login in flight is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    Quick,
    Slow,
}

impl LoginQueue {
    pub(crate) fn new(settings: PacingSettings, now: u64) -> Self {
        Self {
            settings,
            credit: u64::MAX,
            counted: now,
            urgent: VecDeque::new(),
            background: VecDeque::new(),
            waiting: HashSet::new(),
            quick: 0,
            slow: 0,
        }
    }

    pub(crate) fn arrive(&mut self, waiter: WaiterId, urgent: bool) {
        self.waiting.insert(waiter);
        if urgent {
            self.urgent.push_back(waiter);
        } else {
            self.background.push_back(waiter);
        }
    }

    /// A caller waits for this login now.
    pub(crate) fn promote(&mut self, waiter: WaiterId) {
        if self.waiting.contains(&waiter) {
            // Its entry in `background` stays, and is skipped there.
            self.urgent.push_back(waiter);
        }
    }

    /// A login that waited is given up.
    pub(crate) fn leave(&mut self, waiter: WaiterId) {
        self.waiting.remove(&waiter);
    }

    /// A login in flight has become slow.
    pub(crate) fn slow_down(&mut self) {
        self.quick -= 1;
        self.slow += 1;
    }

    /// A login ended.
    pub(crate) fn complete(&mut self, lane: Lane) {
        match lane {
            Lane::Quick => self.quick -= 1,
            Lane::Slow => self.slow -= 1,
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The login that starts at `now`, in milliseconds; ask again until there is none.
    pub(crate) fn next(&mut self, now: u64) -> NextLogin {
        let Some(line) = self.line() else {
            self.shrink();
            return NextLogin::Nothing;
        };
        if let Some(most) = self.settings.at_once {
            let full = self.quick >= most || self.slow >= most.saturating_mul(MAX_SLOW);
            if full {
                return NextLogin::Nothing;
            }
        }
        if let Some(wait) = self.credit_missing(now) {
            return NextLogin::Wait(wait);
        }
        let line = match line {
            Line::Urgent => &mut self.urgent,
            Line::Background => &mut self.background,
        };
        let Some(waiter) = line.pop_front() else {
            return NextLogin::Nothing;
        };
        self.waiting.remove(&waiter);
        self.quick += 1;
        NextLogin::Start(waiter)
    }

    /// Frees the memory that a hundred thousand waiters have left behind.
    fn shrink(&mut self) {
        self.urgent.shrink_to(IDLE_CAPACITY);
        self.background.shrink_to(IDLE_CAPACITY);
        self.waiting.shrink_to(IDLE_CAPACITY);
    }

    /// The queue whose first login is next, after removal of those that have left.
    fn line(&mut self) -> Option<Line> {
        for (name, line) in [
            (Line::Urgent, &mut self.urgent),
            (Line::Background, &mut self.background),
        ] {
            while let Some(waiter) = line.front() {
                if self.waiting.contains(waiter) {
                    return Some(name);
                }
                line.pop_front();
            }
        }
        None
    }

    /// Takes the credit for one login. `Some`: there is enough after this many milliseconds.
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
    Background,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queue(per_second: Option<u32>, at_once: Option<u32>) -> LoginQueue {
        let settings = PacingSettings {
            per_second,
            at_once,
            ..PacingSettings::default()
        };
        LoginQueue::new(settings, 0)
    }

    fn started(queue: &mut LoginQueue, now: u64) -> Vec<WaiterId> {
        std::iter::from_fn(|| match queue.next(now) {
            NextLogin::Start(waiter) => Some(waiter),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn callers_go_before_refreshes_and_each_line_in_order() {
        let mut queue = queue(None, None);
        for (waiter, urgent) in [(1, false), (2, true), (3, false), (4, true)] {
            queue.arrive(waiter, urgent);
        }
        assert_eq!(started(&mut queue, 0), [2, 4, 1, 3]);
    }

    #[test]
    fn a_refresh_that_somebody_waits_for_goes_with_the_callers_and_once() {
        let mut queue = queue(None, None);
        (1..=4).for_each(|waiter| queue.arrive(waiter, false));
        queue.promote(3);
        queue.promote(3);
        queue.leave(2);
        assert_eq!(started(&mut queue, 0), [3, 1, 4]);
        queue.promote(3);
        assert_eq!(queue.next(0), NextLogin::Nothing);
    }

    #[test]
    fn the_rate_is_kept() {
        let mut queue = queue(Some(10), None);
        (1..=5).for_each(|waiter| queue.arrive(waiter, true));
        assert_eq!(started(&mut queue, 0), [1]);
        assert_eq!(queue.next(0), NextLogin::Wait(100));
        assert_eq!(queue.next(99), NextLogin::Wait(1));
        assert_eq!(started(&mut queue, 100), [2]);
        // Unused credit does not accumulate beyond the burst.
        assert_eq!(started(&mut queue, 10_000), [3]);
    }

    #[test]
    fn slow_logins_are_counted_apart() {
        let mut queue = queue(None, Some(2));
        (1..=20).for_each(|waiter| queue.arrive(waiter, true));
        assert_eq!(started(&mut queue, 0), [1, 2]);
        queue.slow_down();
        queue.slow_down();
        assert_eq!(started(&mut queue, 0), [3, 4]);
        for lane in [Lane::Quick, Lane::Slow] {
            queue.complete(lane);
        }
        assert_eq!(started(&mut queue, 0), [5]);
        // But there is a limit.
        let mut slow = 1;
        while !started(&mut queue, 0).is_empty() || queue.quick > 0 {
            if queue.quick > 0 {
                queue.slow_down();
                slow += 1;
            }
        }
        assert!((8..=10).contains(&slow), "{slow}");
        assert!(queue.waiting() > 0);
    }

    proptest! {
        /// Whatever arrives when: never more in flight than allowed, never more in any second than
        /// the rate and its burst, and in the end everyone has started once.
        #[test]
        fn caps_hold_and_nobody_is_forgotten(
            per_second in 1u32..500,
            at_once in 1u32..20,
            arrivals in prop::collection::vec((0u64..40, any::<bool>(), any::<bool>()), 1..120),
        ) {
            let mut queue = queue(Some(per_second), Some(at_once));
            let (mut now, mut in_flight, mut starts) = (0, 0u32, Vec::new());
            let mut seen = HashSet::new();
            let mut arriving: VecDeque<_> = (1u64..).zip(arrivals.clone()).collect();
            while seen.len() < arrivals.len() {
                if let Some((waiter, (pause, urgent, promote))) = arriving.pop_front() {
                    now += pause;
                    queue.arrive(waiter, urgent);
                    if promote {
                        queue.promote(waiter);
                    }
                } else {
                    now += 1;
                }
                for waiter in started(&mut queue, now) {
                    prop_assert!(seen.insert(waiter));
                    starts.push(now);
                    in_flight += 1;
                }
                prop_assert!(in_flight <= at_once);
                if in_flight > 0 && now % 3 == 0 {
                    queue.complete(Lane::Quick);
                    in_flight -= 1;
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
