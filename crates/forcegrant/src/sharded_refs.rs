//! Reference counts apart from one another, so that threads can read side by side.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::token::Token;

/// As many threads as this can read without passing a cache line between them.
const HANDLES: usize = 8;

/// The token of a state's lease once for each of a few threads, made when a thread first asks. Most
/// leases of a pool are never read so, and take no room for it.
#[derive(Debug, Default)]
pub(crate) struct ShardedRefs(OnceLock<Box<[OnceLock<Token>; HANDLES]>>);

impl ShardedRefs {
    /// The token of this lease, which is the state's, by the handle of the calling thread.
    #[inline]
    pub(crate) fn hand_out(&self, cached: &Arc<CachedToken>) -> Token {
        let mine = self.mine();
        mine.get_or_init(|| Token::of(cached).apart()).clone()
    }

    /// The place of the calling thread. Threads are numbered as they come.
    #[inline]
    fn mine(&self) -> &OnceLock<Token> {
        const UNKNOWN: usize = usize::MAX;
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static MINE: Cell<usize> = const { Cell::new(UNKNOWN) });
        let handles = self.0.get_or_init(Box::default);
        let mine = MINE.get();
        if mine != UNKNOWN {
            return &handles[mine];
        }
        MINE.set(NEXT.fetch_add(1, Ordering::Relaxed) % HANDLES);
        &handles[MINE.get()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_place_and_the_next_has_another() {
        let handles = ShardedRefs::default();
        let place = |handles: &ShardedRefs| std::ptr::from_ref(handles.mine()) as usize;
        let mine = place(&handles);
        assert_eq!(place(&handles), mine);
        let others: Vec<_> = (0..HANDLES)
            .map(|_| std::thread::scope(|scope| scope.spawn(|| place(&handles)).join().unwrap()))
            .collect();
        assert!(others.iter().any(|other| *other != mine));
    }
}
