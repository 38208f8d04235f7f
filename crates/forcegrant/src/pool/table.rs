//! A hash table that is read without a lock: chains behind atomic pointers, mostly of one entry.
//!
//! It is plain data, so a forked child finds it whole: each change is one pointer. Writers come one at a time,
//! under the pool's lock. `docs/adr/0013-the-table-of-a-pool.md` says why it is not a map of a library.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use super::key::TenantKey;

pub(super) struct PoolTable<T> {
    /// Twice as many as there are entries when the pool is full, so that few have one before them.
    heads: Box<[ArcSwapOption<T>]>,
    /// Keys may come from users: a hash that they cannot foresee.
    hasher: RandomState,
}

/// What a table holds: something with a key and a place in a chain, all in one allocation, so that a reader
/// waits for memory twice.
pub(super) trait Chained: Sized {
    fn key(&self) -> &TenantKey;
    fn link(&self) -> &Link<Self>;
}

/// An entry's place in a chain.
#[derive(Debug)]
pub(super) struct Link<T> {
    next: ArcSwapOption<T>,
    /// It was taken out of its chain, so `next` no longer says what comes after it.
    cut: AtomicBool,
}

impl<T: Chained> PoolTable<T> {
    /// A table for about `most` entries; more make it slower, not wrong.
    pub(super) fn new(most: usize) -> Self {
        Self {
            heads: std::iter::repeat_with(ArcSwapOption::empty)
                .take((2 * most).next_power_of_two())
                .collect(),
            hasher: RandomState::new(),
        }
    }

    /// Reads the entry of a key.
    #[inline]
    pub(super) fn get<R>(&self, key: &str, read: impl FnOnce(&Arc<T>) -> R) -> Option<R> {
        let head = self.head(key);
        let mut place = head.load();
        loop {
            let entry = place.as_ref()?;
            if entry.key().is(key) {
                return Some(read(entry));
            }
            place = after(head, entry);
        }
    }

    /// Inserts an entry that was in no table before. Returns the entry with its key that it replaces.
    pub(super) fn insert(&self, entry: &Arc<T>) -> Option<Arc<T>> {
        let key = entry.key().as_str();
        let found = self.find(key);
        let link = entry.link();
        match &found {
            Some(FoundEntry { old, .. }) => link.next.store(old.link().next.load_full()),
            None => link.next.store(self.head(key).load_full()),
        }
        let Some(FoundEntry { before, old }) = found else {
            self.head(key).store(Some(Arc::clone(entry)));
            return None;
        };
        self.link_behind(before.as_ref(), key)
            .store(Some(Arc::clone(entry)));
        old.link().cut();
        Some(old)
    }

    /// Takes an entry out.
    pub(super) fn remove(&self, key: &str) -> Option<Arc<T>> {
        let FoundEntry { before, old } = self.find(key)?;
        let behind = old.link().next.load_full();
        self.link_behind(before.as_ref(), key).store(behind);
        old.link().cut();
        Some(old)
    }

    /// Every entry, chain by chain.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<T>> + '_ {
        self.heads.iter().flat_map(chain)
    }

    /// An entry, and the one before it in its chain. For writers.
    fn find(&self, key: &str) -> Option<FoundEntry<T>> {
        let mut before = None;
        for entry in chain(self.head(key)) {
            if entry.key().is(key) {
                return Some(FoundEntry { before, old: entry });
            }
            before = Some(entry);
        }
        None
    }

    /// The pointer to what comes after an entry, or to the first of a key's chain.
    fn link_behind<'a>(&'a self, before: Option<&'a Arc<T>>, key: &str) -> &'a ArcSwapOption<T> {
        before.map_or_else(|| self.head(key), |before| &before.link().next)
    }

    fn head(&self, key: &str) -> &ArcSwapOption<T> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of it will do")]
        let place = self.hasher.hash_one(key) as usize & (self.heads.len() - 1);
        &self.heads[place]
    }
}

struct FoundEntry<T> {
    before: Option<Arc<T>>,
    old: Arc<T>,
}

/// What comes after an entry of this chain: the whole chain again, if the entry was taken out meanwhile.
#[inline]
fn after<T: Chained>(head: &ArcSwapOption<T>, entry: &Arc<T>) -> Guard<Option<Arc<T>>> {
    let link = entry.link();
    let next = link.next.load();
    if next.is_none() && link.cut.load(Ordering::Relaxed) {
        return head.load();
    }
    next
}

