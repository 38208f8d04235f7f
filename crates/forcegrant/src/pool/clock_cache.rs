//! Which client is evicted when the pool is full: the CLOCK algorithm. A read sets the referenced bit of its
//! client and does nothing else; the hand goes round, clears the bits, and evicts the first client without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Steps of the hand for one eviction. If this many clients in a row were read lately, the next one is evicted all
/// the same, which bounds the work.
const MAX_STEPS: usize = 64;

#[derive(Debug)]
pub(super) struct ClockCache<T> {
    entries: Vec<Arc<T>>,
    hand: usize,
}

/// What a cache holds.
pub(super) trait HasClockEntry {
    fn entry(&self) -> &ClockEntry;
}

/// A place in the cache, and the referenced bit: whether it was read since the hand came by.
#[derive(Debug, Default)]
pub(super) struct ClockEntry {
    referenced: AtomicBool,
    /// A pool has 10 million at most.
    place: AtomicU32,
}

impl ClockEntry {
    /// Written only when it changes something, so that readers share the cache line.
    #[inline]
    pub(super) fn touch(&self) {
        if !self.referenced.load(Ordering::Relaxed) {
            self.referenced.store(true, Ordering::Relaxed);
        }
    }

    /// Clears the referenced bit. `true`: it was set.
    fn clear(&self) -> bool {
        self.referenced.swap(false, Ordering::Relaxed)
    }

    fn place(&self) -> usize {
        usize::try_from(self.place.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn set_place(&self, place: usize) {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.place.store(place, Ordering::Relaxed);
    }
}

impl<T: HasClockEntry> ClockCache<T> {
    pub(super) fn new(all: impl Iterator<Item = Arc<T>>) -> Self {
        let entries: Vec<_> = all.collect();
        for (place, entry) in entries.iter().enumerate() {
            entry.entry().set_place(place);
        }
        Self { entries, hand: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry to at most `most`. Returns the evicted one.
    pub(super) fn insert(&mut self, new: Arc<T>, most: usize) -> Option<Arc<T>> {
        if self.entries.len() < most {
            new.entry().set_place(self.entries.len());
            self.entries.push(new);
            return None;
        }
        let place = self.next_victim();
        new.entry().set_place(place);
        // The hand has just passed the place of the new entry, so it comes there last.
        self.hand = (place + 1) % self.entries.len();
        Some(std::mem::replace(&mut self.entries[place], new))
    }

    /// Puts a new entry in the place of an old one.
    pub(super) fn replace(&mut self, old: &T, new: Arc<T>) {
        let place = old.entry().place();
        new.entry().set_place(place);
        self.entries[place] = new;
    }

    pub(super) fn remove(&mut self, entry: &T) {
        let place = entry.entry().place();
        self.entries.swap_remove(place);
        if let Some(moved) = self.entries.get(place) {
            moved.entry().set_place(place);
        }
        if self.hand >= self.entries.len() {
            self.hand = 0;
        }
    }

    fn next_victim(&mut self) -> usize {
        for _ in 0..MAX_STEPS.min(self.entries.len()) {
            if !self.entries[self.hand].entry().clear() {
                break;
            }
            self.hand = (self.hand + 1) % self.entries.len();
        }
        self.hand
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Default)]
    struct TestEntry {
        name: u32,
        entry: ClockEntry,
    }

    impl HasClockEntry for TestEntry {
        fn entry(&self) -> &ClockEntry {
            &self.entry
        }
    }

    fn entry(name: u32) -> Arc<TestEntry> {
        Arc::new(TestEntry {
            name,
            ..TestEntry::default()
        })
    }

    #[test]
    fn an_entry_that_is_read_stays() {
        let mut clock_cache = ClockCache::new(std::iter::empty());
        let hot = entry(0);
        clock_cache.insert(Arc::clone(&hot), 8);
        for name in 1..10_000 {
            hot.entry.touch();
            let gone = clock_cache.insert(entry(name), 8);
            assert!(gone.is_none_or(|gone| gone.name != 0));
        }
    }

    #[test]
    fn without_reads_the_oldest_goes() {
        let mut clock_cache = ClockCache::new(std::iter::empty());
        let gone: Vec<_> = (0..10)
            .filter_map(|name| clock_cache.insert(entry(name), 4))
            .map(|gone| gone.name)
            .collect();
        assert_eq!(gone, [0, 1, 2, 3, 4, 5]);
    }

    proptest! {
        /// The cache holds what was added and neither removed nor evicted, never more than allowed, and every
        /// entry knows its place.
        #[test]
        fn no_entry_is_lost(steps in prop::collection::vec((0u8..3, any::<prop::sample::Index>()), 0..300), most in 1usize..20) {
            let mut clock_cache = ClockCache::new(std::iter::empty());
            let mut model = BTreeSet::new();
            let mut present: Vec<Arc<TestEntry>> = Vec::new();
            for (name, (what, index)) in (0u32..).zip(steps) {
                match what {
                    0 => {
                        let new = entry(name);
                        present.push(Arc::clone(&new));
                        model.insert(name);
                        if let Some(gone) = clock_cache.insert(new, most) {
                            prop_assert!(model.remove(&gone.name));
                            present.retain(|one| one.name != gone.name);
                        }
                    }
                    1 if !present.is_empty() => {
                        let one = present.swap_remove(index.index(present.len()));
                        model.remove(&one.name);
                        clock_cache.remove(&one);
                    }
                    _ if !present.is_empty() => {
                        let one = &present[index.index(present.len())];
                        one.entry.touch();
                    }
                    _ => {}
                }
                prop_assert!(clock_cache.len() <= most);
                let held: BTreeSet<_> = clock_cache.entries.iter().map(|entry| entry.name).collect();
                prop_assert_eq!(&held, &model);
                prop_assert!(clock_cache.entries.iter().enumerate().all(|(place, entry)| entry.entry.place() == place));
            }
        }
    }
}
