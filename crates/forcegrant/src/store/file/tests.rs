//! The folder and what can be wrong with it. The contract itself is checked by the conformance suite.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::store::conformance;

/// A folder that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let name = format!("forcegrant-store-{:016x}", getrandom::u64().unwrap());
        Self(std::env::temp_dir().join(name))
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.0).unwrap()
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.0.join(format!("fg1_0_token.{ending}"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.0);
    }
}

const KEY: &str = "fg1:0:token";
const MINUTE: Duration = Duration::from_secs(60);

fn lease(fence: u64) -> Lease {
    Lease {
        owner: "a".to_owned(),
        fence,
    }
}

async fn entry(store: &FileStore) -> Option<Vec<u8>> {
    Some(store.get(KEY).await.unwrap()?.entry)
}

async fn put(store: &FileStore) {
    let put = store.put(KEY, b"sealed", MINUTE, &lease(1)).await;
    assert_eq!(put.unwrap(), Put::Stored);
}

#[tokio::test]
async fn it_keeps_the_contract() {
    let folder = Temporary::new();
    conformance::check(&folder.store()).await.unwrap();
}

#[tokio::test]
async fn damaged_entries_are_none() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let whole = fs::read(folder.file("entry")).unwrap();
    for length in 0..whole.len() {
        fs::write(folder.file("entry"), &whole[..length]).unwrap();
        assert_eq!(entry(&store).await, None, "cut at {length}");
    }
    fs::write(folder.file("entry"), b"of another program").unwrap();
    assert_eq!(entry(&store).await, None);
    // And what is damaged is in nobody's way.
    for ending in ["lease", "count"] {
        fs::write(folder.file(ending), b"{").unwrap();
        fs::set_permissions(folder.file(ending), fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert!(matches!(
        store.acquire(KEY, "a", MINUTE).await.unwrap(),
        Acquired::Granted { .. }
    ));
    assert_eq!(store.count(KEY, 1).await.unwrap(), 1);
}

#[tokio::test]
async fn folder_and_files_are_for_their_owner_only() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    store.acquire(KEY, "a", MINUTE).await.unwrap();
    store.count(KEY, 1).await.unwrap();
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    let files: Vec<_> = fs::read_dir(&folder.0).unwrap().flatten().collect();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn what_others_may_touch_is_refused() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let problem = async || store.get(KEY).await.unwrap_err().to_string();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(problem().await.contains("chmod 700"));
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(folder.file("entry"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(problem().await.contains("chmod 600"));
}

#[tokio::test]
async fn links_and_pipes_are_refused() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let target = folder.0.join("elsewhere");
    fs::rename(folder.file("entry"), &target).unwrap();
    symlink(&target, folder.file("entry")).unwrap();
    store.get(KEY).await.unwrap_err();
    fs::remove_file(folder.file("entry")).unwrap();
    fs::hard_link(&target, folder.file("entry")).unwrap();
    let problem = store.get(KEY).await.unwrap_err().to_string();
    assert!(problem.contains("not a file of its own"), "{problem}");
    fs::remove_file(folder.file("entry")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(folder.file("entry"))
        .status();
    assert!(pipe.unwrap().success());
    store.get(KEY).await.unwrap_err();

    let link = Temporary::new();
    symlink(&folder.0, &link.0).unwrap();
    let problem = link.store().get(KEY).await.unwrap_err().to_string();
    assert!(problem.contains("symbolic link"), "{problem}");
    fs::remove_file(&link.0).unwrap();
}

#[tokio::test]
async fn a_lock_that_stays_locked_is_an_error_in_good_time() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let _held = store.folder.place(KEY).unwrap().lock().unwrap();
    let problem = store.acquire(KEY, "a", MINUTE).await.unwrap_err();
    assert_eq!(problem.to_string(), "a file stays locked");
    assert_eq!(
        entry(&store).await.unwrap(),
        b"sealed",
        "reading needs none"
    );
}

/// What a killed process leaves: a lease that is not over, and a sign of life that nobody holds.
#[tokio::test]
async fn the_lease_of_a_dead_holder_is_free_at_once() {
    let folder = Temporary::new();
    let dead = folder.store();
    let granted = dead.acquire(KEY, "dead", MINUTE).await.unwrap();
    let Acquired::Granted { fence } = granted else {
        panic!("{granted:?}")
    };
    let store = folder.store();
    assert!(matches!(
        store.acquire(KEY, "next", MINUTE).await.unwrap(),
        Acquired::Held { fence: held, .. } if held == fence
    ));
    drop(dead);
    let next = store.acquire(KEY, "next", MINUTE).await.unwrap();
    assert!(matches!(next, Acquired::Granted { fence: greater } if greater > fence));
    assert!(!folder.file("dead.alive").exists());
}

#[tokio::test]
async fn fences_grow_though_files_are_lost() {
    let folder = Temporary::new();
    let store = folder.store();
    let mut last = 0;
    for owner in ["a", "b", "c"] {
        let Acquired::Granted { fence } = store.acquire(KEY, owner, MINUTE).await.unwrap() else {
            panic!("nobody has it")
        };
        assert!(fence > last);
        last = fence;
        let ended = Lease {
            owner: owner.to_owned(),
            fence,
        };
        store.release(KEY, &ended).await.unwrap();
        fs::remove_file(folder.file("lease")).unwrap();
        // The next millisecond.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn a_clock_that_was_stepped_back_makes_no_lease_longer() {
    let held = lease::Held::new("a", 0, 1_000_000, 10_000);
    assert_eq!(held.left(1_004_000), 6_000);
    assert_eq!(held.left(1_011_000), 0);
    assert_eq!(held.left(500_000), 10_000);
    assert!(!held.ended().is_held(1_000_000));
}

#[test]
fn only_keys_of_the_contract_name_files() {
    let folder = Temporary::new();
    let store = folder.store();
    for key in ["", "../x", "a/b", "A", "a b", &"a".repeat(81)] {
        assert!(store.folder.place(key).is_err(), "{key}");
    }
    FileStore::new("relative").unwrap_err();
}

#[tokio::test]
async fn what_is_long_over_is_swept() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let old = std::time::SystemTime::now() - Duration::from_secs(4 * 24 * 3_600);
    for name in ["fg1_1_token.entry", "fg1_1_token.lock", "not-ours.entry"] {
        let file = fs::File::create(folder.0.join(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    // Another process, which has not swept yet.
    put(&folder.store()).await;
    let left = |name: &str| folder.0.join(name).exists();
    assert!(!left("fg1_1_token.entry"));
    assert!(left("fg1_1_token.lock") && left("not-ours.entry"));
    assert!(folder.file("entry").exists());
}
