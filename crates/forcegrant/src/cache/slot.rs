//! The place where readers find the current state: atomic pointers, no lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use crate::cache::lease::Lease;
use crate::cache::state::State;
use crate::token::Token;

/// Holds the current [`State`]. Reading takes no lock and allocates nothing; whoever replaces the
/// state holds the client's lock.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Slot {
    /// The state's lease once more, so that a reader of one client among many meets the fewest cache
    /// misses. Only its own view says whether it may be handed out: whoever finds an old one here, in
    /// another thread or after a fork, looks at the state.
    lease: ArcSwapOption<Lease>,
    state: ArcSwap<State>,
}

impl Slot {
    /// The token, if a view taken earlier covers this coarse wall-clock time.
    #[inline]
    pub(crate) fn read(&self, coarse_wall: i64) -> Option<Token> {
        let state = self.state.load();
        let lease = state.lease.as_ref()?;
        lease
            .in_view(coarse_wall)
            .then(|| state.handles.hand_out(lease))
    }

    /// The same for a client among many, which is seldom read by two threads at once: without a
    /// handle for each thread.
    #[inline]
    pub(crate) fn read_shared(&self, coarse_wall: i64) -> Option<Token> {
        let lease = self.lease.load();
        let lease = lease.as_ref()?;
        lease.in_view(coarse_wall).then(|| Token::of(lease))
    }

    pub(crate) fn state(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    pub(crate) fn replace(&self, state: State) {
        let lease = state.lease.clone();
        self.state.store(Arc::new(state));
        self.lease.store(lease);
    }
}
