//! The right to log in, as a file, and the sign of life of who has it.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};

use super::folder::Place;
use forcegrant_proto::store::protocol::Held;
use fs4::{FileExt, TryLockError};

/// `None`: there was none, the file is not whole, or its owner is none: part of a file's name.
pub(super) fn read(place: &Place<'_>) -> Result<Option<Held>> {
    let bytes = place.read("lease")?;
    let held = bytes.and_then(|bytes| serde_json::from_slice::<Held>(&bytes).ok());
    Ok(held.filter(|held| is_owner(&held.owner)))
}

pub(super) fn write(place: &Place<'_>, held: &Held) -> Result<()> {
    let bytes = serde_json::to_vec(held).map_err(Error::other)?;
    place.replace("lease", &bytes)
}

fn is_owner(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn alive_name(owner: &str) -> String {
    format!("{owner}.alive")
}

/// A sign of life: a locked file.
pub(super) fn live(place: &Place<'_>, owner: &str) -> Result<File> {
    if !is_owner(owner) {
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
