//! Processes of one user on one machine share tokens through a folder.
//!
//! | file | what it is |
//! | --- | --- |
//! | `<name>.entry` | the sealed entry, with its fence and its end; replaced as a whole |
//! | `<name>.lease` | which owner may log in, and until when; replaced as a whole |
//! | `<name>.<owner>.alive` | locked by that owner while its process is alive |
//! | `<name>.count` | logins by the minute |
//! | `<name>.lock` | locked while one of the others is changed; empty |
//! | `<name>.<kind>.draft` | the next entry, lease or count, while it is written |
//!
//! A lock is the operating system's (`flock`, `LockFileEx`): it ends with its holder, so nobody waits for a process
//! that was killed.

mod folder;
mod lease;
mod logins;

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::folder::{Folder, KeyFiles};
use crate::clock::{Clock, millis};
use crate::environment::Environment;
use crate::store::{Acquired, Lease, Put, Store, StoreError, StoreFuture, Stored};
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::store::file_entry::FileEntry;
use forcegrant_proto::store::protocol::{LONGEST_LIFE, Register};
use forcegrant_support::process::PerProcess;

/// Shares tokens through a folder with other processes of the same user on this machine.
///
/// Only their owner can read and write the folder and its files (0700 and 0600 on Unix). Folders and files that others
/// own or can open, and symbolic links, are refused. Entries are also sealed: without the client secret nobody can read
/// them.
///
/// On a network file system locks may not work; then each process logs in for itself.
#[derive(Clone, Debug)]
pub struct FileStore {
    folder: Arc<Folder>,
    /// The locked files that show that owners of leases are alive, by owner.
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
        Self::in_cache(|name| std::env::var_os(name).map(PathBuf::from))
    }

    /// The same by these variables.
    pub(crate) fn in_user_cache_of(environment: &Environment) -> Result<Self, Error> {
        Self::in_cache(|name| {
            let path = environment.read(name).ok().flatten();
            path.map(|path| PathBuf::from(path.expose()))
        })
    }

    fn in_cache(variable: impl Fn(&'static str) -> Option<PathBuf>) -> Result<Self, Error> {
        match folder::user_cache(variable) {
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

    /// Runs one call on a blocking thread, so that a file system that hangs blocks nothing else.
    fn call<'a, T: Send + 'static>(
        &self,
        key: &str,
        act: impl FnOnce(&KeyFiles<'_>) -> std::io::Result<T> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        let (folder, key) = (Arc::clone(&self.folder), key.to_owned());
        Box::pin(async move {
            let task = tokio::task::spawn_blocking(move || act(&folder.files_of(&key)?));
            match task.await {
                Ok(result) => Ok(result?),
                Err(_) => Err(StoreError::new("internal error: the call panicked")),
            }
        })
    }
}

fn now() -> i64 {
    Clock::system().now().wall
}

impl Store for FileStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        self.call(key, |files| {
            let entry = read_entry(files)?.filter(|entry| entry.lives(now()));
            // This machine's wall clock set the end, so it says nothing that the caller does not know.
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
        self.call(key, move |files| {
            let _lock = files.lock()?;
            let now = now();
            let put = register(files)?.put(&own, now);
            if put == Put::Stored {
                let lives = millis(time_to_live.min(LONGEST_LIFE));
                let ends = now.saturating_add_unsigned(lives);
                files.replace("entry", &FileEntry::encode(own.fence, ends, &bytes))?;
                files.folder().sweep(now);
            }
            end(files, &own.owner, &alive)?;
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
        self.call(key, move |files| {
            let _lock = files.lock()?;
            let (mut register, now) = (register(files)?, now());
            let held = register.holder(now).map(|held| held.owner.clone());
            let is_own = held.as_ref() == Some(&owner);
            if let Some(other) = held.filter(|_| !is_own)
                && !lease::is_alive(files, &other)?
            {
                register.end(&other);
            }
            let old = register.last.as_ref().map(|old| old.owner.clone());
            let acquired = register.acquire(&owner, now, time);
            if let (Acquired::Granted { .. }, Some(held)) = (acquired, &register.last) {
                if is_own {
                    lease::write(files, held)?;
                    return Ok(acquired);
                }
                if let Some(old) = old {
                    files.remove(&lease::alive_name(&old));
                }
                let file = lease::lock_alive(files, &owner)?;
                lease::write(files, held)?;
                let mine = alive.current();
                let mut mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
                mine.insert(owner, file);
            }
            Ok(acquired)
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        let (owner, alive) = (lease.owner.clone(), Arc::clone(&self.alive));
        self.call(key, move |files| {
            let _lock = files.lock()?;
            end(files, &owner, &alive)
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        self.call(key, move |files| {
            let _lock = files.lock()?;
            logins::count(files, now(), logins)
        })
    }
}

/// `None`: there is none, or the file is damaged or too large.
fn read_entry(files: &KeyFiles<'_>) -> std::io::Result<Option<FileEntry>> {
    Ok(files.read("entry")?.and_then(FileEntry::decode))
}

/// The register of this key, which is locked.
fn register(files: &KeyFiles<'_>) -> std::io::Result<Register> {
    Ok(Register {
        last: lease::read(files)?,
        entry: read_entry(files)?.map(|entry| entry.fence),
    })
}

/// Ends the lease if this owner has it. The key is locked.
fn end(
    files: &KeyFiles<'_>,
    owner: &str,
    alive: &PerProcess<Mutex<HashMap<String, File>>>,
) -> std::io::Result<()> {
    let mut register = register(files)?;
    if register.end(owner)
        && let Some(held) = &register.last
    {
        lease::write(files, held)?;
    }
    let mine = alive.current();
    let mut mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = mine.remove(owner) {
        // A forked child may have inherited the file: closing it here would not end the lock.
        let _ = fs4::FileExt::unlock(&file);
        files.remove(&lease::alive_name(owner));
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
