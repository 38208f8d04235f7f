//! The files of a folder of connections: read within bounds, and replaced whole.

use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use zeroize::Zeroizing;

use crate::credentials::Stamp;
use crate::private_files;
use forcegrant_proto::connection::{ConnectionId, MAX_CONNECTION_BYTES};
use forcegrant_proto::error::{Error, ErrorCode};

const ENDING: &str = ".json";

/// A draft that is older was left by a process that was killed.
const MAX_DRAFT_AGE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct ConnectionFolder {
    path: PathBuf,
    /// As if it were mounted: a test cannot mount anything.
    #[cfg(test)]
    is_mounted: bool,
}

/// What happens to a file that is there when one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Keep,
    Replace,
}

/// By which rules a folder is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FolderRules {
    /// The user's own: for this user alone.
    Own,
    /// Put there for reading.
    Mounted,
}

impl ConnectionFolder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            #[cfg(test)]
            is_mounted: false,
        }
    }

    #[cfg(test)]
    pub(super) fn mounted(mut self) -> Self {
        self.is_mounted = true;
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a connection.
    pub(super) fn file(&self, id: &ConnectionId) -> PathBuf {
        self.path.join(format!("{id}{ENDING}"))
    }

    /// The ids of all files in order; for a file whose name is not an id, the error.
    pub(super) fn names(&self) -> Result<Vec<Result<ConnectionId, Error>>, Error> {
        if self.rules()?.is_none() {
            return Ok(Vec::new());
        }
        let files = fs::read_dir(&self.path).map_err(|error| unusable(&self.path, &error))?;
        let mut names: Vec<_> = files
            .flatten()
            .filter_map(|file| file.file_name().into_string().ok())
            // Drafts, and what Kubernetes keeps beside the files.
            .filter(|name| !name.starts_with('.'))
            .filter_map(|name| name.strip_suffix(ENDING).map(str::to_owned))
            .collect();
        names.sort_unstable();
        let id = |name: String| {
            ConnectionId::new(&name).map_err(|error| {
                let file = self.path.join(format!("{name}{ENDING}"));
                unreadable(
                    &file,
                    &format!("its name is not an id: {}", error.message()),
                )
                .with_help(error.help().unwrap_or_default())
            })
        };
        Ok(names.into_iter().map(id).collect())
    }

    /// The whole text. `None`: there is none.
    pub(super) fn read(&self, id: &ConnectionId) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let Some(rules) = self.rules()? else {
            return Ok(None);
        };
        let path = self.file(id);
        let file = match rules {
            FolderRules::Own => private_files::open(&path, OpenOptions::new().read(true)),
            FolderRules::Mounted => private_files::open_mounted(&path),
        };
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(&path, &error)),
        };
        // One byte more, which shows that it is too long.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CONNECTION_BYTES + 2));
        let read = file
            .take(MAX_CONNECTION_BYTES as u64 + 1)
            .read_to_end(&mut bytes);
        read.map_err(|error| unusable(&path, &error))?;
        Ok(Some(bytes))
    }

    /// Writes a file whole, so that readers see the old one or the new one. `false`: the existing one was kept, or
    /// `is_as_expected` said no, which is asked last.
    pub(super) fn write(
        &self,
        id: &ConnectionId,
        bytes: &[u8],
        existing: Existing,
        is_as_expected: impl Fn() -> Result<bool, Error>,
    ) -> Result<bool, Error> {
        let path = self.file(id);
        let failed = |error: io::Error| unusable(&path, &error);
        self.make_writable()?;
        self.sweep();
        let draft = self.path.join(
            draft_name(id)
                .ok_or_else(|| failed(io::Error::other("the system has no random numbers")))?,
        );
        let mut file = private_files::open(&draft, OpenOptions::new().write(true).create_new(true))
            .map_err(failed)?;
        let draft = Draft(draft);
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
        drop(file);
        if !is_as_expected()? {
            return Ok(false);
        }
        let is_written = match existing {
            Existing::Keep => link_or_rename(&draft.0, &path).map_err(failed)?,
            Existing::Replace => fs::rename(&draft.0, &path).map(|()| true).map_err(failed)?,
        };
        drop(draft);
        self.sync();
        Ok(is_written)
    }

    /// `false`: there is none.
    pub(super) fn remove(&self, id: &ConnectionId) -> Result<bool, Error> {
        let path = self.file(id);
        match self.rules()? {
            None => return Ok(false),
            Some(FolderRules::Mounted) => return Err(self.mounted_for_reading()),
            Some(FolderRules::Own) => {}
        }
        match fs::remove_file(&path) {
            Ok(()) => {
                self.sync();
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// What changes with the file, by its metadata only. `None`: it is not there.
    pub(super) fn stamp(&self, id: &ConnectionId) -> Option<Stamp> {
        Stamp::of(&self.file(id))
    }

    /// Whether connections can be saved here.
    pub(super) fn is_writable(&self) -> bool {
        matches!(self.rules(), Ok(None | Some(FolderRules::Own)))
    }

    /// `None`: the folder is not there.
    fn rules(&self) -> Result<Option<FolderRules>, Error> {
        let path = &self.path;
        let found = match fs::metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(path, &error)),
        };
        let is_mounted = private_files::is_mounted(path, &found);
        #[cfg(test)]
        let is_mounted = is_mounted || self.is_mounted;
        let (rules, check) = if is_mounted {
            (
                FolderRules::Mounted,
                private_files::check_mounted(path, &found),
            )
        } else {
            let itself = fs::symlink_metadata(path);
            let check = |found: Metadata| private_files::check_folder(path, &found);
            (FolderRules::Own, itself.and_then(check))
        };
        check.map_err(|error| unusable(path, &error))?;
        Ok(Some(rules))
    }

    fn make_writable(&self) -> Result<(), Error> {
        match self.rules()? {
            Some(FolderRules::Own) => Ok(()),
            Some(FolderRules::Mounted) => Err(self.mounted_for_reading()),
            None => {
                let made = private_files::create_folder(&self.path);
                made.map_err(|error| unusable(&self.path, &error))?;
                self.rules().map(drop)
            }
        }
    }

    /// Removes drafts that killed processes left. They hold secrets.
    fn sweep(&self) {
        let Ok(files) = fs::read_dir(&self.path) else {
            return;
        };
        for file in files.flatten() {
            let is_draft = file.file_name().to_str().is_some_and(is_draft_name);
            if is_draft && file.metadata().is_ok_and(|found| is_left(&found)) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Without it a power failure could bring the old file back. Where a folder cannot be synchronised, it may.
    fn sync(&self) {
        if let Ok(folder) = fs::File::open(&self.path) {
            let _ = folder.sync_all();
        }
    }

    fn mounted_for_reading(&self) -> Error {
        unreadable(&self.path, "this folder is mounted for reading")
            .with_help("Change the connections where they come from, or save them in a folder of your own (FORCEGRANT_CONNECTIONS).")
    }
}

/// A draft, which is removed at the end if it still has its name.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Gives a draft its name if no file has it. `false`: one has.
fn link_or_rename(draft: &Path, path: &Path) -> io::Result<bool> {
    match fs::hard_link(draft, path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(_) if fs::symlink_metadata(path).is_ok() => Ok(false),
        // A file system without links. Two processes that save the same new id at once both succeed there, and the
        // later one stays.
        Err(_) => fs::rename(draft, path).map(|()| true),
    }
}

fn draft_name(id: &ConnectionId) -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(format!(
        ".{id}{ENDING}.{:032x}.draft",
        u128::from_be_bytes(bytes)
    ))
}

fn is_draft_name(name: &str) -> bool {
    let rest = name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_suffix(".draft"));
    let Some((file, random)) = rest.and_then(|rest| rest.rsplit_once('.')) else {
        return false;
    };
    let is_random = random.len() == 32
        && random
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let id = file.strip_suffix(ENDING);
    is_random && id.is_some_and(|id| ConnectionId::new(id).is_ok())
}

