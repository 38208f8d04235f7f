//! The folder and what can be wrong with it.

mod clients;
mod text;

use super::*;
use forcegrant_proto::connection::SecretSource;
use forcegrant_proto::secret::Secret;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A folder that is removed at the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> Self {
        let name = format!("forcegrant-connections-{:016x}", getrandom::u64().unwrap());
        Self(std::env::temp_dir().join(name))
    }

    fn connections(&self) -> Connections {
        Connections::new(&self.0).unwrap()
    }

    fn with_key(&self, byte: u8) -> Connections {
        use base64::Engine as _;
        let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]);
        let environment = Environment::of([
            ("FORCEGRANT_CONNECTIONS", self.0.to_str().unwrap()),
            ("FORCEGRANT_CONNECTIONS_KEY", &key),
        ]);
        Connections::from_environment(environment).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts a file there by hand.
    fn put(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::write(&path, text).unwrap();
        chmod(&path, 0o600);
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.0).unwrap().flatten();
        let mut names: Vec<_> = files
            .map(|file| file.file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::set_permissions(&self.0, fs::Permissions::from_mode(0o700));
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn connection(id: &str) -> Connection {
    let secret = SecretSource::Text(Secret::new("hunter22-canary"));
    let id = ConnectionId::new(id).unwrap();
    Connection::new(id, "acme.my.salesforce.com", "3MVG9x", secret)
}

fn by_hand(host: &str) -> String {
    format!(
        r#"{{"version": 1, "login_url": "{host}", "client_id": "3MVG9x", "client_secret": "hunter22-canary"}}"#
    )
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn on_worker<T>(future: impl Future<Output = T>) -> T {
    crate::worker::runtime().unwrap().block_on(future)
}

#[test]
fn a_connection_is_saved_found_changed_and_removed() {
    let folder = Temporary::new();
    let connections = folder.connections();
    assert!(
        connections
            .list(&BTreeMap::new())
            .unwrap()
            .connections
            .is_empty()
    );
    let saved = connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    assert_eq!(saved.revision(), 1);
    assert!(saved.created().is_some());
    let found = connections.get("acme").unwrap();
    assert_eq!(
        saved.created(),
        found.created(),
        "in whole seconds, as it is written"
    );
    connections
        .save(connection("globex"), SaveOver::Nothing)
        .unwrap();
    assert_eq!(connections.get("acme").unwrap().client_id(), "3MVG9x");
    let changed = connections
        .set_labels("acme", &labels(&[("tenant", "42")]))
        .unwrap();
    assert_eq!(changed.revision(), 2);
    let ids = |wanted: &BTreeMap<String, String>| {
        let list = connections.list(wanted).unwrap();
        assert!(list.unreadable.is_empty(), "{:?}", list.unreadable);
        let ids = list.connections.iter().map(|found| found.id().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids(&BTreeMap::new()), ["acme", "globex"]);
    assert_eq!(ids(&labels(&[("tenant", "42")])), ["acme"]);
    assert!(ids(&labels(&[("tenant", "43")])).is_empty());
    connections.remove("acme").unwrap();
    assert_eq!(
        connections.remove("acme").unwrap_err().code(),
        "unknown_connection"
    );
    assert_eq!(ids(&BTreeMap::new()), ["globex"]);
    assert_eq!(folder.names(), ["globex.json"], "no draft is left");
}

#[test]
fn folder_and_files_are_for_their_owner_only() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    assert_eq!(mode(&folder.0), 0o700);
    assert_eq!(mode(&folder.file("acme.json")), 0o600);
    chmod(&folder.file("acme.json"), 0o640);
    let error = connections.get("acme").unwrap_err();
    let cure = format!("chmod 600 {}", folder.file("acme.json").display());
    assert_eq!(error.code(), "connection_unreadable");
    assert!(error.message().contains(&cure), "{error}");
    chmod(&folder.file("acme.json"), 0o600);
    chmod(&folder.0, 0o750);
    let cure = format!("chmod 700 {}", folder.0.display());
    for error in [
        connections.get("acme").unwrap_err(),
        connections.list(&BTreeMap::new()).unwrap_err(),
        connections.remove("acme").unwrap_err(),
        connections
            .save(connection("globex"), SaveOver::Nothing)
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), "connection_unreadable");
        assert!(error.message().contains(&cure), "{error}");
    }
}

