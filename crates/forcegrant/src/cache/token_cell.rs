//! The place where readers find the current state: atomic pointers, no lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::cache::state::State;
use crate::clock::Clock;
use forcegrant_proto::token::Token;

/// Holds the current [`State`]. Reading takes no lock and allocates nothing; whoever replaces the
/// state holds the client's lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct TokenCell {
    /// The state's lease once more, or nothing, so that a reader of one client among many meets the
    /// fewest cache misses.
    cached: ArcSwapOption<CachedToken>,
    state: ArcSwap<State>,
}

impl TokenCell {
    /// The token, if a view taken earlier covers this coarse wall-clock time.
    #[inline]
    pub(crate) fn read(&self, coarse_wall: i64) -> Option<Token> {
        let state = self.state.load();
        let cached = state.cached.as_ref()?;
        cached
            .in_view(coarse_wall)
            .then(|| state.handles.hand_out(cached))
    }

    /// The same for a client among many, which is seldom read by two threads at once: without a
    /// handle for each thread. And as each of many may be read but once in a second, it takes a new
    /// view by itself where that decides nothing.
    #[inline]
    pub(crate) fn read_shared(&self, coarse_wall: i64, clock: &Clock) -> Option<Token> {
        let cached = self.cached.load();
        let cached = cached.as_ref()?;
        let renew = || cached.renew(clock.now(), coarse_wall, clock.view_length());
        (cached.in_view(coarse_wall) || renew()).then(|| Token::of(cached))
    }

    pub(crate) fn state(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    pub(crate) fn replace(&self, state: State) {
        let cached = state.cached.clone();
        // Never another than the state's, also for a child that is forked in between.
        self.cached.store(None);
        self.state.store(Arc::new(state));
        self.cached.store(cached);
    }
}
