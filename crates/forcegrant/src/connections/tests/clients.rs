//! Clients of saved connections: their secrets, their options, and what they see when the file changes.

use super::*;
use crate::credentials::CredentialsSource;

#[test]
fn a_sealed_secret_needs_its_key_and_its_place() {
    let folder = Temporary::new();
    let sealed = folder
        .with_key(1)
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let text = fs::read_to_string(folder.file("acme.json")).unwrap();
    assert!(
        !text.contains("hunter22") && text.contains("\"sealed\""),
        "{text}"
    );
    let secret = |connections: &Connections| {
        let builder = connections.client_builder("acme")?.build()?;
        let login = builder.inner.credentials.at_hand().unwrap();
        Ok::<_, Error>(login.credentials.expose_client_secret().to_owned())
    };
    assert_eq!(secret(&folder.with_key(1)).unwrap(), "hunter22-canary");
    for wrong in [folder.connections(), folder.with_key(2)] {
        let error = secret(&wrong).unwrap_err();
        assert_eq!(error.code(), "connection_unreadable");
        assert_eq!(error.field().unwrap().as_str(), "client_secret");
    }
    // Who can write the file but has no key can send the secret nowhere else.
    let endpoint = "\"login_url\": \"evil.my.salesforce.com\"";
    let moved = text.replace("\"login_url\": \"acme.my.salesforce.com\"", endpoint);
    let gateway = text.replace(
        "\"version\"",
        "\"token_url\": \"https://evil.example/token\", \"version\"",
    );
    for changed in [moved, gateway] {
        assert_ne!(changed, text);
        folder.put("acme.json", &changed);
        let error = secret(&folder.with_key(1)).unwrap_err();
        assert!(
            error
                .message()
                .contains("the seal of its secret does not fit"),
            "{error}"
        );
    }
    folder.put("globex.json", &text.replace("\"acme\"", "\"globex\""));
    let error = folder
        .with_key(1)
        .client_builder("globex")
        .unwrap()
        .build()
        .unwrap_err();
    assert_eq!(error.code(), "connection_unreadable");
    assert!(!format!("{sealed:?}").contains("hunter22"));
}

#[test]
fn a_secret_may_be_in_a_file_or_come_from_a_command() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    folder.put("secret", "from-a-file\n");
    let secret_file = folder.file("secret");
    let file = format!(r#"{{"file": "{}"}}"#, secret_file.display());
    let put = |source: &str| {
        folder.put(
            "acme.json",
            &by_hand("acme.my.salesforce.com").replace("\"hunter22-canary\"", source),
        );
        connections.client_builder("acme").unwrap().build()
    };
    let client = put(&file).unwrap();
    let at_hand = client.inner.credentials.at_hand().unwrap();
    assert_eq!(at_hand.credentials.expose_client_secret(), "from-a-file");
    for bad in [
        r#"{"file": "relative"}"#,
        r#"{"file": "/nowhere/hunter22"}"#,
    ] {
        let error = put(bad).unwrap_err();
        assert_eq!(error.code(), "connection_unreadable");
        assert!(!format!("{error:?}").contains("hunter22"), "{error:?}");
    }
    // A command is run at the first login, not when the client is made.
    let marker = folder.file("ran");
    let script = format!("touch {} && printf from-a-command", marker.display());
    let client = put(&format!(r#"{{"command": ["/bin/sh", "-c", "{script}"]}}"#)).unwrap();
    assert!(!marker.exists() && client.inner.credentials.at_hand().is_none());
    let login = on_worker(async move {
        let minute = Duration::from_secs(60);
        client.inner.credentials.login("", minute).await
    });
    assert!(marker.exists());
    assert_eq!(
        login.unwrap().credentials.expose_client_secret(),
        "from-a-command"
    );
}

#[test]
fn a_running_client_follows_its_connection() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let client = connections.client_builder("acme").unwrap().build().unwrap();
    let credentials = &client.inner.credentials;
    let minute = Duration::from_secs(60);
    let login = || on_worker(credentials.login("", minute));
    let follow = || on_worker(credentials.follow("", minute));
    assert!(!credentials.has_changed() && !follow());
    // The same host with another secret.
    let text = fs::read_to_string(folder.file("acme.json")).unwrap();
    folder.put("next", &text.replace("hunter22-canary", "hunter23-canary"));
    fs::rename(folder.file("next"), folder.file("acme.json")).unwrap();
    assert!(credentials.has_changed());
    assert!(!follow(), "the token stays");
    assert_eq!(
        login().unwrap().credentials.expose_client_secret(),
        "hunter23-canary"
    );
    // A file that cannot be used for a while does not stop a client that has credentials.
    folder.put("acme.json", "{");
    assert!(!follow());
    assert_eq!(login().unwrap_err().code(), "connection_unreadable");
    assert!(credentials.at_hand().is_some());
    // Another host: nothing that is known belongs to it.
    folder.put("acme.json", &text.replace("acme.my", "globex.my"));
    assert!(follow() && !follow());
    assert_eq!(login().unwrap().endpoint.host(), "globex.my.salesforce.com");
    // Removed.
    connections.remove("acme").unwrap();
    assert!(credentials.has_changed());
    assert_eq!(login().unwrap_err().code(), "unknown_connection");
    assert!(credentials.at_hand().is_none() && !credentials.has_changed());
    // And back.
    folder.put("acme.json", &text);
    assert!(credentials.has_changed());
    assert_eq!(login().unwrap().endpoint.host(), "acme.my.salesforce.com");
}

#[test]
fn a_connection_brings_its_options() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let at = |host: &str, change: &str| {
        folder.put(
            "acme.json",
            &by_hand(host).replace("\"version\"", &format!("{change}, \"version\"")),
        );
        connections.client_builder("acme").unwrap().build()
    };
    let with = |change: &str| at("login.example.com", change);
    let client = with(
        r#""trusted_hosts": [".example.com"], "auth_style": "basic", "session_timeout": 7200,
           "next": {"client_id": "second", "client_secret": "other"}"#,
    )
    .unwrap();
    assert_eq!(client.login_host(), "login.example.com");
    let config = &client.inner.config;
    assert_eq!(config.auth_style.as_str(), "basic");
    assert_eq!(
        config.lifetimes.session_timeout,
        Some(Duration::from_secs(7_200))
    );
    let first = client
        .inner
        .credentials
        .at_hand()
        .unwrap()
        .credentials
        .mark();
    let next = client.inner.credentials.untried(&[first]).unwrap();
    assert_eq!(next.credentials.client_id(), "second");
    let gateway = r#""token_url": "https://gateway.example/token""#;
    let client = at("acme.my.salesforce.com", gateway).unwrap();
    assert_eq!(client.login_host(), "gateway.example");
    assert_eq!(
        with("\"name\": \"x\"").unwrap_err().code(),
        "untrusted_host"
    );
    assert_eq!(
        with("\"session_timeout\": 0, \"trusted_hosts\": [\".example.com\"]")
            .unwrap_err()
            .code(),
        "invalid_option"
    );
}

