//! When a client calls an API.

use super::random::Rng;
use super::{DAY, HOUR, MINUTE, SECOND, Time};

/// What kind of program it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A service: a call every minute or few, day and night.
    Steady,
    /// People at work: Monday to Friday, eight to six.
    OfficeHours,
    /// A job that runs once a night, with a call every few seconds.
    NightlyBatch,
    /// A call every 20 to 100 minutes.
    Sparse,
    /// Ten to forty calls within two seconds, then nothing for a while.
    Bursts,
}

/// The calls of one client, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    shape: Shape,
    /// The mean time between calls, or between bursts.
    gap: Time,
    /// When its day begins and how long it is, for those that have one.
    opens: Time,
    length: Time,
    left_in_burst: u64,
    rng: Rng,
}

impl Traffic {
    pub(super) fn new(shape: Shape, mut rng: Rng) -> Self {
        let gap = match shape {
            Shape::Steady => rng.log_between(MINUTE, 15 * MINUTE),
            Shape::OfficeHours => rng.log_between(30 * SECOND, 10 * MINUTE),
            Shape::NightlyBatch => rng.log_between(4 * SECOND, 20 * SECOND),
            Shape::Sparse => 60 * MINUTE,
            Shape::Bursts => rng.log_between(20 * MINUTE, 4 * HOUR),
        };
        let (opens, length) = match shape {
            Shape::NightlyBatch => (
                rng.between(HOUR, 3 * HOUR),
                rng.between(20 * MINUTE, 90 * MINUTE),
            ),
            _ => (8 * HOUR, 10 * HOUR),
        };
        Self {
            shape,
            gap,
            opens,
            length,
            left_in_burst: 0,
            rng,
        }
    }

    /// The time of the call that follows one at `now`.
    pub(super) fn next(&mut self, now: Time) -> Time {
        match self.shape {
            Shape::Steady => now + self.rng.until(self.gap),
            Shape::Sparse => now + self.rng.between(20 * MINUTE, 100 * MINUTE),
            Shape::OfficeHours => self.within_the_day(now, true),
            Shape::NightlyBatch => self.within_the_day(now, false),
            Shape::Bursts => self.in_bursts(now),
        }
    }

    fn within_the_day(&mut self, now: Time, weekdays_only: bool) -> Time {
        let next = now + self.rng.until(self.gap);
        let free = |day: Time| weekdays_only && day % 7 >= 5;
        let (mut day, of_day) = (next / DAY, next % DAY);
        if !free(day) && (self.opens..self.opens + self.length).contains(&of_day) {
            return next;
        }
        if of_day >= self.opens {
            day += 1;
        }
        while free(day) {
            day += 1;
        }
        day * DAY + self.opens + self.rng.until(self.gap)
    }

    fn in_bursts(&mut self, now: Time) -> Time {
        if self.left_in_burst == 0 {
            self.left_in_burst = self.rng.between(10, 40);
            return now + self.rng.until(self.gap);
        }
        self.left_in_burst -= 1;
        now + self.rng.between(0, 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week(shape: Shape) -> Vec<Time> {
        let mut traffic = Traffic::new(shape, Rng::of(3, &[]));
        let mut times = vec![traffic.next(0)];
        while let Some(last) = times.last().filter(|last| **last < 7 * DAY) {
            times.push(traffic.next(*last));
        }
        times
    }

    #[test]
    fn office_hours_end_at_six_and_leave_the_weekend_free() {
        assert!(
            week(Shape::OfficeHours)
                .iter()
                .filter(|at| **at < 7 * DAY)
                .all(|at| {
                    // A first call may come a little late, never early.
                    at / DAY < 5 && (8 * HOUR..19 * HOUR).contains(&(at % DAY))
                })
        );
    }

    #[test]
    fn a_batch_runs_every_night() {
        let times = week(Shape::NightlyBatch);
        assert!((0..7).all(|day| times.iter().any(|at| at / DAY == day)));
        assert!(times.iter().all(|at| at % DAY < 6 * HOUR));
    }

    #[test]
    fn sparse_calls_keep_their_distance() {
        let times = week(Shape::Sparse);
        let mut gaps = times
            .windows(2)
            .map(|credentials| credentials[1] - credentials[0]);
        assert!(gaps.all(|gap| (20 * MINUTE..100 * MINUTE).contains(&gap)));
    }

    #[test]
    fn bursts_come_together() {
        let times = week(Shape::Bursts);
        let close = times
            .windows(2)
            .filter(|credentials| credentials[1] - credentials[0] < 100)
            .count();
        assert!(close * 10 > times.len() * 8);
    }
}
