//! The API usage that the last answer told of.

use std::sync::atomic::{AtomicU64, Ordering};

use forcegrant_proto::response_class::ApiUsage;

/// Both numbers in one word, so that they belong together without a lock. A limit of nothing: not
/// known yet.
#[derive(Debug, Default)]
pub(crate) struct LastUsage(AtomicU64);

impl LastUsage {
    pub(crate) fn note(&self, usage: ApiUsage) {
        let half = |number: u64| u64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let word = half(usage.used) << 32 | half(usage.limit);
        self.0.store(word, Ordering::Relaxed);
    }

    pub(crate) fn last(&self) -> Option<ApiUsage> {
        let word = self.0.load(Ordering::Relaxed);
        let limit = word & u64::from(u32::MAX);
        (limit > 0).then_some(ApiUsage {
            used: word >> 32,
            limit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_usage_is_kept_whole() {
        let usage = LastUsage::default();
        assert_eq!(usage.last(), None);
        for (used, limit) in [(1, 15_000), (0, 5_000_000), (7, 8)] {
            let told = ApiUsage { used, limit };
            usage.note(told);
            assert_eq!(usage.last(), Some(told));
        }
        usage.note(ApiUsage {
            used: u64::MAX,
            limit: u64::MAX,
        });
        let most = u64::from(u32::MAX);
        assert_eq!(
            usage.last(),
            Some(ApiUsage {
                used: most,
                limit: most
            })
        );
    }
}
