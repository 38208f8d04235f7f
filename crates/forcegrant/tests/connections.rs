//! Connections against the emulator: verified first and saved last; and their folder under several processes.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use common::emulator;
use forcegrant::connections::{Authorization, Connection, Connections};
use forcegrant::{Client, ClientBuilder, Error, InputField, Proxy, Roots, Token};
use forcegrant_emulator::Emulator;
use serde_json::{Value, json};

/// An empty folder of this test's own.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("connections-{test}"));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn connections(test: &str) -> Connections {
    Connections::new(folder(test)).unwrap()
}

/// How a client reaches the emulator.
fn reach(emulator: &Emulator) -> impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static {
    let (host, address) = (emulator.default_org().my_domain, emulator.https_addr());
    let roots = emulator.ca_pem().as_bytes().to_vec();
    move |builder| {
        builder
            .resolve(host.as_str(), address)
            .roots(Roots::Pem(roots.clone()))
            .proxy(Proxy::None)
            .retry_backoff(Duration::from_millis(1))
    }
}

fn authorize(connections: &Connections, emulator: &Emulator) -> Authorization {
    let org = emulator.default_org();
    connections
        .authorize("acme")
        .login_url(org.my_domain)
        .client_id(org.client_id)
        .client_secret(org.client_secret)
        .options(reach(emulator))
}

fn client(connections: &Connections, emulator: &Emulator) -> Client {
    let builder = connections.client_builder("acme").unwrap();
    reach(emulator)(builder).build().unwrap()
}

fn text(connections: &Connections) -> String {
    fs::read_to_string(connections.folder().join("acme.json")).unwrap()
}

fn change(connections: &Connections, edit: impl FnOnce(&mut Value)) {
    let mut fields = serde_json::from_str(&text(connections)).unwrap();
    edit(&mut fields);
    let next = connections.folder().join("next");
    fs::write(&next, fields.to_string()).unwrap();
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(next, connections.folder().join("acme.json")).unwrap();
}

fn assert_shows_no_secret(shown: &str, emulator: &Emulator) {
    assert!(
        !shown.contains(&emulator.default_org().client_secret),
        "{shown}"
    );
}

#[tokio::test]
async fn what_was_verified_is_saved_and_used() {
    let (emulator, connections) = (emulator(), connections("saved"));
    let org = emulator.default_org();
    let labels = BTreeMap::from([("tenant".to_owned(), "42".to_owned())]);
    // As people paste it.
    let pasted = format!(" https://{}/lightning/page/home\n", org.my_domain);
    let authorization = authorize(&connections, &emulator)
        .login_url(pasted)
        .labels(labels)
        .name("Käse");
    let saved = authorization.verify_and_save().await.unwrap();
    assert_eq!(saved.org_id(), Some(org.org_id.as_str()));
    assert_eq!(saved.user_id(), Some(org.user_id.as_str()));
    assert!(saved.verified().is_some() && saved.revision() == 1);
    assert_shows_no_secret(&format!("{saved:?}"), &emulator);
    let found = connections.get("acme").unwrap();
    assert_eq!(found.login_url(), org.my_domain);
    assert_eq!(
        (found.name(), found.labels()["tenant"].as_str()),
        (Some("Käse"), "42")
    );
    let client = client(&connections, &emulator);
    client.token().await.unwrap();
    assert_eq!(
        client.token().await.unwrap().org_id(),
        Some(org.org_id.as_str())
    );
    let verified = connections
        .verify_with("acme", reach(&emulator))
        .await
        .unwrap();
    assert_eq!(verified.revision(), 2);
    assert_eq!(connections.get("acme").unwrap().revision(), 2);
}

#[test]
fn threads_verify_and_save_too() {
    let (emulator, connections) = (emulator(), connections("blocking"));
    let saved = authorize(&connections, &emulator)
        .blocking_verify_and_save()
        .unwrap();
    assert_eq!(saved.revision(), 1);
    let verified = connections
        .blocking_verify_with("acme", reach(&emulator))
        .unwrap();
    assert_eq!(verified.revision(), 2);
    let unknown = connections.blocking_verify("acne").unwrap_err();
    assert_eq!(unknown.code(), "unknown_connection");
}

