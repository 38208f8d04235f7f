//! What a client remembers for its API calls: the API usage that a response last reported, and the instances
//! of its tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use url::Url;

use forcegrant_proto::calls::resolve_url::{Instances, ResolvedUrl, TokenInstances};
use forcegrant_proto::error::Error;
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::response_class::ApiUsage;

/// One for all the clones of a client.
#[derive(Debug, Default)]
pub(crate) struct CallMemory {
    pub(super) usage: LastUsage,
    instances: ArcSwapOption<Instances>,
}

impl CallMemory {
    /// Whether this URL is on an instance of the client's tokens.
    pub(crate) fn have_instance(&self, url: &Url) -> bool {
        self.instances
            .load()
            .as_ref()
            .is_some_and(|known| known.have(url))
    }

    pub(super) fn resolve_url(
        &self,
        token: TokenInstances<'_>,
        trust: &TrustPolicy,
        path_or_url: &str,
    ) -> Result<ResolvedUrl, Error> {
        let known = self.instances.load();
        if let Some(known) = known.as_ref()
            && known.with(token).is_none()
        {
            return known.resolve_url(token, trust, path_or_url);
        }
        // Of two threads that learn at once one may win; the other's is learned by the next call.
        let known = known.as_deref().cloned().unwrap_or_default();
        let known = known.with(token).unwrap_or(known);
        let resolved = known.resolve_url(token, trust, path_or_url);
        self.instances.store(Some(Arc::new(known)));
        resolved
    }
}

/// Both numbers in one word, so that they belong together without a lock. A limit of nothing: not
/// known yet.
#[derive(Debug, Default)]
pub(super) struct LastUsage(AtomicU64);

impl LastUsage {
    pub(super) fn note(&self, usage: ApiUsage) {
        let half = |number: u64| u64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let word = half(usage.used) << 32 | half(usage.limit);
        self.0.store(word, Ordering::Relaxed);
    }

    pub(super) fn last(&self) -> Option<ApiUsage> {
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
