//! Connections that lie in no folder, and pools over connections, against the emulator.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::emulator;
use forcegrant::connections::{self, Connection, Connections, SealingKeys};
use forcegrant::{
    ClientBuilder, ClientPool, ClientPoolBuilder, ErrorCode, OrgCredentials, Proxy, Roots,
};
use forcegrant_emulator::{Emulator, OrgDetails};

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// An empty folder of this test's own.
fn folder(test: &str) -> Connections {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pool-{test}"));
    let _ = fs::remove_dir_all(&folder);
    Connections::new(folder).unwrap()
}

/// How a client reaches the emulator, under the host names of both of its orgs.
fn reach(emulator: &Emulator) -> impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static {
    let address = emulator.https_addr();
    let hosts: Vec<_> = emulator
        .orgs()
        .into_iter()
        .map(|org| org.my_domain)
        .collect();
    let roots = emulator.ca_pem().as_bytes().to_vec();
    move |builder| {
        let resolve =
            |builder: ClientBuilder, host: &String| builder.resolve(host.as_str(), address);
        hosts
            .iter()
            .fold(builder, resolve)
            .roots(Roots::Pem(roots.clone()))
            .proxy(Proxy::None)
            .retry_backoff(Duration::from_millis(1))
    }
}

fn pool(emulator: &Emulator, connections: &Connections) -> ClientPool {
    let builder = ClientPool::builder().connections(connections.clone());
    builder.options(reach(emulator)).build().unwrap()
}

async fn save(connections: &Connections, id: &str, org: &OrgDetails, emulator: &Emulator) {
    let authorization = connections
        .authorize(id)
        .login_url(org.my_domain.as_str())
        .client_id(org.client_id.as_str())
        .client_secret(org.client_secret.as_str())
        .replace(true)
        .other_org(true)
        .options(reach(emulator));
    authorization.verify_and_save().await.unwrap();
}

async fn unsaved(emulator: &Emulator) -> Connection {
    let org = emulator.default_org();
    let authorization = connections::authorize("tenant-42")
        .login_url(format!("https://{}/lightning", org.my_domain))
        .client_id(org.client_id)
        .client_secret(org.client_secret)
        .options(reach(emulator));
    authorization.verify().await.unwrap()
}

#[tokio::test]
async fn a_connection_for_a_database_is_verified_dumped_loaded_and_used() {
    let emulator = emulator();
    let org = emulator.default_org();
    let connection = unsaved(&emulator).await;
    assert_eq!(connection.org_id(), Some(org.org_id.as_str()));
    assert_eq!(connection.login_url(), org.my_domain);
    assert!(connection.verified().is_some() && connection.created().is_some());
    let keys = SealingKeys::new(KEY).unwrap();
    let text = connections::dump(&connection, &keys).unwrap();
    assert!(!text.contains(&org.client_secret), "{text}");
    let loaded = connections::load(&text, "tenant-42", Some(&keys)).unwrap();
    assert!(!format!("{loaded:?}").contains(&org.client_secret));
    let client = reach(&emulator)(connections::client_builder(&loaded)).build();
    let token = client.unwrap().token().await.unwrap();
    assert_eq!(token.org_id(), Some(org.org_id.as_str()));
}

#[tokio::test]
async fn nothing_unverified_is_returned_and_nothing_is_saved_without_a_folder() {
    let emulator = emulator();
    let org = emulator.default_org();
    let authorization = |secret: &str| {
        connections::authorize("tenant-42")
            .login_url(org.my_domain.as_str())
            .client_id(org.client_id.as_str())
            .client_secret(secret)
            .options(reach(&emulator))
    };
    let error = authorization("hunter22").verify().await.unwrap_err();
    assert_eq!(error.code(), "invalid_client_secret");
    let authorization = authorization(&org.client_secret);
    let error = authorization.verify_and_save().await.unwrap_err();
    assert_eq!(error.code(), "invalid_option");
    // With a folder, `verify` saves nothing either.
    let connections = folder("verified-only");
    let authorization = connections
        .authorize("acme")
        .login_url(org.my_domain.as_str())
        .client_id(org.client_id.as_str())
        .client_secret(org.client_secret.as_str())
        .options(reach(&emulator));
    authorization.verify().await.unwrap();
    assert!(!connections.folder().exists());
}

#[tokio::test]
async fn the_keys_of_a_pool_are_the_ids_of_connections() {
    let (emulator, connections) = (emulator(), folder("ids"));
    let orgs = emulator.orgs();
    save(&connections, "acme", &orgs[0], &emulator).await;
    save(&connections, "acme-uat", &orgs[1], &emulator).await;
    let pool = pool(&emulator, &connections);
    for (id, org) in [("acme", &orgs[0]), ("acme-uat", &orgs[1])] {
        let token = pool.token(id).await.unwrap();
        assert_eq!(token.org_id(), Some(org.org_id.as_str()), "{id}");
    }
    let unknown = pool.token("acne").await.unwrap_err();
    assert_eq!(unknown.code(), "unknown_connection");
    assert!(unknown.help().unwrap().contains("acme"), "{unknown}");
    let no_id = pool.token("../acme").await.unwrap_err();
    assert_eq!(no_id.code(), "invalid_option");
    assert_eq!(pool.len(), 2, "what is not there takes no place");
    // The key follows its connection to another org.
    save(&connections, "acme", &orgs[1], &emulator).await;
    pool.client("acme").unwrap().reset();
    let moved = pool.token("acme").await.unwrap();
    assert_eq!(moved.org_id(), Some(orgs[1].org_id.as_str()));
    // One that is removed serves the token at hand, and no login goes ahead.
    connections.remove("acme").unwrap();
    assert!(pool.cached("acme").is_some());
    pool.client("acme").unwrap().reset();
    let gone = pool.token("acme").await.unwrap_err();
    assert_eq!(gone.code(), "unknown_connection");
}

