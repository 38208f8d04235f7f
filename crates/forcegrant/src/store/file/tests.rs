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
    conformance::check_steps(&folder.store()).await.unwrap();
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
    let _held = store.folder.files_of(KEY).unwrap().lock().unwrap();
    let problem = store.acquire(KEY, "a", MINUTE).await.unwrap_err();
    assert_eq!(problem.to_string(), "a file stayed locked");
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
fn only_keys_of_the_contract_name_files() {
    let folder = Temporary::new();
    let store = folder.store();
    for key in ["", "../x", "a/b", "A", "a b", &"a".repeat(81)] {
        assert!(store.folder.files_of(key).is_err(), "{key}");
    }
    FileStore::new("relative").unwrap_err();
}

#[tokio::test]
async fn what_is_long_over_is_swept_and_nothing_else() {
    let folder = Temporary::new();
    let store = folder.store();
    put(&store).await;
    let old = std::time::SystemTime::now() - Duration::from_secs(5 * 24 * 3_600);
    let ours = "fg1_0123456789abcdef0123456789abcdef_token";
    let alive = "fedcba9876543210fedcba9876543210.alive";
    let swept = [
        "entry",
        "lease",
        "count",
        "entry.draft",
        "lease.draft",
        alive,
    ]
    .map(|ending| format!("{ours}.{ending}"));
    let kept = [
        format!("{ours}.lock"),
        "fg-thesis.tex".to_owned(),
        "fg.entry".to_owned(),
        "fg1_1_token.entry".to_owned(),
        "not-ours.entry".to_owned(),
    ];
    for name in swept.iter().chain(&kept) {
        let file = fs::File::create(folder.0.join(name)).unwrap();
        file.set_modified(old).unwrap();
    }
    let (young, folder_of_name, link) = (
        format!("{}.entry", ours.replace("token", "failure")),
        format!("{}.entry", ours.replace("token", "logins")),
        format!("{}.lease", ours.replace("token", "logins")),
    );
    fs::write(folder.0.join(&young), b"x").unwrap();
    fs::create_dir(folder.0.join(&folder_of_name)).unwrap();
    let target = folder.0.join("fg-thesis.tex");
    symlink(&target, folder.0.join(&link)).unwrap();
    for name in [&folder_of_name, &link] {
        let status = std::process::Command::new("touch")
            .args(["-h", "-d", "5 days ago"])
            .arg(folder.0.join(name))
            .status();
        assert!(status.unwrap().success());
    }
    // Another process, which has not swept yet.
    put(&folder.store()).await;
    let left = |name: &str| fs::symlink_metadata(folder.0.join(name)).is_ok();
    for name in &swept {
        assert!(!left(name), "{name}");
    }
    for name in kept.iter().chain([&young, &folder_of_name, &link]) {
        assert!(left(name), "{name}");
    }
    assert!(folder.file("entry").exists());
}

/// What is in the files may come from anyone who runs as this user, or from a clock that was wrong.
#[tokio::test]
async fn what_somebody_wrote_into_the_files_ends_nothing_for_good() {
    let folder = Temporary::new();
    let store = folder.store();
    let path =
        |key: &str, ending: &str| folder.0.join(format!("{}.{ending}", key.replace(':', "_")));
    let write = |key: &str, ending: &str, bytes: &[u8]| {
        let path = path(key, ending);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let whole = |fence: u64, ends: i64, bytes: &[u8]| {
        let numbers = [fence, ends.cast_unsigned(), bytes.len() as u64];
        let numbers = numbers.map(u64::to_be_bytes).concat();
        [&b"fgentry1"[..], &numbers, bytes].concat()
    };
    let (day, soon) = (24 * 3_600_000_i64, now() + 60_000);
    let large = vec![b'x'; forcegrant_proto::store::protocol::LARGEST_ENTRY + 1];
    put(&store).await;
    for (what, entry, served) in [
        ("the top fence", whole(u64::MAX, soon, b"x"), true),
        ("a fence of 53 bits", whole((1 << 53) - 1, soon, b"x"), true),
        (
            "a clock a month ahead",
            whole(soon.unsigned_abs() + 30 * day.unsigned_abs(), soon, b"x"),
            true,
        ),
        ("without an end", whole(1, i64::MAX, b"x"), false),
        ("for a month", whole(1, now() + 30 * day, b"x"), false),
        ("larger than any", whole(1, soon, &large), false),
        ("far larger than any", vec![b'x'; 100_000_000], false),
    ] {
        let attack = |key: &str| write(key, "entry", &entry);
        attack(KEY);
        assert_eq!(store.get(KEY).await.unwrap().is_some(), served, "{what}");
        let checked = conformance::check_attacked(&store, &attack).await;
        assert_eq!(checked, Ok(()), "{what}");
    }
    for (what, lease) in [
        (
            "endless",
            r#"{"owner":"x","fence":5,"from":FROM,"time":TOP}"#,
        ),
        (
            "of tomorrow",
            r#"{"owner":"x","fence":5,"from":TOMORROW,"time":10000}"#,
        ),
        (
            "the top fence",
            r#"{"owner":"x","fence":TOP,"from":FROM,"time":0}"#,
        ),
        (
            "another folder",
            r#"{"owner":"/../../x","fence":5,"from":FROM,"time":10000}"#,
        ),
        ("garbage", "{"),
    ] {
        let text = lease
            .replace("TOP", &u64::MAX.to_string())
            .replace("FROM", &now().to_string())
            .replace("TOMORROW", &(now() + day).to_string());
        let alive = Mutex::new(Vec::new());
        let attack = |key: &str| {
            write(key, "lease", text.as_bytes());
            // Its sign of life is there, and held.
            write(key, "x.alive", b"");
            let file = fs::File::open(path(key, "x.alive")).unwrap();
            fs4::FileExt::lock(&file).unwrap();
            alive.lock().unwrap().push(file);
        };
        let checked = conformance::check_attacked(&store, &attack).await;
        assert_eq!(checked, Ok(()), "{what}");
    }
    let minute = now() / 60_000;
    let text = format!(
        r#"{{"{}":3,"{}":4000000000,"{}":4000000000,"{}":4000000000}}"#,
        minute - 5,
        minute + 2,
        minute + 30,
        i64::MAX
    );
    write(KEY, "count", text.as_bytes());
    assert_eq!(store.count(KEY, 0).await.unwrap(), 3);
    for count in [&text, "{", r#"{"x":1}"#, r#"{"1":-1}"#] {
        let attack = |key: &str| write(key, "count", count.as_bytes());
        let checked = conformance::check_attacked(&store, &attack).await;
        assert_eq!(checked, Ok(()), "{count}");
    }
}
