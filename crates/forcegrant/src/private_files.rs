//! Folders and files that their owner alone can read and write, and those that somebody else mounted.

pub(crate) use self::system::{
    check_folder, check_mounted, create_folder, is_mounted, open, open_mounted,
};

#[cfg(feature = "store-file")]
pub(crate) use self::system::open_single;

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io::{Error, ErrorKind, Result};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;

    use rustix::fs::{OFlags, StatVfsMountFlags};

    const BY_OTHERS: u32 = 0o077;
    const WRITTEN_BY_OTHERS: u32 = 0o022;

    fn refused(path: &Path, why: &str) -> Error {
        let text = format!("{} {why}", path.display());
        Error::new(ErrorKind::PermissionDenied, text)
    }

    fn own_user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Makes a folder and those above it, for its owner only.
    pub(crate) fn create_folder(path: &Path) -> Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Refuses a folder that others can enter. `found` is of the path itself, not of a link's target.
    pub(crate) fn check_folder(path: &Path, found: &Metadata) -> Result<()> {
        if found.is_symlink() {
            return Err(refused(path, "is a symbolic link"));
        }
        if !found.is_dir() {
            return Err(refused(path, "is not a folder"));
        }
        if found.uid() != own_user() {
            return Err(refused(path, "belongs to another user"));
        }
        if found.mode() & BY_OTHERS != 0 {
            let why = format!("can be entered by others: chmod 700 {}", path.display());
            return Err(refused(path, &why));
        }
        Ok(())
    }

    /// Opens a file that its owner alone can read and write, and makes it so.
    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
        // Neither a link nor a pipe that nobody writes to is followed or waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        let file = options
            .mode(0o600)
            .custom_flags(i32::try_from(flags).unwrap_or_default())
            .open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(refused(path, "is not a file of its own"));
        }
        if found.uid() != own_user() {
            return Err(refused(path, "belongs to another user"));
        }
        if found.mode() & BY_OTHERS != 0 {
            let why = format!("can be read by others: chmod 600 {}", path.display());
            return Err(refused(path, &why));
        }
        Ok(file)
    }

    /// The same for a file that has no other name.
    #[cfg(feature = "store-file")]
    pub(crate) fn open_single(path: &Path, options: &mut OpenOptions) -> Result<File> {
        let file = open(path, options)?;
        if file.metadata()?.nlink() > 1 {
            return Err(refused(path, "is not a file of its own"));
        }
        Ok(file)
    }

    /// Whether the system or an administrator put this folder here for reading: it is on a read-only file system,
    /// or belongs to root and not to this user, or it is where containers find their secrets.
    pub(crate) fn is_mounted(path: &Path, found: &Metadata) -> bool {
        is_of_root_alone(found.uid(), own_user()) || is_of_container(path) || is_read_only(path)
    }

    /// Docker and Podman put secrets there, into a folder that anybody may enter; most programs in containers are root.
    fn is_of_container(path: &Path) -> bool {
        ["/run/secrets", "/var/run/secrets"]
            .iter()
            .any(|secrets| path.starts_with(secrets))
    }

    fn is_of_root_alone(owner: u32, user: u32) -> bool {
        owner == 0 && user != 0
    }

    /// Refuses what others than root and this user can change.
    pub(crate) fn check_mounted(path: &Path, found: &Metadata) -> Result<()> {
        let (owner, mode) = (found.uid(), found.mode());
        match mounted_problem(owner, own_user(), mode, || is_read_only(path)) {
            None => Ok(()),
            Some(WRITABLE) => {
                let why = format!("{WRITABLE}: chmod go-w {}", path.display());
                Err(refused(path, &why))
            }
            Some(problem) => Err(refused(path, problem)),
        }
    }

    const WRITABLE: &str = "can be written by others";

    fn mounted_problem(
        owner: u32,
        user: u32,
        mode: u32,
        is_read_only: impl FnOnce() -> bool,
    ) -> Option<&'static str> {
        if owner != 0 && owner != user {
            return Some("belongs to another user");
        }
        (mode & WRITTEN_BY_OTHERS != 0 && !is_read_only()).then_some(WRITABLE)
    }

    /// Opens a file of a mounted folder, through any links.
    pub(crate) fn open_mounted(path: &Path) -> Result<File> {
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(refused(path, "is not a file"));
        }
        check_mounted(path, &found)?;
        Ok(file)
    }

    /// Kubernetes shows 0777 for the folders of its secrets, where nobody can write.
    fn is_read_only(path: &Path) -> bool {
        let found = rustix::fs::statvfs(path);
        found.is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn secrets_of_containers_are_mounted_for_root_too() {
            for (path, expected) in [
                ("/run/secrets", true),
                ("/run/secrets/forcegrant", true),
                ("/var/run/secrets/forcegrant", true),
                ("/run/secretsx", false),
                ("/srv/run/secrets", false),
                ("/etc/my-service/connections", false),
            ] {
                assert_eq!(is_of_container(Path::new(path)), expected, "{path}");
            }
        }

        #[test]
        fn who_may_have_put_a_folder_there() {
            const ME: u32 = 1_000;
            const OTHER: u32 = 1_001;
            assert!(is_of_root_alone(0, ME));
            assert!(!is_of_root_alone(0, 0), "root's own folder");
            assert!(!is_of_root_alone(ME, ME) && !is_of_root_alone(OTHER, ME));
            // A folder of a user is not read for root.
            for (owner, user, mode, read_only, problem) in [
                (0, ME, 0o755, false, None),
                (0, ME, 0o444, false, None),
                (ME, ME, 0o700, true, None),
                (0, ME, 0o777, true, None),
                (0, ME, 0o1777, false, Some(WRITABLE)),
                (0, ME, 0o775, false, Some(WRITABLE)),
                (ME, ME, 0o722, false, Some(WRITABLE)),
                (OTHER, ME, 0o755, true, Some("belongs to another user")),
                (ME, 0, 0o700, true, Some("belongs to another user")),
            ] {
                let found = mounted_problem(owner, user, mode, || read_only);
                assert_eq!(found, problem, "{owner} {user} {mode:o} {read_only}");
            }
        }
    }
}

/// Elsewhere the user's own folders are kept from others by the system.
#[cfg(not(unix))]
mod system {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io::{Error, ErrorKind, Result};
    use std::path::Path;

    pub(crate) fn create_folder(path: &Path) -> Result<()> {
        fs::create_dir_all(path)
    }

    pub(crate) fn check_folder(path: &Path, found: &Metadata) -> Result<()> {
        if found.is_dir() && !found.is_symlink() {
            return Ok(());
        }
        let text = format!("{} is not a folder", path.display());
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> Result<File> {
        let file = options.open(path)?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        let text = format!("{} is not a file", path.display());
        Err(Error::new(ErrorKind::PermissionDenied, text))
    }

    #[cfg(feature = "store-file")]
    pub(crate) use open as open_single;

    pub(crate) fn is_mounted(_: &Path, _: &Metadata) -> bool {
        false
    }

    pub(crate) fn check_mounted(_: &Path, _: &Metadata) -> Result<()> {
        Ok(())
    }

    pub(crate) fn open_mounted(path: &Path) -> Result<File> {
        open(path, OpenOptions::new().read(true))
    }
}
