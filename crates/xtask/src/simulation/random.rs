//! Random numbers that repeat themselves: the same seed, the same world.

use std::time::Duration;

use forcegrant_proto::moment::millis;

/// `SplitMix64`: eight bytes of state, and good enough for traffic and accidents.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// Rng for one purpose: other numbers give dice that roll independently.
    pub(super) fn of(seed: u64, purpose: &[u64]) -> Self {
        let mut rng = Self(seed);
        for part in purpose {
            rng.0 = rng.bits() ^ part.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        rng
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let unit = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        unit
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A number in `low..high`, all alike.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + scale(high - low, self.unit())
    }

    /// A number in `low..high`, all orders of magnitude alike.
    pub(super) fn log_between(&mut self, low: u64, high: u64) -> u64 {
        let ratio =
            Duration::from_millis(high).as_secs_f64() / Duration::from_millis(low).as_secs_f64();
        scale(low, ratio.powf(self.unit()))
    }

    /// The time until something that happens once in `mean` on average.
    pub(super) fn until(&mut self, mean: u64) -> u64 {
        scale(mean, -(1.0 - self.unit()).ln()).max(1)
    }

    /// One of these, by weight.
    pub(super) fn pick<T: Copy>(&mut self, choices: &[(u64, T)]) -> T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.between(0, total);
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        choices[0].1
    }
}

fn scale(length: u64, factor: f64) -> u64 {
    millis(Duration::from_millis(length).mul_f64(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_and_purpose_repeat_and_others_differ() {
        let rolls = |seed, purpose: &[u64]| {
            let mut rng = Rng::of(seed, purpose);
            (0..4).map(|_| rng.bits()).collect::<Vec<_>>()
        };
        assert_eq!(rolls(1, &[2, 3]), rolls(1, &[2, 3]));
        assert_ne!(rolls(1, &[2, 3]), rolls(2, &[2, 3]));
        assert_ne!(rolls(1, &[2, 3]), rolls(1, &[3, 2]));
    }

    #[test]
    fn means_and_bounds_are_as_named() {
        let mut rng = Rng::of(7, &[]);
        let total: u64 = (0..10_000).map(|_| rng.until(1_000)).sum();
        assert!((9_500_000..10_500_000).contains(&total), "{total}");
        assert!((0..1_000).all(|_| (5..9).contains(&rng.between(5, 9))));
        assert!((0..1_000).all(|_| (10..=1_000).contains(&rng.log_between(10, 1_000))));
        let heavy = (0..1_000)
            .filter(|_| rng.pick(&[(9, true), (1, false)]))
            .count();
        assert!((850..950).contains(&heavy), "{heavy}");
    }
}
