//! The circuit breaker of a store: after a failure the store is not called for a while. Pure.

/// In milliseconds.
const FIRST_PAUSE: u64 = 1_000;
const LONGEST_PAUSE: u64 = 60_000;

/// Whether a store may be called, by the results of earlier calls.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// In milliseconds of the boot-time clock.
    open_until: u64,
}

impl Breaker {
    /// Whether the store may be called at `boot` milliseconds of the boot-time clock.
    pub fn may_call(&self, boot: u64) -> bool {
        boot >= self.open_until
    }

    /// A call failed. Returns the pause in milliseconds, which doubles with every failure in a row. `random` in 0..=1
    /// is its jitter, so that the clients of a fleet do not all return at the same time.
    pub fn failed(&mut self, boot: u64, random: f64) -> u64 {
        let doubled = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most a minute in milliseconds, never negative"
        )]
        let pause = (doubled as f64 * (0.75 + random / 4.0)) as u64;
        self.open_until = boot.saturating_add(pause);
        pause
    }

    /// A call succeeded.
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
            assert!(breaker.may_call(boot));
            let pause = breaker.failed(boot, 1.0);
            assert!(!breaker.may_call(boot + pause - 1));
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
