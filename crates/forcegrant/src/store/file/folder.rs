//! The folder, and how its files are opened, replaced and locked.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use fs4::FileExt;

use crate::private_files;
use forcegrant_proto::store::protocol::LARGEST_ENTRY;
use forcegrant_proto::store::seal;

/// No file of this store is longer. Of a longer one, the rest is not read.
const MAX_FILE: u64 = LARGEST_ENTRY as u64 + 4096;

/// How long to wait for a lock. It is held for a few file operations only: a holder that needs longer hangs or was
/// stopped.
const LOCK_TIMEOUT: Duration = Duration::from_millis(800);

/// How often to look for files that are no longer used, in milliseconds.
const SWEEP_INTERVAL: i64 = 3_600_000;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The last time that files were swept, by the wall clock.
    swept: AtomicI64,
}

/// The files of one key.
pub(super) struct KeyFiles<'a> {
    folder: &'a Folder,
    name: String,
}

/// The lock of a key, while it is held.
pub(super) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Closing the file is not enough: a forked child may have inherited it.
        let _ = FileExt::unlock(&self.0);
    }
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            swept: AtomicI64::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The files of this key. Makes the folder if it is missing, and refuses it if others can write to it.
    pub(super) fn files_of(&self, key: &str) -> Result<KeyFiles<'_>> {
        let known = |c: char| matches!(c, '0'..='9' | 'a'..='z' | '.' | ':' | '-');
        if key.is_empty() || key.len() > 80 || !key.chars().all(known) {
            return Err(Error::new(ErrorKind::InvalidInput, "invalid key"));
        }
        match fs::symlink_metadata(&self.path) {
            Ok(found) => private_files::check_folder(&self.path, &found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                private_files::create_folder(&self.path)?;
                private_files::check_folder(&self.path, &fs::symlink_metadata(&self.path)?)?;
            }
            Err(error) => return Err(error),
        }
        Ok(KeyFiles {
            folder: self,
            name: file_name(key),
        })
    }

    /// Removes files that are no longer used: entries past their end, and those of killed processes.
    pub(super) fn sweep(&self, now: i64) {
        let last = self.swept.load(Ordering::Relaxed);
        if now.saturating_sub(last) < SWEEP_INTERVAL {
            return;
        }
        self.swept.store(now, Ordering::Relaxed);
        let Ok(files) = fs::read_dir(&self.path) else {
            return;
        };
        for file in files.flatten().filter(is_unused) {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Whether this is a file of this store that is no longer used. Other programs may use the folder too, so nothing is
/// removed whose name is not one of this store's, nor a link, nor a folder.
fn is_unused(file: &fs::DirEntry) -> bool {
    // Of the link itself, not of its target.
    let Ok(found) = file.metadata() else {
        return false;
    };
    let changed = found.modified().ok();
    let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
    // No entry is kept for so long.
    let is_old = age.is_some_and(|age| age > Duration::from_secs(4 * 24 * 3_600));
    is_old && found.is_file() && file.file_name().to_str().is_some_and(is_swept)
}

/// Whether this store makes files with this name and may remove them. Lock files stay: a process that holds one would
/// then share it with no other.
fn is_swept(name: &str) -> bool {
    let Some((key, ending)) = name.split_once('.') else {
        return false;
    };
    if key.contains(':') || !seal::is_name(&key.replace('_', ":")) {
        return false;
    }
    match ending.strip_suffix(".alive") {
        Some(owner) => seal::is_owner(owner),
        None => matches!(
            ending.strip_suffix(".draft").unwrap_or(ending),
            "entry" | "lease" | "count"
        ),
    }
}

impl KeyFiles<'_> {
    pub(super) fn folder(&self) -> &Folder {
        self.folder
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.path.join(format!("{}.{ending}", self.name))
    }

    /// Waits for the lock of this key.
    pub(super) fn lock(&self) -> Result<Locked> {
        let file = private_files::open_single(
            &self.path("lock"),
            OpenOptions::new().write(true).create(true),
        )?;
        let begun = Instant::now();
        loop {
            match FileExt::try_lock(&file) {
                Ok(()) => return Ok(Locked(file)),
                Err(fs4::TryLockError::WouldBlock) if begun.elapsed() < LOCK_TIMEOUT => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(fs4::TryLockError::WouldBlock) => {
                    return Err(Error::new(ErrorKind::TimedOut, "a file stayed locked"));
                }
                Err(fs4::TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The whole file. `None`: there is none.
    pub(super) fn read(&self, ending: &str) -> Result<Option<Vec<u8>>> {
        let file =
            match private_files::open_single(&self.path(ending), OpenOptions::new().read(true)) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Replaces a file as a whole: readers see the old one or the new one.
    pub(super) fn replace(&self, ending: &str, bytes: &[u8]) -> Result<()> {
        // Only the holder of the lock writes, so one name is enough. A draft of a killed process is overwritten.
        let draft = self.path(&format!("{ending}.draft"));
        let _ = fs::remove_file(&draft);
        let mut file =
            private_files::open_single(&draft, OpenOptions::new().write(true).create_new(true))?;
        let written = file.write_all(bytes).and_then(|()| {
            drop(file);
            fs::rename(&draft, self.path(ending))
        });
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Opens a file to lock it.
    pub(super) fn open_to_lock(&self, ending: &str, create: bool) -> Result<File> {
        private_files::open_single(
            &self.path(ending),
            OpenOptions::new().write(true).create(create),
        )
    }

    pub(super) fn remove(&self, ending: &str) {
        let _ = fs::remove_file(self.path(ending));
    }
}

/// Windows does not allow a colon in a file's name.
fn file_name(key: &str) -> String {
    key.replace(':', "_")
}

/// The user's cache folder on this system, by these variables.
pub(super) fn user_cache(variable: impl Fn(&'static str) -> Option<PathBuf>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    if cfg!(target_os = "macos") {
        return Some(folder("HOME")?.join("Library").join("Caches"));
    }
    folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::credentials::ClientCredentials;
    use forcegrant_proto::store::seal::{EntryKind, Sealer, counter_name, owner};

    #[test]
    fn every_name_that_the_store_makes_is_swept_but_its_locks() {
        let credentials = ClientCredentials::new("id", "hunter22").unwrap();
        let sealer = Sealer::new(&credentials, "https://acme.test/token");
        let folder = Folder::new(std::env::temp_dir());
        let keys = [
            sealer.name(EntryKind::Token),
            sealer.name(EntryKind::Failure),
            counter_name("acme.test", "id"),
        ];
        for key in keys {
            let files = KeyFiles {
                folder: &folder,
                name: file_name(&key),
            };
            let alive = format!("{}.alive", owner([7; 16]));
            let kept = ["entry", "lease", "count", &alive];
            let drafts = ["entry.draft", "lease.draft", "count.draft"];
            for (ending, swept) in kept
                .iter()
                .chain(&drafts)
                .map(|ending| (*ending, true))
                .chain([("lock", false), ("lock.draft", false)])
            {
                let path = files.path(ending);
                let name = path.file_name().unwrap().to_str().unwrap();
                assert_eq!(is_swept(name), swept, "{name}");
            }
        }
    }

    #[test]
    fn names_of_others_stay() {
        let hex = "0123456789abcdef0123456789abcdef";
        for name in [
            "fg-thesis.tex".to_owned(),
            "fg".to_owned(),
            "fg1".to_owned(),
            "fg1_token.entry".to_owned(),
            "fg1__token.entry".to_owned(),
            format!("fg1_{hex}.entry"),
            format!("fg1_{hex}_token"),
            format!("fg1_{hex}_token."),
            format!("fg1_{hex}_tokens.entry"),
            format!("fg1_{hex}_token.entry.bak"),
            format!("fg1_{hex}_token.entry.draft.draft"),
            format!("fg1_{hex}_token.draft"),
            format!("fg1_{hex}_token.alive"),
            format!("fg1_{hex}_token.me.alive"),
            format!("fg2_{hex}_token.entry"),
            format!("Fg1_{hex}_token.entry"),
            format!("fg1_{}_token.entry", hex.to_uppercase()),
            format!("fg1_{}_token.entry", &hex[1..]),
            format!("my-fg1_{hex}_token.entry"),
            format!("fg1:{hex}:token.entry"),
        ] {
            assert!(!is_swept(&name), "{name}");
        }
    }

    proptest! {
        /// Only names of one shape are swept, whatever else is in the folder.
        #[test]
        fn no_other_name_is_swept(
            name in prop_oneof![
                "\\PC{0,40}",
                "fg[0-9]{0,2}[_:.-]?[0-9a-fA-F]{30,34}[_:.]?(token|failure|logins|tex)?[.]?\
                 (entry|lease|count|lock|draft|alive|tex)?([.](draft|alive|entry))?",
            ],
        ) {
            let shape = |name: &str| -> Option<()> {
                let rest = name.strip_prefix("fg1_")?;
                let (hex, rest) = rest.split_at_checked(32)?;
                let is_hex = |text: &str| text.bytes().all(|b| b"0123456789abcdef".contains(&b));
                let kinds = ["_token.", "_failure.", "_logins."];
                let ending = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
                let plain = ["entry", "lease", "count", "entry.draft", "lease.draft", "count.draft"];
                let alive = ending.strip_suffix(".alive");
                let is_alive = alive.is_some_and(|owner| owner.len() == 32 && is_hex(owner));
                (is_hex(hex) && (plain.contains(&ending) || is_alive)).then_some(())
            };
            prop_assert_eq!(is_swept(&name), shape(&name).is_some(), "{}", name);
        }
    }
}
