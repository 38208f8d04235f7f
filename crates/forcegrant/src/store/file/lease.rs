//! The file of a lease, and the locked file that shows that its owner is alive.

use std::fs::File;
use std::io::{Error, ErrorKind, Result};

use super::folder::KeyFiles;
use forcegrant_proto::store::protocol::GrantedLease;
use fs4::{FileExt, TryLockError};

/// `None`: there is none, the file is damaged, or its owner is not one: the owner is part of a file's name.
pub(super) fn read(files: &KeyFiles<'_>) -> Result<Option<GrantedLease>> {
    let bytes = files.read("lease")?;
    let held = bytes.and_then(|bytes| serde_json::from_slice::<GrantedLease>(&bytes).ok());
    Ok(held.filter(|held| is_owner(&held.owner)))
}

pub(super) fn write(files: &KeyFiles<'_>, held: &GrantedLease) -> Result<()> {
    let bytes = serde_json::to_vec(held).map_err(Error::other)?;
    files.replace("lease", &bytes)
}

fn is_owner(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn alive_name(owner: &str) -> String {
    format!("{owner}.alive")
}

/// Makes and locks the file that shows that the owner is alive.
pub(super) fn lock_alive(files: &KeyFiles<'_>, owner: &str) -> Result<File> {
    if !is_owner(owner) {
        return Err(Error::new(ErrorKind::InvalidInput, "no such owner"));
    }
    let file = files.open_to_lock(&alive_name(owner), true)?;
    match FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::other("the owner of a lease is not unique")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the owner of a lease is alive, or may be.
pub(super) fn is_alive(files: &KeyFiles<'_>, owner: &str) -> Result<bool> {
    let file = match files.open_to_lock(&alive_name(owner), false) {
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