/// The entries of a chain.
fn chain<T: Chained>(head: &ArcSwapOption<T>) -> Vec<Arc<T>> {
    let mut entries = Vec::<Arc<T>>::new();
    let mut place = head.load_full();
    while let Some(entry) = place {
        place = Guard::into_inner(after(head, &entry));
        if entries.iter().any(|seen| Arc::ptr_eq(seen, &entry)) {
            continue;
        }
        entries.push(entry);
    }
    entries
}

impl<T> Link<T> {
    /// Drops the pointer to the next entry: code that holds the entry must not hold that too.
    fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
        // A reader that finds no next entry sees the mark.
        self.next.store(None);
    }
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Self {
            next: ArcSwapOption::empty(),
            cut: AtomicBool::new(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    struct Entry {
        key: TenantKey,
        value: u32,
        link: Link<Self>,
    }

    impl Chained for Entry {
        fn key(&self) -> &TenantKey {
            &self.key
        }

        fn link(&self) -> &Link<Self> {
            &self.link
        }
    }

    fn entry(key: &str, value: u32) -> Arc<Entry> {
        Arc::new(Entry {
            key: key.into(),
            value,
            link: Link::default(),
        })
    }

    /// All keys of a small table are in few chains.
    #[test]
    fn a_reader_of_an_entry_that_is_removed_finds_what_was_behind_it() {
        let table = PoolTable::new(0);
        let entries = ["a", "b", "c"].map(|key| entry(key, 0));
        for entry in &entries {
            table.insert(entry);
        }
        let head = table.head("a");
        let seen: Vec<_> = chain(head)
            .iter()
            .map(|one| one.key.as_str().to_owned())
            .collect();
        assert_eq!(seen, ["c", "b", "a"]);
        // A reader has reached `c`, and it is removed.
        assert!(table.remove("c").is_some());
        let next = after(head, &entries[2]);
        assert!(next.as_ref().is_some_and(|next| next.key.is("b")));
        drop(next);
        // One in the middle is replaced.
        assert!(table.insert(&entry("b", 1)).is_some());
        let next = after(head, &entries[1]);
        assert!(next.as_ref().is_some_and(|next| next.value == 1));
    }

    #[test]
    fn an_entry_that_is_held_holds_no_other() {
        let table = PoolTable::new(0);
        let (held, other) = (entry("held", 0), entry("other", 0));
        table.insert(&other);
        table.insert(&held);
        table.remove("held");
        table.remove("other");
        assert_eq!(Arc::strong_count(&other), 1);
    }

    /// Readers of keys that stay, while their neighbours come and go.
    #[test]
    fn entries_are_found_while_their_neighbours_come_and_go() {
        let table = PoolTable::new(2);
        let stays = ["s1", "s2", "s3"];
        for key in stays {
            table.insert(&entry(key, 7));
            table.insert(&entry(&format!("x{key}"), 0));
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut reads = 0u32;
                while !done.load(Ordering::Relaxed) || reads < 1_000 {
                    for key in stays {
                        assert_eq!(table.get(key, |entry| entry.value), Some(7));
                    }
                    assert_eq!(table.all().filter(|entry| entry.value == 7).count(), 3);
                    reads += 1;
                }
            });
            for round in 0..20_000 {
                let key = format!("x{}", stays[round % 3]);
                if round % 2 == 0 {
                    table.remove(&key);
                } else {
                    table.insert(&entry(&key, 0));
                }
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
    }

    proptest! {
        /// Like a map of the standard library, whatever is done; and however small it was made.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..3, 0u8..20, any::<u32>()), 0..200), most in 1usize..40) {
            let table = PoolTable::new(most);
            let mut model = HashMap::new();
            for (what, key, value) in steps {
                let key = format!("org-{key}");
                match what {
                    0 => {
                        let old = table.insert(&entry(&key, value));
                        prop_assert_eq!(old.map(|old| old.value), model.insert(key, value));
                    }
                    1 => prop_assert_eq!(table.remove(&key).map(|old| old.value), model.remove(&key)),
                    _ => prop_assert_eq!(table.get(&key, |entry| entry.value), model.get(&key).copied()),
                }
            }
            let all: HashMap<_, _> = table.all().map(|entry| (entry.key.as_str().to_owned(), entry.value)).collect();
            prop_assert_eq!(all, model);
        }
    }
}
