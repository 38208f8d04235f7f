//! The file of an entry: its fence, its end and its length, and then its bytes.

use std::io::Result;

use super::folder::Place;
use crate::clock::millis;
use forcegrant_proto::store::protocol::{LARGEST_ENTRY, LONGEST_LIFE};

const MAGIC: &[u8; 8] = b"fgentry1";
const HEADER: usize = MAGIC.len() + 3 * size_of::<u64>();

/// As it is in the file, whoever wrote it.
pub(crate) struct Entry {
    pub(super) fence: u64,
    /// In milliseconds since 1970.
    pub(super) ends: i64,
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// Whether it may still be used: not past its end, nor kept for longer than any is.
    pub(super) fn lives(&self, now: i64) -> bool {
        let left = self.ends.saturating_sub(now);
        left > 0 && left <= millis(LONGEST_LIFE).cast_signed()
    }
}

/// `None`: it is not there, not whole, not an entry, or larger than any.
pub(super) fn read(place: &Place<'_>) -> Result<Option<Entry>> {
    Ok(place.read("entry")?.and_then(decode))
}

pub(super) fn write(place: &Place<'_>, fence: u64, ends: i64, bytes: &[u8]) -> Result<()> {
    let length = bytes.len() as u64;
    let numbers = [fence, ends.cast_unsigned(), length].map(u64::to_be_bytes);
    place.replace("entry", &[MAGIC, &*numbers.concat(), bytes].concat())
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