#[tokio::test]
async fn the_options_in_a_connection_hold_for_its_client() {
    let (emulator, connections) = (emulator(), folder("options"));
    let org = emulator.default_org();
    save(&connections, "acme", &org, &emulator).await;
    let path = connections.folder().join("acme.json");
    let text = fs::read_to_string(&path).unwrap();
    let options =
        r#"{"session_timeout": 3600, "trusted_hosts": ["api.example.com"], "auth_style": "basic","#;
    fs::write(&path, text.replacen('{', options, 1)).unwrap();
    let pool = pool(&emulator, &connections);
    let token = pool.token("acme").await.unwrap();
    assert_eq!(token.expiry().source().as_str(), "configured");
    let client = pool.client("acme").unwrap();
    assert!(client.is_allowed_for(&token, "https://api.example.com/x"));
    let requests = emulator
        .control(serde_json::json!({"op": "requests", "endpoint": "token"}))
        .unwrap();
    let last = requests["requests"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let header = last["headers"]["authorization"]
        .as_str()
        .unwrap_or_default();
    assert!(header.starts_with("Basic "), "{last}");
}

/// A callback over rows: what is not there is not known, and says so.
#[tokio::test]
async fn a_callback_returns_a_connection_or_nothing() {
    let emulator = emulator();
    let keys = Arc::new(SealingKeys::new(KEY).unwrap());
    let text = connections::dump(&unsaved(&emulator).await, &keys).unwrap();
    let row = Arc::new(Mutex::new(Some(text)));
    let asked = Arc::new(Mutex::new(0));
    let (rows, count, opening) = (Arc::clone(&row), Arc::clone(&asked), Arc::clone(&keys));
    let builder = ClientPool::builder().credentials_callback(move |id| {
        *count.lock().unwrap() += 1;
        let text = rows.lock().unwrap().clone().filter(|_| id == "tenant-42");
        let opening = Arc::clone(&opening);
        async move {
            let connection = text.map(|text| connections::load(&text, &id, Some(&opening)));
            let connection = connection.transpose()?;
            Ok(connection.map(OrgCredentials::of_connection).transpose()?)
        }
    });
    let pool = builder.options(reach(&emulator)).build().unwrap();
    let token = pool.token("tenant-42").await.unwrap();
    assert_eq!(token.org_id(), Some(emulator.default_org().org_id.as_str()));
    for _ in 0..2 {
        let error = pool.token("tenant-43").await.unwrap_err();
        assert_eq!(error.code(), "unknown_key");
        assert!(!error.is_retryable() && error.message().contains("tenant-43"));
    }
    assert_eq!(*asked.lock().unwrap(), 2, "the failure is remembered");
    // A row that is gone: when its credentials are refused, it is looked for, and no login goes ahead with them.
    *row.lock().unwrap() = None;
    let client_id = emulator.default_org().client_id;
    let removed = serde_json::json!({"op": "remove_key", "client_id": client_id});
    emulator.control(removed).unwrap();
    pool.client("tenant-42").unwrap().reset();
    let refused = pool.token("tenant-42").await.unwrap_err();
    assert_eq!(refused.code(), "invalid_client_id");
    pool.client("tenant-42").unwrap().reset();
    let gone = pool.token("tenant-42").await.unwrap_err();
    assert_eq!(gone.code(), "unknown_key");
}

#[tokio::test]
async fn one_source_of_credentials_for_a_pool_and_no_options_by_value() {
    let (emulator, connections) = (emulator(), folder("sources"));
    let callback = |builder: ClientPoolBuilder| {
        builder.credentials_callback(|_| async { Ok(None::<OrgCredentials>) })
    };
    let both = callback(ClientPool::builder().connections(connections.clone()));
    assert_eq!(both.build().unwrap_err().code(), ErrorCode::InvalidOption);
    let connection = unsaved(&emulator).await;
    let pool = pool(&emulator, &connections);
    let org = OrgCredentials::of_connection(connection.clone()).unwrap();
    let client = pool.insert_credentials("by-value", org).unwrap();
    client.token().await.unwrap();
    let plain = connections::dump_plain(&connection).unwrap();
    for option in [
        r#"{"session_timeout": 3600,"#,
        r#"{"trusted_hosts": ["api.example.com"],"#,
        r#"{"auth_style": "basic","#,
    ] {
        let text = plain.expose().replacen('{', option, 1);
        let connection = connections::load(&text, "tenant-42", None).unwrap();
        let error = OrgCredentials::of_connection(connection).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        let name = option.split('"').nth(1).unwrap();
        assert!(error.message().contains(name), "{error}");
    }
}
