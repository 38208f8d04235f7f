//! The folder of connections where it cannot be written or not be read: a full disk, a folder for reading, other users.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const BY_HAND: &str = r#"{"version": 1, "login_url": "acme.my.salesforce.com", "client_id": "3MVG9x", "client_secret": "hunter22-canary"}"#;
/// A user that owns nothing.
const NOBODY: u32 = 65_534;
/// Held while the program is copied and while one is run: a process that is forked meanwhile holds the copy open for
/// writing, and then it cannot be run.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A folder with a connection, and the program, where every user finds them.
struct Place {
    top: PathBuf,
    folder: PathBuf,
    program: PathBuf,
}

impl Place {
    fn new(test: &str) -> Self {
        let name = format!("forcegrant-folders-{test}-{}", std::process::id());
        let top = std::env::temp_dir().join(name);
        let folder = top.join("connections");
        fs::create_dir_all(&folder).unwrap();
        let program = top.join("forcegrant");
        {
            let _alone = ONE_AT_A_TIME.lock();
            fs::copy(env!("CARGO_BIN_EXE_forcegrant"), &program).unwrap();
        }
        fs::write(folder.join("acme.json"), BY_HAND).unwrap();
        let place = Self {
            top,
            folder,
            program,
        };
        place.chmod("", 0o755);
        place.chmod("connections", 0o700);
        place.chmod("connections/acme.json", 0o600);
        place
    }

    fn chmod(&self, name: &str, mode: u32) {
        let path = self.top.join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn is_root(&self) -> bool {
        fs::metadata(&self.top).unwrap().uid() == 0
    }

    /// Gives everything to that user.
    fn give_to(&self, user: u32) {
        for path in [&self.folder, &self.folder.join("acme.json")] {
            chown(path, Some(user), Some(user)).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .current_dir(&self.top)
            .env("FORCEGRANT_CONNECTIONS", &self.folder);
        command
    }

    /// Runs `forcegrant connections` as that user.
    fn run(&self, user: Option<u32>, arguments: &[&str]) -> Ended {
        let mut command = self.command(self.program.to_str().unwrap());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        ended(command.arg("connections").args(arguments))
    }

    fn assert_unchanged(&self) {
        let names = names(&self.folder);
        assert_eq!(names, ["acme.json"], "no draft is left");
        let text = fs::read_to_string(self.folder.join("acme.json")).unwrap();
        assert_eq!(text, BY_HAND);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.top);
    }
}

struct Ended {
    code: Option<i32>,
    text: String,
}

fn ended(command: &mut Command) -> Ended {
    let _alone = ONE_AT_A_TIME.lock();
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("hunter22"), "{text}");
    Ended {
        code: output.status.code(),
        text,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

/// As on a full disk: no file can be longer than nothing.
#[test]
fn a_full_disk_changes_nothing_and_is_said() {
    let place = Place::new("full");
    let script = r#"trap "" XFSZ; ulimit -f 0; exec "$@""#;
    let mut command = place.command("sh");
    command.args(["-c", script, "sh"]).arg(&place.program);
    let ended = ended(command.args(["connections", "label", "acme", "tenant=42"]));
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("connection_unreadable"),
        "{}",
        ended.text
    );
    assert!(ended.text.contains("too large"), "{}", ended.text);
    place.assert_unchanged();
    // With space again it works.
    let ended = place.run(None, &["label", "acme", "tenant=42"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
}

#[test]
fn a_folder_that_cannot_be_written_is_still_read() {
    let place = Place::new("read-only");
    let user = place.is_root().then_some(NOBODY);
    if let Some(user) = user {
        place.give_to(user);
    }
    place.chmod("connections", 0o500);
    let ended = place.run(user, &["show", "acme"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    for arguments in [&["label", "acme", "a=b"][..], &["remove", "acme"]] {
        let ended = place.run(user, arguments);
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(ended.text.contains("denied"), "{}", ended.text);
        assert!(ended.text.contains("chmod 700"), "{}", ended.text);
    }
    place.assert_unchanged();
}

#[test]
fn wide_modes_are_refused_with_the_cure() {
    let place = Place::new("modes");
    let user = place.is_root().then_some(NOBODY);
    if let Some(user) = user {
        place.give_to(user);
    }
    place.chmod("connections", 0o750);
    let ended = place.run(user, &["show", "acme"]);
    assert_eq!(ended.code, Some(1));
    let cure = format!("chmod 700 {}", place.folder.display());
    assert!(ended.text.contains(&cure), "{}", ended.text);
    place.chmod("connections", 0o700);
    place.chmod("connections/acme.json", 0o640);
    let ended = place.run(user, &["show", "acme"]);
    let cure = format!("chmod 600 {}", place.folder.join("acme.json").display());
    assert!(ended.text.contains(&cure), "{}", ended.text);
}

/// What root put there is read by a service of another user, and never written; what others own is refused. Needs root,
/// which the machines of CI give; the decision itself is tested beside it for every user.
#[test]
fn folders_of_other_users() {
    let place = Place::new("others");
    if !place.is_root() {
        return;
    }
    let ended = place.run(Some(NOBODY), &["show", "acme"]);
    assert_eq!(
        ended.code,
        Some(1),
        "root alone can enter it: {}",
        ended.text
    );
    place.chmod("connections", 0o755);
    place.chmod("connections/acme.json", 0o644);
    let ended = place.run(Some(NOBODY), &["show", "acme"]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let ended = place.run(Some(NOBODY), &["label", "acme", "a=b"]);
    assert!(ended.text.contains("mounted for reading"), "{}", ended.text);
    place.assert_unchanged();
    // Of a user: not for root, and not for others.
    place.give_to(NOBODY);
    for user in [None, Some(NOBODY - 1)] {
        let ended = place.run(user, &["show", "acme"]);
        assert_eq!(ended.code, Some(1), "{}", ended.text);
        assert!(
            ended.text.contains("belongs to another user"),
            "{}",
            ended.text
        );
    }
}
