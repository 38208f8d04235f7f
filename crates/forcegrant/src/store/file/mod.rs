//! Tokens shared through a folder, by processes of one user on one machine.
//!
//! | file | what it is |
//! | --- | --- |
//! | `<name>.entry` | the sealed entry, with its fence and its end; replaced as a whole |
//! | `<name>.lease` | who may log in, and until when; replaced as a whole |
//! | `<name>.<owner>.alive` | locked by that owner, as long as its process lives |
//! | `<name>.count` | logins by the minute |
//! | `<name>.lock` | locked while one of the others is changed; empty |
//! | `<name>.<kind>.draft` | what replaces one of the first three or the count, while it is written |
//!
//! A lock is the operating system's own (`flock`, `LockFileEx`): it dies with its holder, so that a
//! process that is killed at any instant leaves nothing that others would wait for.

mod folder;
mod lease;
mod logins;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::folder::{Folder, Place};
use crate::clock::{Clock, millis};
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::store::file_entry::FileEntry;
use forcegrant_proto::store::protocol::{LONGEST_LIFE, Register};
use forcegrant_support::process::PerProcess;

/// Shares tokens through a folder with other processes of the same user on this machine.
///
/// The folder and its files can be read and written by their owner only (0700 and 0600 on Unix);
/// folders and files that others own or may enter, and symbolic links, are refused. Entries are
/// sealed besides: without the client secret they are of no use.
///
/// On a network file system locks may fail or lie; then each process logs in for itself.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: Arc<Folder>,
    /// The locked files that show that the holders of leases live, by the lease's owner.
    alive: Arc<PerProcess<Mutex<HashMap<String, File>>>>,
}

impl FileStore {
    /// A store in this folder, which is made when it is first needed. Nothing is read or written yet.
    ///
    /// # Errors
    /// `invalid_option`: the path is empty or relative.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        if !folder.is_absolute() {
            return Err(invalid_option(
                "store",
                "the folder is not an absolute path",
                "Name the folder from the root: `/var/cache/my-service/forcegrant`.",
            ));
        }
        Ok(Self {
            folder: Arc::new(Folder::new(folder)),
            alive: Arc::new(PerProcess::default()),
        })
    }

    /// A store in the user's cache folder: `forcegrant` in `$XDG_CACHE_HOME` or `~/.cache`, on macOS
    /// in `~/Library/Caches`, on Windows in `%LOCALAPPDATA%`.
    ///
    /// # Errors
    /// `invalid_option`: the environment does not name one, as for users without a home.
    pub fn in_user_cache() -> Result<Self, Error> {
        match folder::user_cache() {
            Some(cache) => Self::new(cache.join("forcegrant")),
            None => Err(invalid_option(
                "store",
                "this user has no cache folder",
                "Name a folder of your own: `/var/cache/my-service/forcegrant`.",
            )),
        }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs one step on a thread that may block: a file system that hangs shall hang nothing else.
    fn step<'a, T: Send + 'static>(
        &self,
        key: &str,
        act: impl FnOnce(&Place<'_>) -> std::io::Result<T> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let (folder, key) = (Arc::clone(&self.folder), key.to_owned());
        Box::pin(async move {
            let step = tokio::task::spawn_blocking(move || act(&folder.place(&key)?));
            match step.await {
                Ok(result) => Ok(result?),
                Err(_) => Err(StoreError::new("the step ended by a defect")),
            }
        })
    }
}

fn now() -> i64 {
    Clock::system().now().wall
}

impl Store for FileStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        self.step(key, |place| {
            let entry = read_entry(place)?.filter(|entry| entry.lives(now()));
            // The end is by the wall clock of whoever put it, which is this machine's.
            Ok(entry.map(|entry| Stored {
                entry: entry.bytes,
                left: None,
            }))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        let (bytes, own) = (entry.to_vec(), lease.clone());
        let alive = Arc::clone(&self.alive);
        self.step(key, move |place| {
            let _lock = place.lock()?;
            let now = now();
            let put = register(place)?.put(&own, now);
            if put == Put::Stored {
                let lives = millis(time_to_live.min(LONGEST_LIFE));
                let ends = now.saturating_add_unsigned(lives);
                place.replace("entry", &FileEntry::encode(own.fence, ends, &bytes))?;
                place.folder().sweep(now);
            }
            end(place, &own.owner, &alive)?;
            Ok(put)
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        let owner = owner.to_owned();
        let alive = Arc::clone(&self.alive);
        self.step(key, move |place| {
            let _lock = place.lock()?;
            let (mut register, now) = (register(place)?, now());
            let held = register.holder(now).map(|held| held.owner.clone());
            let is_own = held.as_ref() == Some(&owner);
            if let Some(other) = held.filter(|_| !is_own)
                && !lease::is_alive(place, &other)?
            {
                register.end(&other);
            }
            let old = register.last.as_ref().map(|old| old.owner.clone());
            let acquired = register.acquire(&owner, now, time);
            if let (Acquired::Granted { .. }, Some(held)) = (acquired, &register.last) {
                if is_own {
                    lease::write(place, held)?;
                    return Ok(acquired);
                }
                if let Some(old) = old {
                    place.remove(&lease::alive_name(&old));
                }
                let file = lease::live(place, &owner)?;
                lease::write(place, held)?;
                let mine = alive.current();
                let mut mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
                mine.insert(owner, file);
            }
            Ok(acquired)
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let (owner, alive) = (lease.owner.clone(), Arc::clone(&self.alive));
        self.step(key, move |place| {
            let _lock = place.lock()?;
            end(place, &owner, &alive)
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        self.step(key, move |place| {
            let _lock = place.lock()?;
            logins::count(place, now(), logins)
        })
    }
}

/// `None`: it is not there, not whole, not an entry, or larger than any.
fn read_entry(place: &Place<'_>) -> std::io::Result<Option<FileEntry>> {
    Ok(place.read("entry")?.and_then(FileEntry::decode))
}

/// What the files of this place say. The place is locked.
fn register(place: &Place<'_>) -> std::io::Result<Register> {
    Ok(Register {
        last: lease::read(place)?,
        entry: read_entry(place)?.map(|entry| entry.fence),
    })
}

/// Ends the lease if this owner has it. The place is locked.
fn end(
    place: &Place<'_>,
    owner: &str,
    alive: &PerProcess<Mutex<HashMap<String, File>>>,
) -> std::io::Result<()> {
    let mut register = register(place)?;
    if register.end(owner)
        && let Some(held) = &register.last
    {
        lease::write(place, held)?;
    }
    let mine = alive.current();
    let mut mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = mine.remove(owner) {
        // A forked child may have inherited the file: closing it here would not end the lock.
        let _ = fs4::FileExt::unlock(&file);
        place.remove(&lease::alive_name(owner));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
