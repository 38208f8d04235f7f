//! Keeps a store that fails out of the way for a while. Pure.

/// The first pause, and the longest.
const FIRST: u64 = 1_000;
const LONGEST: u64 = 60_000;

/// Whether a store may be asked, by what came of asking it before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// In milliseconds of the boot-time clock.
    closed_until: u64,
}

impl Breaker {
    /// Whether the store may be asked at `boot` milliseconds of the boot-time clock.
    pub fn may_ask(&self, boot: u64) -> bool {
        boot >= self.closed_until
    }

    /// A step failed. Returns the pause, which doubles with every failure in a row and is jittered
    /// by `random` in 0..=1, so that a fleet does not come back in one instant.
    pub fn failed(&mut self, boot: u64, random: f64) -> u64 {
        let doubled = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most a minute in milliseconds, never negative"
        )]
        let pause = (doubled as f64 * (0.75 + random / 4.0)) as u64;
        self.closed_until = boot.saturating_add(pause);
        pause
    }

    /// A step worked.
    pub fn worked(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_end_with_a_success() {
        let mut breaker = Breaker::default();
        let mut boot = 5_000;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            assert!(breaker.may_ask(boot));
            let pause = breaker.failed(boot, 1.0);
            assert!(!breaker.may_ask(boot + pause - 1));
            boot += pause;
            pauses.push(pause);
        }
        assert_eq!(
            pauses,
            [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
        );
        breaker.worked();
        assert_eq!(breaker.failed(boot, 0.0), 750);
    }
}
