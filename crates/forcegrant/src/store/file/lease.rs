//! The right to log in, as a file, and the sign of life of who has it.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};

use fs4::{FileExt, TryLockError};
use serde::{Deserialize, Serialize};

use super::folder::Place;

/// The last lease. Kept when it has ended, for its fence.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) owner: String,
    pub(super) fence: u64,
    /// From when, by the wall clock in milliseconds.
    from: i64,
    /// For how many milliseconds; 0 when it was ended.
    time: u64,
}

impl Held {
    /// Granted now. Fences are times in milliseconds or more, so that they also grow when files are
    /// lost, and stay below 2^53.
    pub(super) fn new(owner: &str, earlier: u64, now: i64, time: u64) -> Self {
        Self {
            owner: owner.to_owned(),
            fence: u64::try_from(now).unwrap_or(0).max(earlier + 1),
            from: now,
            time,
        }
    }

    /// A clock that was stepped back makes no lease longer than it was.
    pub(super) fn left(&self, now: i64) -> u64 {
        let passed = u64::try_from(now.saturating_sub(self.from)).unwrap_or(0);
        self.time.saturating_sub(passed)
    }

    pub(super) fn is_held(&self, now: i64) -> bool {
        self.left(now) > 0
    }

    pub(super) fn until(&self, now: i64, time: u64) -> Self {
        Self {
            from: now,
            time,
            ..self.clone()
        }
    }

    pub(super) fn ended(&self) -> Self {
        Self {
            time: 0,
            ..self.clone()
        }
    }
}

/// `None`: there was none, or the file is not whole.
pub(super) fn read(place: &Place<'_>) -> Result<Option<Held>> {
    let bytes = place.read("lease")?;
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

pub(super) fn write(place: &Place<'_>, held: &Held) -> Result<()> {
    let bytes = serde_json::to_vec(held).map_err(Error::other)?;
    place.replace("lease", &bytes)
}

pub(super) fn alive_name(owner: &str) -> String {
    format!("{owner}.alive")
}

/// A sign of life: a locked file.
pub(super) fn live(place: &Place<'_>, owner: &str) -> Result<File> {
    if owner.is_empty() || !owner.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Error::new(ErrorKind::InvalidInput, "no such owner"));
    }
    let file = place.open_to_lock(&alive_name(owner), true)?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::other("the owner of a lease is not unique")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the owner of a lease lives, or may live.
pub(super) fn is_alive(place: &Place<'_>, owner: &str) -> Result<bool> {
    let file = match place.open_to_lock(&alive_name(owner), false) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match FileExt::try_lock(&file) {
        Ok(()) => {
            let _ = FileExt::unlock(&file);
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
