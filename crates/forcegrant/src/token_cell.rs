//! Where readers find the current token: an atomic pointer, no lock.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::sharded_refs::ShardedRefs;
use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::cache::state::CacheSnapshot;
use forcegrant_proto::token::Token;

/// Holds the current [`CacheSnapshot`]. Reading takes no lock and allocates nothing; a writer holds the lock of the
/// client's single flight.
#[derive(Debug, Default)]
pub(crate) struct TokenCell(ArcSwap<Current>);

#[derive(Debug, Default)]
struct Current {
    state: CacheSnapshot,
    /// The state's token, for threads that read it all the time.
    refs: ShardedRefs,
}

/// The state at one instant.
#[derive(Debug)]
pub(crate) struct StateRef(Guard<Arc<Current>>);

impl TokenCell {
    /// The token, if a view taken earlier covers this coarse wall-clock time.
    #[inline]
    pub(crate) fn read(&self, coarse_wall: i64) -> Option<Token> {
        let current = self.0.load();
        let cached = current.state.cached.as_ref()?;
        cached
            .in_view(coarse_wall)
            .then(|| current.refs.hand_out(cached))
    }

    /// The cached token, usable or not.
    pub(crate) fn cached(&self) -> Option<Arc<CachedToken>> {
        self.0.load().state.cached.clone()
    }

    pub(crate) fn state(&self) -> StateRef {
        StateRef(self.0.load())
    }

    pub(crate) fn replace(&self, state: CacheSnapshot) {
        let old = self.cached();
        let new = state.cached.clone();
        self.0.store(Arc::new(Current {
            state,
            refs: ShardedRefs::default(),
        }));
        if let Some(old) = old
            && !new.is_some_and(|new| Arc::ptr_eq(&new, &old))
        {
            old.retire();
        }
    }
}

impl Deref for StateRef {
    type Target = CacheSnapshot;

    fn deref(&self) -> &CacheSnapshot {
        &self.0.state
    }
}
