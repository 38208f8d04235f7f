//! Randomness. Taken from the system each time: a seeded generator repeats itself in forked children.

/// A number in 0..1. Should the system have no randomness, one half: jitter is no secret.
pub(crate) fn unit() -> f64 {
    getrandom::u64().map_or(0.5, |bits| {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let unit = (bits >> 11) as f64 / (1u64 << 53) as f64;
        unit
    })
}

/// Random bytes. `None`: the system has no randomness.
pub(crate) fn bytes<const LENGTH: usize>() -> Option<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_in_range_and_differ() {
        let numbers: Vec<_> = (0..100).map(|_| super::unit()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.iter().any(|n| *n < 0.5) && numbers.iter().any(|n| *n >= 0.5));
    }
}
