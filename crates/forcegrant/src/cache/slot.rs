//! The place where readers find the current state: one atomic pointer, no lock.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::cache::state::State;
use crate::token::Token;

/// Holds the current [`State`]. Reading takes no lock and allocates nothing; whoever replaces the
/// state holds the client's lock.
#[derive(Debug, Default)]
pub(crate) struct Slot(ArcSwap<State>);

impl Slot {
    /// The token, if a view taken earlier covers this coarse wall-clock time.
    #[inline]
    pub(crate) fn read(&self, coarse_wall: i64) -> Option<Token> {
        let state = self.0.load();
        let lease = state.lease.as_ref()?;
        lease.in_view(coarse_wall).then(|| lease.hand_out())
    }

    /// The same for a client among many, which is seldom read by two threads at once: without a
    /// handle for each thread.
    #[inline]
    pub(crate) fn read_shared(&self, coarse_wall: i64) -> Option<Token> {
        let state = self.0.load();
        let lease = state.lease.as_ref()?;
        lease.in_view(coarse_wall).then(|| lease.token.clone())
    }

    pub(crate) fn state(&self) -> Guard<Arc<State>> {
        self.0.load()
    }

    pub(crate) fn replace(&self, state: State) {
        self.0.store(Arc::new(state));
    }
}
