//! The folder, and how files in it are opened, replaced and locked.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use fs4::FileExt;

/// No file of this store comes near this; what is longer is not read.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// How long a lock is waited for. It is held for a few file operations only, so a holder that takes
/// longer hangs or was stopped.
const PATIENCE: Duration = Duration::from_millis(800);

/// How often what is over is looked for, in milliseconds.
const SWEEP: i64 = 3_600_000;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// The last time that files were swept, by the wall clock.
    swept: AtomicI64,
}

/// The files of one key.
pub(super) struct Place<'a> {
    folder: &'a Folder,
    name: String,
}

/// A lock, held.
pub(super) struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // Not by closing it alone: a forked child may have inherited the file.
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

    /// The files of this key, after a look at the folder: it is made if it is not there, and
    /// refused if others could write to it.
    pub(super) fn place(&self, key: &str) -> Result<Place<'_>> {
        let known = |c: char| matches!(c, '0'..='9' | 'a'..='z' | '.' | ':' | '-');
        if key.is_empty() || key.len() > 80 || !key.chars().all(known) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "this key names no file",
            ));
        }
        match fs::symlink_metadata(&self.path) {
            Ok(found) => private::check_folder(&self.path, &found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                private::create_folder(&self.path)?;
                private::check_folder(&self.path, &fs::symlink_metadata(&self.path)?)?;
            }
            Err(error) => return Err(error),
        }
        Ok(Place {
            folder: self,
            // A colon is not for Windows.
            name: key.replace(':', "_"),
        })
    }

    /// Removes what is over: entries past their end, and files that a killed process left.
    pub(super) fn sweep(&self, now: i64) {
        let last = self.swept.load(Ordering::Relaxed);
        if now.saturating_sub(last) < SWEEP {
            return;
        }
        self.swept.store(now, Ordering::Relaxed);
        let Ok(files) = fs::read_dir(&self.path) else {
            return;
        };
        let old = |file: &fs::DirEntry| {
            let changed = file.metadata().and_then(|found| found.modified());
            let age = changed.map(|at| SystemTime::now().duration_since(at).unwrap_or_default());
            // Longer than any token is shared for: nothing here is in use any more.
            age.is_ok_and(|age| age > Duration::from_secs(3 * 24 * 3_600))
        };
        for file in files.flatten().filter(old) {
            let path = file.path();
            let name = file.file_name();
            let ours = name.to_str().is_some_and(|name| name.starts_with("fg"));
            // A lock stays: another may hold it, and would then share it with nobody.
            if ours && path.extension().is_none_or(|kind| kind != "lock") {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Place<'_> {
    pub(super) fn folder(&self) -> &Folder {
        self.folder
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.path.join(format!("{}.{ending}", self.name))
    }

    /// Waits for the lock of this place.
    pub(super) fn lock(&self) -> Result<Locked> {
        let file = private::open(
            &self.path("lock"),
            OpenOptions::new().write(true).create(true),
        )?;
        let begun = Instant::now();
        loop {
            match FileExt::try_lock(&file) {
                Ok(()) => return Ok(Locked(file)),
                Err(fs4::TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Err(fs4::TryLockError::WouldBlock) => {
                    return Err(Error::new(ErrorKind::TimedOut, "a file stays locked"));
                }
                Err(fs4::TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The whole file. `None`: it is not there.
    pub(super) fn read(&self, ending: &str) -> Result<Option<Vec<u8>>> {
        let file = match private::open(&self.path(ending), OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Puts a whole file in place of the one there: readers see the one or the other.
    pub(super) fn replace(&self, ending: &str, bytes: &[u8]) -> Result<()> {
        // Only the holder of the lock writes, so one name for it is enough; what a killed process
        // left there is written over.
        let draft = self.path(&format!("{ending}.draft"));
        let _ = fs::remove_file(&draft);
        let mut file = private::open(&draft, OpenOptions::new().write(true).create_new(true))?;
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
        private::open(
            &self.path(ending),
            OpenOptions::new().write(true).create(create),
        )
    }

    pub(super) fn remove(&self, ending: &str) {
        let _ = fs::remove_file(self.path(ending));
    }
}

/// The cache folder of the user, by the customs of the system.
pub(super) fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    if cfg!(windows) {
        return folder("LOCALAPPDATA");
    }
    if cfg!(target_os = "macos") {
        return Some(folder("HOME")?.join("Library").join("Caches"));
    }
    folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))
}

/// Files for their owner only.
#[cfg(unix)]
mod private {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io::{Error, ErrorKind, Result};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;

    fn refused(path: &Path, why: &str) -> Error {
        let text = format!("{} {why}", path.display());
        Error::new(ErrorKind::PermissionDenied, text)
    }

    fn is_own(found: &Metadata) -> bool {
        found.uid() == rustix::process::geteuid().as_raw()
    }

    pub(super) fn create_folder(path: &Path) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    pub(super) fn check_folder(path: &Path, found: &Metadata) -> Result<()> {
        if found.is_symlink() {
            return Err(refused(path, "is a symbolic link"));
        }
        if !found.is_dir() {
            return Err(refused(path, "is not a folder"));
        }
        if !is_own(found) {
            return Err(refused(path, "belongs to another user"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(refused(path, "can be entered by others (chmod 700 it)"));
        }
        Ok(())
    }

    pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
        // Neither a link nor a pipe that nobody writes to is followed or waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = options
            .mode(0o600)
            .custom_flags(i32::try_from(flags).unwrap_or_default())
            .open(path)?;
        let found = file.metadata()?;
        if !found.is_file() || found.nlink() > 1 {
            return Err(refused(path, "is not a file of its own"));
        }
        if !is_own(&found) {
            return Err(refused(path, "belongs to another user"));
        }
        if found.mode() & 0o077 != 0 {
            return Err(refused(path, "can be read by others (chmod 600 it)"));
        }
        Ok(file)
    }
}

/// Elsewhere the user's own folders are kept from others by the system.
#[cfg(not(unix))]
mod private {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io::{Error, ErrorKind, Result};
    use std::path::Path;

    pub(super) fn create_folder(path: &Path) -> Result<()> {
        fs::create_dir_all(path)
    }

    pub(super) fn check_folder(path: &Path, found: &Metadata) -> Result<()> {
        if found.is_dir() && !found.is_symlink() {
            return Ok(());
        }
        let text = format!("{} is not a folder", path.display());
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    pub(super) fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
        let file = options.open(path)?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        let text = format!("{} is not a file", path.display());
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }
}