#[test]
fn the_environment_names_a_connection_or_brings_credentials() {
    let folder = Temporary::new();
    folder
        .connections()
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let of = |more: &[(&str, &str)]| {
        let named = [
            ("FORCEGRANT_CONNECTIONS", folder.0.to_str().unwrap()),
            ("FORCEGRANT_CONNECTION", "acme"),
        ];
        let environment = Environment::of(named.iter().chain(more).copied());
        crate::ClientBuilder::from_environment(environment)
    };
    assert_eq!(
        of(&[]).unwrap().build().unwrap().login_host(),
        "acme.my.salesforce.com"
    );
    let beside = of(&[("SALESFORCE_LOGIN_URL", "globex.my.salesforce.com")]);
    let client = beside.unwrap().build().unwrap();
    assert_eq!(client.login_host(), "acme.my.salesforce.com");
    for name in [
        "SALESFORCE_CLIENT_ID",
        "SALESFORCE_CONSUMER_SECRET",
        "SALESFORCE_CLIENT_SECRET_FILE",
        "SF_CLIENT_SECRET",
    ] {
        let error = of(&[(name, "hunter22")]).unwrap_err();
        assert_eq!(error.code(), "ambiguous_credentials");
        let text = error.message();
        assert!(
            text.contains("FORCEGRANT_CONNECTION ") && text.contains(name),
            "{text}"
        );
        assert!(!format!("{error:?}").contains("hunter22"));
    }
    let error = of(&[("FORCEGRANT_CONNECTION", "globex")]).unwrap_err();
    assert_eq!(error.code(), "unknown_connection");
    let both = of(&[
        ("FORCEGRANT_CONNECTIONS_KEY", "a"),
        ("FORCEGRANT_CONNECTIONS_KEY_FILE", "/a"),
    ]);
    let error = both.unwrap().build().unwrap_err();
    assert!(
        error
            .message()
            .contains("FORCEGRANT_CONNECTIONS_KEY_FILE is set too"),
        "{error}"
    );
}

#[test]
fn a_client_shows_nothing_of_its_connection() {
    let folder = Temporary::new();
    let connections = folder.connections();
    connections
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let builder = connections.client_builder("acme").unwrap();
    let client = builder.clone().build().unwrap();
    let authorization = connections
        .authorize("acme")
        .client_secret("hunter22-canary");
    let shown = format!(
        "{builder:?} {client:?} {:?} {connections:?} {authorization:?} {:?}",
        client.inner.credentials,
        CredentialsSource::Given
    );
    assert!(!shown.contains("hunter22"), "{shown}");
}
