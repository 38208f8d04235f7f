//! The counter of logins: by the minute, for an hour.

use std::collections::BTreeMap;
use std::io::{Error, Result};

use super::folder::KeyFiles;

const MINUTE: i64 = 60_000;
/// An hour, and the minute that has begun.
const SPAN: i64 = 61;

/// Adds to the counter of `now` and returns the sum. A damaged file counts as empty.
pub(super) fn count(files: &KeyFiles<'_>, now: i64, logins: u32) -> Result<u64> {
    let bytes = files.read("count")?.unwrap_or_default();
    let mut minutes: BTreeMap<i64, u32> = serde_json::from_slice(&bytes).unwrap_or_default();
    let minute = now.div_euclid(MINUTE);
    // Later minutes do not count, except the next one: another process may read the clock a moment later.
    minutes.retain(|counted, _| (minute - SPAN < *counted) && (*counted <= minute + 1));
    if logins > 0 {
        let counted = minutes.entry(minute).or_default();
        *counted = counted.saturating_add(logins);
        let bytes = serde_json::to_vec(&minutes).map_err(Error::other)?;
        files.replace("count", &bytes)?;
    }
    Ok(minutes.values().copied().map(u64::from).sum())
}