#[tokio::test]
async fn a_refused_authorization_changes_nothing() {
    let (emulator, connections) = (emulator(), connections("refused"));
    let refused = authorize(&connections, &emulator).client_secret("hunter22-canary");
    let error = refused.verify_and_save().await.unwrap_err();
    assert_eq!(error.code(), "invalid_client_secret");
    assert_eq!(error.field().unwrap().as_str(), "client_secret");
    assert!(!connections.folder().exists(), "nothing was saved");
    authorize(&connections, &emulator)
        .verify_and_save()
        .await
        .unwrap();
    let before = text(&connections);
    for (change, code, field) in [
        (
            (|a| a.client_secret("hunter22-canary")) as fn(Authorization) -> Authorization,
            "invalid_client_secret",
            Some("client_secret"),
        ),
        (
            |a| a.client_id("3MVG9nobody"),
            "invalid_client_id",
            Some("client_id"),
        ),
        (
            |a| a.login_url("acme"),
            "invalid_login_url",
            Some("login_url"),
        ),
        (
            |a| a.login_url("evil.example"),
            "untrusted_host",
            Some("login_url"),
        ),
        (
            |a| a.client_secret(""),
            "missing_credentials",
            Some("client_secret"),
        ),
        (|a| a.replace(false), "connection_exists", None),
    ] {
        let authorization = change(authorize(&connections, &emulator).replace(true));
        let error = authorization.verify_and_save().await.unwrap_err();
        assert_eq!(error.code(), code);
        assert_eq!(error.field().map(InputField::as_str), field, "{code}");
        assert_eq!(text(&connections), before, "{code}");
        let shown = format!("{error:?} {error} {:?}", error.help());
        assert!(!shown.contains("hunter22"), "{shown}");
    }
    // One that is there already costs no login.
    let logins = emulator.counters().token_requests;
    let again = authorize(&connections, &emulator).verify_and_save().await;
    assert_eq!(again.unwrap_err().code(), "connection_exists");
    assert_eq!(emulator.counters().token_requests, logins);
}

