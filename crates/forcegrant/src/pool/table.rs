//! Keys to clients, read without a lock: buckets behind atomic pointers, copied when they change.
//!
//! It is plain data, so a forked child finds it whole. Writers come one at a time: whoever changes
//! it holds the pool's lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Entries that a bucket holds on average when the pool is full.
const PER_BUCKET: usize = 2;

/// Entries that stand in the bucket itself, so that a reader finds them with one look at memory.
const INLINE: usize = 4;

pub(super) struct Table<T> {
    buckets: Box<[ArcSwapOption<Bucket<T>>]>,
    /// Keys may come from users: a hash that they can not foresee.
    hasher: RandomState,
}

/// Hashes and entries.
struct Bucket<T> {
    inline: [Option<(u64, Arc<T>)>; INLINE],
    more: Vec<(u64, Arc<T>)>,
}

/// What a table holds: something with a key.
pub(super) trait Keyed {
    fn key(&self) -> &str;
}

impl<T: Keyed> Table<T> {
    /// A table for about `most` entries; more make it slower, not wrong.
    pub(super) fn new(most: usize) -> Self {
        let buckets = most.div_ceil(PER_BUCKET).next_power_of_two();
        Self {
            buckets: std::iter::repeat_with(ArcSwapOption::empty)
                .take(buckets)
                .collect(),
            hasher: RandomState::new(),
        }
    }

    /// Looks at the entry of a key.
    #[inline]
    pub(super) fn look<R>(&self, key: &str, look: impl FnOnce(&Arc<T>) -> R) -> Option<R> {
        let hash = self.hash(key);
        let bucket = self.bucket(hash).load();
        bucket.as_ref()?.find(hash, key).map(look)
    }

    /// Puts an entry in, in place of the one with its key, which is returned.
    pub(super) fn insert(&self, entry: &Arc<T>) -> Option<Arc<T>> {
        let hash = self.hash(entry.key());
        self.change(hash, entry.key(), Some(entry))
    }

    /// Takes an entry out.
    pub(super) fn remove(&self, key: &str) -> Option<Arc<T>> {
        self.change(self.hash(key), key, None)
    }

    /// Every entry, bucket by bucket.
    pub(super) fn all(&self) -> impl Iterator<Item = Arc<T>> + '_ {
        let full = self.buckets.iter().filter_map(ArcSwapOption::load_full);
        full.flat_map(|bucket| {
            let entries: Vec<_> = bucket.iter().map(|(_, entry)| entry.clone()).collect();
            entries
        })
    }

    fn change(&self, hash: u64, key: &str, new: Option<&Arc<T>>) -> Option<Arc<T>> {
        let bucket = self.bucket(hash);
        let old = bucket.load_full();
        let found = old.as_ref().and_then(|old| old.find(hash, key).cloned());
        let others = old
            .iter()
            .flat_map(|old| old.iter())
            .filter(|(_, entry)| {
                !found
                    .as_ref()
                    .is_some_and(|found| Arc::ptr_eq(found, entry))
            })
            .cloned();
        let mut next = others.chain(new.map(|new| (hash, Arc::clone(new))));
        let next = Bucket {
            inline: std::array::from_fn(|_| next.next()),
            more: next.collect(),
        };
        bucket.store(next.inline[0].is_some().then(|| Arc::new(next)));
        found
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    fn bucket(&self, hash: u64) -> &ArcSwapOption<Bucket<T>> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of it will do")]
        let place = hash as usize & (self.buckets.len() - 1);
        &self.buckets[place]
    }
}

impl<T> Bucket<T> {
    fn iter(&self) -> impl Iterator<Item = &(u64, Arc<T>)> {
        self.inline.iter().flatten().chain(&self.more)
    }
}

impl<T: Keyed> Bucket<T> {
    #[inline]
    fn find(&self, hash: u64, key: &str) -> Option<&Arc<T>> {
        self.iter()
            .find(|(other, entry)| *other == hash && entry.key() == key)
            .map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    struct Entry(String, u32);

    impl Keyed for Entry {
        fn key(&self) -> &str {
            &self.0
        }
    }

    proptest! {
        /// Like a map of the standard library, whatever is done; and however small it was made.
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..3, 0u8..20, any::<u32>()), 0..200), most in 1usize..40) {
            let table = Table::new(most);
            let mut model = HashMap::new();
            for (what, key, value) in steps {
                let key = format!("org-{key}");
                match what {
                    0 => {
                        let old = table.insert(&Arc::new(Entry(key.clone(), value)));
                        prop_assert_eq!(old.map(|old| old.1), model.insert(key, value));
                    }
                    1 => prop_assert_eq!(table.remove(&key).map(|old| old.1), model.remove(&key)),
                    _ => prop_assert_eq!(table.look(&key, |entry| entry.1), model.get(&key).copied()),
                }
            }
            let all: HashMap<_, _> = table.all().map(|entry| (entry.0.clone(), entry.1)).collect();
            prop_assert_eq!(all, model);
        }
    }
}
