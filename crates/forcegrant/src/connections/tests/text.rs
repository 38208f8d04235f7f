//! The text of a connection for a place of the user's own.

use super::*;
use base64::Engine as _;

fn keys(bytes: &[u8]) -> SealingKeys {
    SealingKeys::new(key(bytes)).unwrap()
}

fn key(bytes: &[u8]) -> String {
    let base64 = |byte: &u8| base64::engine::general_purpose::STANDARD.encode([*byte; 32]);
    bytes.iter().map(base64).collect::<Vec<_>>().join(",")
}

fn secret(connection: &Connection) -> &str {
    match &connection.client_secret {
        SecretSource::Text(secret) => secret.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_text_is_sealed_and_opens_with_its_key_for_its_id_alone() {
    let text = dump(&connection("acme"), &keys(&[1])).unwrap();
    assert!(!text.contains("hunter22"), "{text}");
    let loaded = load(&text, "acme", Some(&keys(&[2, 1]))).unwrap();
    assert_eq!(secret(&loaded), "hunter22-canary");
    assert_eq!(loaded.login_url(), "acme.my.salesforce.com");
    let wrong_key = keys(&[3]);
    let without_id = text.replace("\"id\": \"acme\",", "");
    assert_ne!(without_id, text);
    for (text, id, keys, problem) in [
        (&text, "globex", Some(&wrong_key), "its id is `acme`"),
        (&text, "acme", Some(&wrong_key), keys(&[1]).id()),
        (&text, "acme", None, keys(&[1]).id()),
        // A row that was put into the place of another.
        (&without_id, "globex", Some(&keys(&[1])), "the seal"),
    ] {
        let error = load(text, id, keys).unwrap_err();
        assert_eq!(error.code(), "connection_unreadable");
        assert!(error.message().contains(problem), "{error}");
        assert!(error.message().contains(&format!("`{id}`")), "{error}");
    }
    for text in ["", "{", "[]", "hunter22"] {
        let error = load(text, "acme", None).unwrap_err();
        assert_eq!(error.code(), "connection_unreadable");
        assert!(!format!("{error:?}").contains("hunter22"));
    }
}

#[test]
fn a_sealed_secret_is_sealed_anew_with_the_first_key() {
    let folder = Temporary::new();
    let sealed = folder
        .with_key(1)
        .save(connection("acme"), SaveOver::Nothing)
        .unwrap();
    let text = dump(&sealed, &keys(&[2, 1])).unwrap();
    let loaded = load(&text, "acme", Some(&keys(&[2]))).unwrap();
    assert_eq!(secret(&loaded), "hunter22-canary");
    let error = dump(&sealed, &keys(&[2])).unwrap_err();
    assert_eq!(error.code(), "connection_unreadable");
}

#[test]
fn what_the_text_says_is_neither_read_nor_run() {
    let secret = |source: SecretSource| {
        let mut connection = connection("acme");
        connection.client_secret = source;
        connection
    };
    let next = |source: SecretSource| {
        let mut connection = connection("acme");
        connection.next = Some(forcegrant_proto::connection::NextCredentials::new(
            "3MVG9y", source,
        ));
        connection
    };
    let file = || SecretSource::File("/run/secrets/sf".to_owned());
    let command = || SecretSource::Command(vec!["op".to_owned(), "read".to_owned()]);
    for connection in [
        secret(file()),
        secret(command()),
        next(file()),
        next(command()),
    ] {
        let bytes = connection.to_bytes().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        let errors = [
            load(text, "acme", None).unwrap_err(),
            dump(&connection, &keys(&[1])).unwrap_err(),
            dump_plain(&connection).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), "connection_unreadable");
            assert_eq!(error.field().unwrap().as_str(), "client_secret");
        }
    }
}

#[test]
fn without_a_key_it_must_be_said_that_the_secret_stands_in_clear() {
    let (acme, nothing) = (connection("acme"), Environment::of([("", ""); 0]));
    let dumped = |key: Option<String>, plain, environment: &Environment| {
        let dumped = dump_in(&acme, key.map(Secret::new), plain, environment)?;
        Ok::<_, Error>(dumped.expose().to_owned())
    };
    let error = dumped(None, false, &nothing).unwrap_err();
    assert_eq!(error.code(), "invalid_option");
    assert!(error.help().unwrap().contains("plain"), "{error}");
    let clear = dumped(None, true, &nothing).unwrap();
    assert!(clear.contains("hunter22-canary"));
    let loaded = load_in(&clear, "acme", None, &nothing).unwrap();
    assert_eq!(secret(&loaded), "hunter22-canary");
    let error = dumped(Some(key(&[1])), true, &nothing).unwrap_err();
    assert_eq!(error.code(), "invalid_option");
    // A key that is given comes before those of the environment.
    let environment = Environment::of([("FORCEGRANT_CONNECTIONS_KEY", key(&[7]))]);
    for (given, id) in [(None, keys(&[7])), (Some(key(&[1])), keys(&[1]))] {
        let text = dumped(given.clone(), false, &environment).unwrap();
        assert!(text.contains(id.id()), "{text}");
        load_in(&text, "acme", given.map(Secret::new), &environment).unwrap();
    }
    let error = dumped(Some("hunter22".to_owned()), false, &nothing).unwrap_err();
    assert_eq!(error.code(), "invalid_option");
    assert!(!format!("{error:?}").contains("hunter22"));
}
