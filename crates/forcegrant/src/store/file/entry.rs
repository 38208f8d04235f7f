//! The file of an entry: its fence, its end, its length, and its bytes.

use std::io::Result;

use super::folder::KeyFiles;
use crate::clock::millis;
use forcegrant_proto::store::protocol::{LARGEST_ENTRY, LONGEST_LIFE};

const MAGIC: &[u8; 8] = b"fgentry1";
const HEADER: usize = MAGIC.len() + 3 * size_of::<u64>();

/// An entry as it is in the file.
pub(crate) struct Entry {
    pub(super) fence: u64,
    /// In milliseconds since 1970.
    pub(super) ends: i64,
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// Whether it may still be used. An end that is later than any entry is kept for is invalid.
    pub(super) fn lives(&self, now: i64) -> bool {
        let left = self.ends.saturating_sub(now);
        left > 0 && left <= millis(LONGEST_LIFE).cast_signed()
    }
}

/// `None`: there is none, or the file is damaged or too large.
pub(super) fn read(files: &KeyFiles<'_>) -> Result<Option<Entry>> {
    Ok(files.read("entry")?.and_then(decode))
}

pub(super) fn write(files: &KeyFiles<'_>, fence: u64, ends: i64, bytes: &[u8]) -> Result<()> {
    let length = bytes.len() as u64;
    let numbers = [fence, ends.cast_unsigned(), length].map(u64::to_be_bytes);
    files.replace("entry", &[MAGIC, &*numbers.concat(), bytes].concat())
}

pub(crate) fn decode(mut file: Vec<u8>) -> Option<Entry> {
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
    is_whole.then_some(Entry {
        fence,
        ends: ends.cast_signed(),
        bytes,
    })
}