#[tokio::test]
async fn what_is_not_given_stays() {
    let (emulator, connections) = (emulator(), connections("stays"));
    for (set, field) in [
        (connections.authorize("acme"), "client_secret"),
        (
            connections.authorize("acme").client_secret("x"),
            "login_url",
        ),
        (
            connections
                .authorize("acme")
                .client_secret("x")
                .login_url("y"),
            "client_id",
        ),
    ] {
        let error = set.verify_and_save().await.unwrap_err();
        assert_eq!(error.code(), "missing_credentials");
        assert_eq!(error.field().unwrap().as_str(), field);
    }
    let first = authorize(&connections, &emulator)
        .name("first")
        .verify_and_save()
        .await
        .unwrap();
    change(&connections, |fields| {
        fields["team"] = json!("of the user's own");
    });
    let again = connections
        .authorize("acme")
        .replace(true)
        .options(reach(&emulator));
    let again = again.name("second").verify_and_save().await.unwrap();
    assert_eq!((again.name(), again.revision()), (Some("second"), 2));
    // Whole seconds are saved.
    let seconds = |time: Option<SystemTime>| {
        time.unwrap()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    assert_eq!(seconds(again.created()), seconds(first.created()));
    let fields: Value = serde_json::from_str(&text(&connections)).unwrap();
    assert_eq!(
        fields["client_secret"],
        emulator.default_org().client_secret
    );
    assert_eq!(fields["team"], "of the user's own");
    // A file that cannot be read is replaced by a whole new connection only.
    fs::write(connections.folder().join("acme.json"), "{").unwrap();
    let part = connections.authorize("acme").replace(true).name("third");
    assert_eq!(
        part.verify_and_save().await.unwrap_err().code(),
        "connection_unreadable"
    );
    let whole = authorize(&connections, &emulator).replace(true);
    whole.verify_and_save().await.unwrap();
}

#[tokio::test]
async fn another_org_is_refused_unless_told() {
    let (emulator, connections) = (emulator(), connections("other-org"));
    authorize(&connections, &emulator)
        .verify_and_save()
        .await
        .unwrap();
    change(&connections, |fields| {
        fields["org_id"] = json!("00D000000000001AAA");
    });
    let before = text(&connections);
    let other_org = |error: &Error| {
        assert_eq!(error.code(), "other_org");
        let org = emulator.default_org().org_id;
        let names_both =
            error.message().contains("00D000000000001AAA") && error.message().contains(&org);
        assert!(names_both, "{error}");
    };
    other_org(
        &connections
            .verify_with("acme", reach(&emulator))
            .await
            .unwrap_err(),
    );
    let again = || {
        connections
            .authorize("acme")
            .replace(true)
            .options(reach(&emulator))
    };
    other_org(&again().verify_and_save().await.unwrap_err());
    assert_eq!(text(&connections), before);
    let told = again().other_org(true).verify_and_save().await.unwrap();
    assert_eq!(told.org_id(), Some(emulator.default_org().org_id.as_str()));
}

/// A client that runs follows what is saved, at its next login.
#[tokio::test]
async fn a_running_client_follows() {
    let (emulator, connections) = (emulator(), connections("running"));
    let org = emulator.default_org();
    authorize(&connections, &emulator)
        .verify_and_save()
        .await
        .unwrap();
    let client = client(&connections, &emulator);
    let end_session = |client: &Client, token: &Token| {
        emulator.control(json!({"op": "kill_sessions"})).unwrap();
        assert!(client.invalidate(token));
    };
    let token = client.token().await.unwrap();
    let remove = json!({"op": "remove_key", "client_id": org.client_id});
    emulator.control(remove).unwrap();
    let rotate = json!({
        "op": "add_key", "client_id": org.client_id, "client_secret": "a-second-secret-of-the-app",
    });
    emulator.control(rotate).unwrap();
    let again = connections
        .authorize("acme")
        .replace(true)
        .options(reach(&emulator));
    again
        .client_secret("a-second-secret-of-the-app")
        .verify_and_save()
        .await
        .unwrap();
    assert!(client.token().await.unwrap().is(&token), "the token stays");
    end_session(&client, &token);
    let token = client.token().await.unwrap();
    // Removed: the token at hand serves on, and the next login fails.
    connections.remove("acme").unwrap();
    assert!(client.token().await.unwrap().is(&token));
    end_session(&client, &token);
    let requests = emulator.counters().token_requests;
    for _ in 0..2 {
        assert_eq!(
            client.token().await.unwrap_err().code(),
            "unknown_connection"
        );
    }
    assert_eq!(emulator.counters().token_requests, requests);
    // Saved again: no remembered failure is in the way.
    let back = authorize(&connections, &emulator).client_secret("a-second-secret-of-the-app");
    back.verify_and_save().await.unwrap();
    client.token().await.unwrap();
}

/// Another host: nothing that is known belongs to it, though its login fails.
#[tokio::test]
async fn another_host_starts_afresh() {
    let (emulator, connections) = (emulator(), connections("other-host"));
    authorize(&connections, &emulator)
        .verify_and_save()
        .await
        .unwrap();
    let clock = forcegrant::TestClock::starting_now();
    let builder = connections.client_builder("acme").unwrap();
    let closed = "127.0.0.1:9".parse().unwrap();
    let client = reach(&emulator)(builder)
        .resolve("globex.my.salesforce.com", closed)
        .max_attempts(1)
        .clock(clock.clone())
        .build()
        .unwrap();
    client.token().await.unwrap();
    change(&connections, |fields| {
        fields["login_url"] = json!("globex.my.salesforce.com");
    });
    // Past the estimated end, where a login that fails leaves the callers the token of the same org.
    clock.advance(Duration::from_secs(1_900));
    let _ = client.token().await;
    client.wait_idle().await;
    assert_eq!(client.token().await.unwrap_err().code(), "connect_failed");
    assert_eq!(client.login_host(), "globex.my.salesforce.com");
}

const WORKER: &str = "FORCEGRANT_TEST_CONNECTIONS";

/// Changes the labels of a connection so often, and says so each time. It is a test of its own only when it is started
/// by one of those below.
#[test]
fn worker() {
    let Ok(set_up) = std::env::var(WORKER) else {
        return;
    };
    let set_up: Value = serde_json::from_str(&set_up).unwrap();
    let connections = Connections::new(set_up["folder"].as_str().unwrap()).unwrap();
    let id = set_up["id"].as_str().unwrap();
    for change in 0..set_up["changes"].as_u64().unwrap() {
        let labels = BTreeMap::from([("change".to_owned(), change.to_string())]);
        connections.set_labels(id, &labels).unwrap();
        println!("worker: {change}");
    }
}

fn start(connections: &Connections, id: &str, changes: u64) -> Child {
    let set_up = json!({"folder": connections.folder(), "id": id, "changes": changes});
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--nocapture"])
        .env(WORKER, set_up.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Puts a connection there by hand.
fn put(connections: &Connections, id: &str) {
    fs::create_dir_all(connections.folder()).unwrap();
    fs::set_permissions(connections.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    let path = connections.folder().join(format!("{id}.json"));
    let text = json!({
        "version": 1, "login_url": "acme.my.salesforce.com", "client_id": "3MVG9x", "client_secret": "hunter22",
    });
    fs::write(&path, text.to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn all(connections: &Connections) -> Vec<Connection> {
    let list = connections.list(&BTreeMap::new()).unwrap();
    assert!(list.unreadable.is_empty(), "{:?}", list.unreadable);
    list.connections
}

/// Four processes change a connection each, while this one reads: no change is lost, and nothing half-written is read.
#[test]
fn many_processes_lose_nothing() {
    let connections = connections("processes");
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        put(&connections, id);
    }
    let mut workers = ids.map(|id| start(&connections, id, 40));
    let is_running = |worker: &mut Child| worker.try_wait().unwrap().is_none();
    let mut reads = 0;
    while workers.iter_mut().any(is_running) {
        assert_eq!(all(&connections).len(), ids.len());
        reads += 1;
    }
    assert!(reads > 0);
    for mut worker in workers {
        assert!(worker.wait().unwrap().success());
    }
    for connection in all(&connections) {
        assert_eq!(
            (
                connection.revision(),
                connection.labels()["change"].as_str()
            ),
            (40, "39")
        );
    }
    assert_eq!(
        fs::read_dir(connections.folder()).unwrap().count(),
        ids.len()
    );
}

/// A process is killed while it writes, many times: what is there is whole, and drafts do not stay.
#[test]
fn a_process_that_is_killed_leaves_a_whole_file() {
    let connections = connections("killed");
    put(&connections, "acme");
    for kill in 0..20 {
        let before = connections.get("acme").unwrap().revision();
        let mut worker = start(&connections, "acme", 1_000_000);
        let lines = BufReader::new(worker.stdout.take().unwrap()).lines();
        let said = lines
            .map(Result::unwrap)
            .filter(|line| line.contains("worker: "));
        let changes = kill % 5 + 1;
        assert_eq!(said.take(changes).count(), changes);
        worker.kill().unwrap();
        assert_eq!(worker.wait().unwrap().signal(), Some(9));
        let after = connections.get("acme").unwrap().revision();
        assert!(after >= before + changes as u64, "{before} {after}");
    }
    // As if a minute had passed.
    let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    for file in fs::read_dir(connections.folder()).unwrap().flatten() {
        let file = fs::File::options().write(true).open(file.path()).unwrap();
        file.set_modified(hour_ago).unwrap();
    }
    connections.set_labels("acme", &BTreeMap::new()).unwrap();
    let names = fs::read_dir(connections.folder()).unwrap().flatten();
    let names: Vec<_> = names.map(|file| file.file_name()).collect();
    assert_eq!(names, ["acme.json"]);
}
