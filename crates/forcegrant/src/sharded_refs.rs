//! One reference count for each of a few threads, so that they can read the same token without slowing each other.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use forcegrant_proto::cache::cached_token::CachedToken;
use forcegrant_proto::token::Token;

/// This many threads can read without a cache line that they all write to.
const SHARDS: usize = 8;

/// The cached token once for each of a few threads, made when a thread first asks. Most tokens of a pool
/// are never read so, and need no memory for it.
#[derive(Debug, Default)]
pub(crate) struct ShardedRefs(OnceLock<Box<[OnceLock<Token>; SHARDS]>>);

impl ShardedRefs {
    /// The cached token of the state, by the reference count of the calling thread.
    #[inline]
    pub(crate) fn hand_out(&self, cached: &Arc<CachedToken>) -> Token {
        let mine = self.mine();
        mine.get_or_init(|| Token::of(cached).apart()).clone()
    }

    /// The one of the calling thread. Threads are numbered in the order in which they first ask.
    #[inline]
    fn mine(&self) -> &OnceLock<Token> {
        const UNKNOWN: usize = usize::MAX;
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static MINE: Cell<usize> = const { Cell::new(UNKNOWN) });
        let shards = self.0.get_or_init(Box::default);
        let mine = MINE.get();
        if mine != UNKNOWN {
            return &shards[mine];
        }
        MINE.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        &shards[MINE.get()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_count_and_the_next_has_another() {
        let refs = ShardedRefs::default();
        let place = |refs: &ShardedRefs| std::ptr::from_ref(refs.mine()) as usize;
        let mine = place(&refs);
        assert_eq!(place(&refs), mine);
        let others: Vec<_> = (0..SHARDS)
            .map(|_| std::thread::scope(|scope| scope.spawn(|| place(&refs)).join().unwrap()))
            .collect();
        assert!(others.iter().any(|other| *other != mine));
    }
}
