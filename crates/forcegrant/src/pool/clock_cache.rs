//! Which client has to go when the pool is full: the clock algorithm. A read marks its client and
//! does nothing else; the hand goes round, takes marks away, and evicts the first client without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Steps of the hand for one eviction. When so many clients in a row were read lately, the next one
/// goes all the same: a bound on the work, at no price that a user would notice.
const STEPS: usize = 64;

#[derive(Debug)]
pub(super) struct ClockCache<T> {
    seats: Vec<Arc<T>>,
    hand: usize,
}

/// What sits on a ring.
pub(super) trait HasClockEntry {
    fn entry(&self) -> &ClockEntry;
}

/// A place on a ring, and the mark of who was read since the hand came by.
#[derive(Debug, Default)]
pub(crate) struct ClockEntry {
    mark: AtomicBool,
    /// A pool has 10 million at most.
    place: AtomicU32,
}

impl ClockEntry {
    /// Written only when it changes something, so that readers share the cache line.
    #[inline]
    pub(super) fn touch(&self) {
        if !self.mark.load(Ordering::Relaxed) {
            self.mark.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the mark away. `true`: there was one.
    fn unmark(&self) -> bool {
        self.mark.swap(false, Ordering::Relaxed)
    }

    fn place(&self) -> usize {
        usize::try_from(self.place.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn sit(&self, place: usize) {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        self.place.store(place, Ordering::Relaxed);
    }
}

impl<T: HasClockEntry> ClockCache<T> {
    pub(super) fn new(all: impl Iterator<Item = Arc<T>>) -> Self {
        let seats: Vec<_> = all.collect();
        for (place, entry) in seats.iter().enumerate() {
            entry.entry().sit(place);
        }
        Self { seats, hand: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Seats a newcomer, where `most` may sit. Returns who had to go.
    pub(super) fn insert(&mut self, newcomer: Arc<T>, most: usize) -> Option<Arc<T>> {
        if self.seats.len() < most {
            newcomer.entry().sit(self.seats.len());
            self.seats.push(newcomer);
            return None;
        }
        let place = self.next_to_go();
        newcomer.entry().sit(place);
        // The hand has just passed the newcomer's place, so it comes there last.
        self.hand = (place + 1) % self.seats.len();
        Some(std::mem::replace(&mut self.seats[place], newcomer))
    }

    /// Puts another in somebody's place.
    pub(super) fn replace(&mut self, old: &T, new: Arc<T>) {
        let place = old.entry().place();
        new.entry().sit(place);
        self.seats[place] = new;
    }

    pub(super) fn remove(&mut self, entry: &T) {
        let place = entry.entry().place();
        self.seats.swap_remove(place);
        if let Some(moved) = self.seats.get(place) {
            moved.entry().sit(place);
        }
        if self.hand >= self.seats.len() {
            self.hand = 0;
        }
    }

    fn next_to_go(&mut self) -> usize {
        for _ in 0..STEPS.min(self.seats.len()) {
            if !self.seats[self.hand].entry().unmark() {
                break;
            }
            self.hand = (self.hand + 1) % self.seats.len();
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
    struct Guest {
        name: u32,
        entry: ClockEntry,
    }

    impl HasClockEntry for Guest {
        fn entry(&self) -> &ClockEntry {
            &self.entry
        }
    }

    fn entry(name: u32) -> Arc<Guest> {
        Arc::new(Guest {
            name,
            ..Guest::default()
        })
    }

    #[test]
    fn who_is_read_stays_and_who_is_not_goes() {
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
        /// Who is seated is who came and neither left nor was sent away; never more than allowed; and
        /// everyone knows the own place.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0u8..3, any::<prop::sample::Index>()), 0..300), most in 1usize..20) {
            let mut clock_cache = ClockCache::new(std::iter::empty());
            let mut model = BTreeSet::new();
            let mut present: Vec<Arc<Guest>> = Vec::new();
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
                let seated: BTreeSet<_> = clock_cache.seats.iter().map(|entry| entry.name).collect();
                prop_assert_eq!(&seated, &model);
                prop_assert!(clock_cache.seats.iter().enumerate().all(|(place, entry)| entry.entry.place() == place));
            }
        }
    }
}