#[test]
fn an_id_that_is_not_there_names_the_nearest() {
    let folder = Temporary::new();
    let connections = folder.connections();
    let error = connections.get("acme").unwrap_err();
    assert!(error.help().unwrap().contains("None is saved"), "{error:?}");
    for id in ["acme", "acme-uat", "globex"] {
        connections.save(connection(id), SaveOver::Nothing).unwrap();
    }
    let error = connections.get("acmee").unwrap_err();
    assert_eq!(error.code(), "unknown_connection");
    assert!(
        error.message().contains(folder.0.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(error.help(), Some("Saved are: acme, acme-uat."));
    assert_eq!(
        connections.get("Acme").unwrap_err().code(),
        "invalid_option"
    );
}

#[test]
fn what_was_changed_meanwhile_is_not_written_over() {
    let folder = Temporary::new();
    let connections = folder.connections();
    let first = connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let before = fs::read(folder.file("acme.json")).unwrap();
    let error = connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap_err();
    assert_eq!(error.code(), "connection_exists");
    assert_eq!(fs::read(folder.file("acme.json")).unwrap(), before);
    connections
        .set_labels("acme", &labels(&[("a", "b")]))
        .unwrap();
    let late = connections.save(first.clone(), SaveOver::Revision(first.revision));
    assert_eq!(late.unwrap_err().code(), "connection_exists");
    connections.remove("acme").unwrap();
    let late = connections.save(first, SaveOver::Revision(2));
    assert_eq!(late.unwrap_err().code(), "connection_exists");
    assert!(folder.names().is_empty(), "{:?}", folder.names());
}

#[test]
fn one_bad_file_spoils_itself_only() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    folder.put("broken.json", "{ hunter22");
    folder.put("empty.json", "");
    folder.put("large.json", &"x".repeat(10_000_000));
    folder.put("newer.json", r#"{"version": 2}"#);
    folder.put("Upper.json", &by_hand("acme.my.salesforce.com"));
    folder.put(
        "other.json",
        &by_hand("x").replace("\"version\"", "\"id\": \"acme\", \"version\""),
    );
    folder.put("notes.txt", "not ours");
    symlink(folder.file("acme.json"), folder.file("link.json")).unwrap();
    fs::create_dir(folder.file("folder.json")).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(folder.file("pipe.json"))
        .status();
    assert!(pipe.unwrap().success());
    let list = connections.list(&BTreeMap::new()).unwrap();
    assert_eq!(list.connections.len(), 1);
    let told: Vec<_> = list.unreadable.iter().map(Error::message).collect();
    for (name, reason) in [
        ("Upper.json", "upper-case"),
        ("broken.json", "not JSON"),
        ("empty.json", "not JSON"),
        ("folder.json", "not a file"),
        ("large.json", "64 KiB"),
        ("link.json", ""),
        ("newer.json", "newer forcegrant"),
        ("other.json", "its id is `acme`"),
        ("pipe.json", "not a file"),
    ] {
        let is_told = |text: &&str| text.contains(&format!("/{name}`")) && text.contains(reason);
        assert_eq!(
            told.iter().filter(|text| is_told(text)).count(),
            1,
            "{name}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 9, "{told:#?}");
    assert!(!format!("{list:?}").contains("hunter22"));
}

#[test]
fn a_folder_that_is_a_link_or_a_file_is_refused() {
    let folder = Temporary::new();
    folder
        .connections()
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let link = Temporary::new();
    symlink(&folder.0, &link.0).unwrap();
    let error = link.connections().get("acme").unwrap_err();
    assert!(error.message().contains("is a symbolic link"), "{error}");
    fs::remove_file(&link.0).unwrap();
    fs::write(&link.0, "").unwrap();
    let error = link.connections().get("acme").unwrap_err();
    assert!(error.message().contains("is not a folder"), "{error}");
    fs::remove_file(&link.0).unwrap();
    assert_eq!(
        Connections::new("relative").unwrap_err().code(),
        "invalid_option"
    );
}

#[test]
fn drafts_of_killed_processes_are_swept_and_nothing_else() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let hex = "0123456789abcdef0123456789abcdef";
    let old = format!(".globex.json.{hex}.draft");
    let young = format!(".globex.json.{}.draft", hex.replace('0', "f"));
    let others = [
        ".globex.json.draft".to_owned(),
        format!("globex.json.{hex}.draft"),
        ".profile".to_owned(),
    ];
    for name in others.iter().chain([&old, &young]) {
        folder.put(name, "hunter22");
        if *name != young {
            let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
            let file = fs::File::options()
                .write(true)
                .open(folder.file(name))
                .unwrap();
            file.set_modified(hour_ago).unwrap();
        }
    }
    connections
        .save(connection("initech"), SaveOver::Nothing)
        .unwrap();
    let names = folder.names();
    assert!(!names.contains(&old), "{names:?}");
    for kept in others.iter().chain([&young]) {
        assert!(names.contains(kept), "{kept}: {names:?}");
    }
}

/// Of all that save the same new id at once, one does.
#[test]
fn one_of_many_saves_a_new_id() {
    let folder = Temporary::new();
    let connections = folder.connections();
    // The folder is there, so that all begin with the file.
    connections
        .save(connection("globex"), SaveOver::Nothing)
        .unwrap();
    for round in 0..20 {
        let id = format!("acme-{round}");
        let barrier = std::sync::Barrier::new(8);
        let save = || {
            barrier.wait();
            match connections.save(connection(&id), SaveOver::Nothing) {
                Ok(_) => 1,
                Err(error) => {
                    assert_eq!(error.code(), "connection_exists");
                    0
                }
            }
        };
        let saved: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(save)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(saved, 1, "{id}");
    }
    assert_eq!(folder.names().len(), 21, "{:?}", folder.names());
}

/// As Kubernetes makes it: each file is a link through `..data`, which is a link that is replaced.
#[test]
fn a_mounted_folder_is_read_through_its_links_and_never_written() {
    let folder = Temporary::new();
    fs::create_dir(&folder.0).unwrap();
    let version = |name: &str, host: &str| {
        fs::create_dir(folder.file(name)).unwrap();
        folder.put(&format!("{name}/acme.json"), &by_hand(host));
        chmod(&folder.file(&format!("{name}/acme.json")), 0o644);
        symlink(name, folder.file("..next")).unwrap();
        fs::rename(folder.file("..next"), folder.file("..data")).unwrap();
    };
    version("..2026_1", "acme.my.salesforce.com");
    symlink("..data/acme.json", folder.file("acme.json")).unwrap();
    chmod(&folder.0, 0o755);
    let mut connections = folder.connections();
    connections.folder = connections.folder.mounted();
    let list = connections.list(&BTreeMap::new()).unwrap();
    assert_eq!(list.connections.len(), 1, "{:?}", list.unreadable);
    let before = folder.names();
    for error in [
        connections
            .set_labels("acme", &labels(&[("a", "b")]))
            .unwrap_err(),
        connections.remove("acme").unwrap_err(),
        connections
            .save(connection("globex"), SaveOver::Nothing)
            .unwrap_err(),
    ] {
        assert_eq!(error.code(), "connection_unreadable");
        assert!(error.message().contains("mounted for reading"), "{error}");
    }
    assert_eq!(folder.names(), before);
    // A running client sees the swap.
    let client = connections.client_builder("acme").unwrap().build().unwrap();
    let credentials = &client.inner.credentials;
    assert!(!credentials.has_changed());
    version("..2026_2", "globex.my.salesforce.com");
    assert!(credentials.has_changed());
    assert!(on_worker(credentials.follow("", Duration::from_secs(60))));
    assert_eq!(client.login_host(), "globex.my.salesforce.com");
    // What others can change is refused.
    chmod(&folder.file("..2026_2/acme.json"), 0o666);
    let error = connections.get("acme").unwrap_err();
    assert!(error.message().contains("chmod go-w"), "{error}");
    chmod(&folder.file("..2026_2/acme.json"), 0o644);
    chmod(&folder.0, 0o777);
    let error = connections.get("acme").unwrap_err();
    assert!(error.message().contains("chmod go-w"), "{error}");
}

#[test]
fn variables_that_are_read_are_handed_down() {
    let names: Vec<_> = Environment::names().collect();
    for name in [
        "FORCEGRANT_CONNECTION",
        location::FOLDER,
        secrets::KEY,
        secrets::KEY_FILE,
        "HOME",
        "XDG_CONFIG_HOME",
        "LOCALAPPDATA",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}
