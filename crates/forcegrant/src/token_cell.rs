//! Where readers find the current token: atomic pointers, no lock.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use crate::clock::Clock;
use crate::sharded_refs::ShardedRefs;
use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::cache::state::State;
use forcegrant_proto::token::Token;

/// Holds the current [`State`]. Reading takes no lock and allocates nothing; a writer holds the
/// client's lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct TokenCell {
    /// The cached token of the state once more, or nothing, so that a reader of one client among many
    /// meets the fewest cache misses.
    cached: ArcSwapOption<CachedToken>,
    current: ArcSwap<Current>,
}

#[derive(Debug, Default)]
struct Current {
    state: State,
    /// The state's token, for threads that read it all the time.
    refs: ShardedRefs,
}

/// The state at one instant.
#[derive(Debug)]
pub(crate) struct StateRef(Guard<Arc<Current>>);

impl Deref for StateRef {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0.state
    }
}

impl TokenCell {
    /// The token, if a view taken earlier covers this coarse wall-clock time.
    #[inline]
    pub(crate) fn read(&self, coarse_wall: i64) -> Option<Token> {
        let current = self.current.load();
        let cached = current.state.cached.as_ref()?;
        cached
            .in_view(coarse_wall)
            .then(|| current.refs.hand_out(cached))
    }

    /// The same for a client among many, which is seldom read by two threads at once: without a
    /// reference count for each thread. And because each of many may be read only once in a second, it
    /// takes a new view by itself where that decides nothing.
    #[inline]
    pub(crate) fn read_shared(&self, coarse_wall: i64, clock: &Clock) -> Option<Token> {
        let cached = self.cached.load();
        let cached = cached.as_ref()?;
        let renew = || cached.renew(clock.now(), coarse_wall, clock.view_length());
        (cached.in_view(coarse_wall) || renew()).then(|| Token::of(cached))
    }

    pub(crate) fn state(&self) -> StateRef {
        StateRef(self.current.load())
    }

    pub(crate) fn replace(&self, state: State) {
        let cached = state.cached.clone();
        // Never another than the state's, also for a child that is forked in between.
        self.cached.store(None);
        self.current.store(Arc::new(Current {
            state,
            refs: ShardedRefs::default(),
        }));
        self.cached.store(cached);
    }
}
