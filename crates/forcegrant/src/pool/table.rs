//! Keys to clients, read without a lock: buckets behind atomic pointers, copied when they change.
//!
//! It is plain data, so a forked child finds it whole. Writers come one at a time: whoever changes
//! it holds the pool's lock.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

/// Entries that a bucket holds on average when the pool is full. Copying so many is cheap, and a
/// reader compares numbers that stand side by side.
const PER_BUCKET: usize = 8;

pub(super) struct Table<T> {
    buckets: Box<[ArcSwapOption<Bucket<T>>]>,
    /// Keys may come from users: a hash that they can not foresee.
    hasher: RandomState,
}

type Bucket<T> = Box<[(u64, Arc<T>)]>;

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
        find(bucket.as_deref()?, hash, key).map(look)
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
            let entries: Vec<_> = bucket.iter().map(|(_, entry)| Arc::clone(entry)).collect();
            entries
        })
    }

    fn change(&self, hash: u64, key: &str, new: Option<&Arc<T>>) -> Option<Arc<T>> {
        let bucket = self.bucket(hash);
        let old = bucket.load_full();
        let old = old.as_deref().map_or(&[][..], |old| old);
        let found = find(old, hash, key).map(Arc::clone);
        let others = old
            .iter()
            .filter(|(_, entry)| {
                !found
                    .as_ref()
                    .is_some_and(|found| Arc::ptr_eq(found, entry))
            })
            .cloned();
        let next: Bucket<T> = others
            .chain(new.map(|new| (hash, Arc::clone(new))))
            .collect();
        bucket.store((!next.is_empty()).then(|| Arc::new(next)));
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

fn find<'a, T: Keyed>(bucket: &'a [(u64, Arc<T>)], hash: u64, key: &str) -> Option<&'a Arc<T>> {
    bucket
        .iter()
        .find(|(other, entry)| *other == hash && entry.key() == key)
        .map(|(_, entry)| entry)
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
