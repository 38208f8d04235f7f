//! The file of an entry: its fence, its end, its length, and its bytes.

use super::protocol::{LARGEST_ENTRY, LONGEST_LIFE};
use crate::moment::millis;

const MAGIC: &[u8; 8] = b"fgentry1";
const HEADER: usize = MAGIC.len() + 3 * size_of::<u64>();

/// An entry as it is in the file.
pub struct FileEntry {
    pub fence: u64,
    /// In milliseconds since 1970.
    pub ends: i64,
    pub bytes: Vec<u8>,
}

impl FileEntry {
    /// `None`: the file is damaged or too large.
    pub fn decode(mut file: Vec<u8>) -> Option<Self> {
        let header = file.get(..HEADER)?;
        let (magic, numbers) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return None;
        }
        let mut numbers = numbers
            .chunks_exact(size_of::<u64>())
            .map(|bytes| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)));
        let (fence, ends, length) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let bytes = file.split_off(HEADER);
        let is_whole = bytes.len() as u64 == length && bytes.len() <= LARGEST_ENTRY;
        is_whole.then_some(Self {
            fence,
            ends: ends.cast_signed(),
            bytes,
        })
    }

    /// The bytes of the file.
    pub fn encode(fence: u64, ends: i64, bytes: &[u8]) -> Vec<u8> {
        let length = bytes.len() as u64;
        let numbers = [fence, ends.cast_unsigned(), length].map(u64::to_be_bytes);
        [MAGIC, &*numbers.concat(), bytes].concat()
    }

    /// Whether it may still be used. An end that is later than any entry is kept for is invalid.
    pub fn lives(&self, now: i64) -> bool {
        let left = self.ends.saturating_sub(now);
        left > 0 && left <= millis(LONGEST_LIFE).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// An entry comes back as it was, and no part of its file is one.
        #[test]
        fn an_entry_comes_back_whole_or_not_at_all(
            fence: u64, ends: i64, bytes in any::<Vec<u8>>(), cut in any::<prop::sample::Index>(),
        ) {
            let file = FileEntry::encode(fence, ends, &bytes);
            let cut = cut.index(file.len());
            prop_assert!(FileEntry::decode(file[..cut].to_vec()).is_none());
            let entry = FileEntry::decode(file).unwrap();
            prop_assert_eq!((entry.fence, entry.ends, entry.bytes), (fence, ends, bytes));
        }
    }
}