fn is_left(found: &Metadata) -> bool {
    let changed = found.modified().ok();
    let age = changed.and_then(|at| SystemTime::now().duration_since(at).ok());
    found.is_file() && age.is_some_and(|age| age > MAX_DRAFT_AGE)
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    unreadable(path, &error.to_string())
}

fn unreadable(path: &Path, reason: &str) -> Error {
    let place = path.display().to_string();
    // Some reasons begin with the path.
    let reason = reason.strip_prefix(&place).map_or(reason, str::trim_start);
    Error::new(
        ErrorCode::ConnectionUnreadable,
        format!("the connection file or folder `{place}` cannot be used: {reason}"),
    )
    .with_help("Connections are for this user alone: chmod 700 for their folder and 600 for their files, which this user owns.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_known_by_its_exact_name() {
        let id = ConnectionId::new("acme.uat").unwrap();
        let name = draft_name(&id).unwrap();
        assert!(is_draft_name(&name), "{name}");
        let hex = "0123456789abcdef0123456789abcdef";
        for other in [
            "acme.uat.json".to_owned(),
            format!("acme.uat.json.{hex}.draft"),
            format!(".acme.uat.json.{hex}.draft.bak"),
            format!(".acme.uat.json.{hex}"),
            format!(".acme.uat.json.{}.draft", &hex[1..]),
            format!(".acme.uat.json.{}.draft", hex.to_uppercase()),
            format!(".acme.uat.{hex}.draft"),
            format!(".Acme.json.{hex}.draft"),
            format!("..json.{hex}.draft"),
            format!(".{hex}.draft"),
            ".draft".to_owned(),
        ] {
            assert!(!is_draft_name(&other), "{other}");
        }
    }
}
