use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::error::Setting;
use crate::secret::Secret;

const CANARY: &str = "hunter22-canary";

fn parse(text: &str) -> Result<Connection, ConnectionProblem> {
    Connection::parse(text.as_bytes(), Some(&ConnectionId::new("acme").unwrap()))
}

fn fields(connection: &Connection) -> Value {
    serde_json::from_slice(&connection.to_bytes().unwrap()).unwrap()
}

const BY_HAND: &str = r#"{"version": 1, "login_url": "acme.my.salesforce.com", "client_id": "3MVG9x", "client_secret": "hunter22-canary"}"#;

#[test]
fn a_file_by_hand_needs_four_fields() {
    let connection = parse(BY_HAND).unwrap();
    assert_eq!((connection.id(), connection.revision()), ("acme", 0));
    assert_eq!(connection.login_url(), "acme.my.salesforce.com");
    assert_eq!(connection.client_id(), "3MVG9x");
    assert!(
        matches!(&connection.client_secret, SecretSource::Text(text) if text.expose() == CANARY)
    );
    for name in ["version", "login_url", "client_id", "client_secret"] {
        let mut fields: Map<String, Value> = serde_json::from_str(BY_HAND).unwrap();
        fields.remove(name);
        let problem = parse(&Value::Object(fields).to_string()).unwrap_err();
        assert!(
            problem.reason.contains(&format!("`{name}` is missing")),
            "{problem:?}"
        );
        let field = problem.field.map(crate::error::InputField::as_str);
        assert_eq!(field, (name != "version").then_some(name));
    }
}

#[test]
fn a_byte_order_mark_and_windows_lines_are_fine() {
    let text = format!("\u{feff}{}\r\n", BY_HAND.replace(", ", ",\r\n"));
    assert_eq!(parse(&text).unwrap().client_id(), "3MVG9x");
}

fn assert_refused(text: &str, reason: &str) {
    let problem = parse(text).unwrap_err();
    assert!(problem.reason.contains(reason), "{reason}: {problem:?}");
    let error = problem.at("acme");
    assert_eq!(error.code(), "connection_unreadable");
    let shown = format!("{error} {error:?} {:?}", error.help());
    assert!(!shown.contains("hunter22"), "{shown}");
}

#[test]
fn a_secret_has_one_of_its_forms() {
    for (text, reason) in [
        (
            BY_HAND.replace("hunter22-canary", " "),
            "`client_secret` is empty",
        ),
        (
            BY_HAND.replace("hunter22-canary", "hunter22-canary\\u0000x"),
            "U+0000",
        ),
        (
            BY_HAND.replace("\"hunter22-canary\"", "5"),
            "`client_secret` has a form",
        ),
        (
            BY_HAND.replace("\"hunter22-canary\"", "{}"),
            "`client_secret` has a form",
        ),
        (
            BY_HAND.replace("\"hunter22-canary\"", r#"{"command": []}"#),
            "`client_secret` has a form",
        ),
        (
            BY_HAND.replace("\"hunter22-canary\"", r#"{"command": "hunter22-canary"}"#),
            "`command` is not a list",
        ),
        (
            BY_HAND.replace("\"hunter22-canary\"", r#"{"vault": "hunter22-canary"}"#),
            "`client_secret` has a form",
        ),
        (
            BY_HAND.replace(
                "\"hunter22-canary\"",
                r#"{"file": "/x", "sealed": "hunter22-canary"}"#,
            ),
            "`client_secret` has a form",
        ),
    ] {
        assert_refused(&text, reason);
    }
}

#[test]
fn what_is_wrong_is_said_without_a_value() {
    let with =
        |change: &str| BY_HAND.replace(r#""version": 1"#, &format!(r#""version": 1, {change}"#));
    let large = with(&format!(
        r#""name": "{}""#,
        "x".repeat(MAX_CONNECTION_BYTES)
    ));
    for (text, reason) in [
        (CANARY.to_owned(), "not JSON (line 1, column"),
        (format!("[\"{CANARY}\"]"), "not a JSON object"),
        (format!("\"{CANARY}\""), "not a JSON object"),
        (
            BY_HAND.replace(": 1", ": 2"),
            "made by a newer forcegrant (version 2)",
        ),
        (BY_HAND.replace(": 1", ": 0"), "`version` is not 1"),
        (
            BY_HAND.replace(": 1", &format!(": \"{CANARY}\"")),
            "`version` is not a whole number",
        ),
        (
            BY_HAND.replace(": 1", ": -1"),
            "`version` is not a whole number",
        ),
        (with(r#""id": "globex""#), "its id is `globex`"),
        (with(r#""id": "Globex""#), "upper-case"),
        (
            with(r#""labels": ["hunter22-canary"]"#),
            "`labels` is not an object of texts",
        ),
        (
            with(r#""labels": {"a": ["hunter22-canary"]}"#),
            "`labels` is not an object of texts",
        ),
        (
            with(r#""revision": "hunter22-canary""#),
            "`revision` is not a whole number",
        ),
        (
            with(r#""created": "hunter22-canary""#),
            "`created` is not a time",
        ),
        (with(r#""verified": 5"#), "`verified` is not a time"),
        (
            with(r#""next": "hunter22-canary""#),
            "`next` is not an object",
        ),
        (
            with(r#""next": {"client_id": "x"}"#),
            "`client_secret` is missing",
        ),
        (
            with(r#""trusted_hosts": "hunter22-canary""#),
            "`trusted_hosts` is not a list of texts",
        ),
        (
            with(r#""session_timeout": "hunter22-canary""#),
            "`session_timeout` is not a whole number",
        ),
        (
            with(r#""auth_style": "hunter22-canary""#),
            "`auth_style` is neither",
        ),
        (
            with(r#""proxy": "http://hunter22-canary""#),
            "`proxy` may not stand in a connection",
        ),
        (
            with(r#""roots": "hunter22-canary""#),
            "`roots` may not stand in a connection",
        ),
        (large, "larger than 64 KiB"),
    ] {
        assert_refused(&text, reason);
    }
    let problem = Connection::parse(b"\xff\xfe{\0}\0", None).unwrap_err();
    assert!(problem.reason.contains("not UTF-8"));
    let problem = Connection::parse(BY_HAND.as_bytes(), None).unwrap_err();
    assert!(problem.reason.contains("`id` is missing"));
}

#[test]
fn unknown_fields_survive_a_rewrite() {
    let text = r#"{"version": 1, "id": "acme", "login_url": "acme.my.salesforce.com", "client_id": "a", "client_secret": "b",
        "next": {"client_id": "c", "client_secret": {"file": "/x"}, "since": [1, 2.5]}, "team": {"lead": null, "size": 3}}"#;
    let written = fields(&parse(text).unwrap());
    assert_eq!(
        written["team"],
        serde_json::json!({"lead": null, "size": 3})
    );
    assert_eq!(written["next"]["since"], serde_json::json!([1, 2.5]));
    assert_eq!(
        written["next"]["client_secret"],
        serde_json::json!({"file": "/x"})
    );
}

#[test]
fn the_secret_is_in_no_debug_form() {
    let swapped = BY_HAND.replace("3MVG9x", "7f9C2e41A8b05D36f1E9a4C87b2D5e60");
    for text in [BY_HAND, &swapped] {
        let shown = format!(
            "{:?} {:#?}",
            parse(text).unwrap(),
            parse(text).unwrap().client_secret
        );
        assert!(
            !shown.contains("hunter22") && !shown.contains("7f9C2e41"),
            "{shown}"
        );
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut connection = parse(BY_HAND).unwrap();
    connection.name = Some("x".repeat(MAX_CONNECTION_BYTES));
    assert!(connection.to_bytes().unwrap_err().reason.contains("64 KiB"));
    connection.name = Some("x".repeat(MAX_CONNECTION_BYTES / 2));
    assert!(Connection::parse(&connection.to_bytes().unwrap(), None).is_ok());
}

#[test]
fn a_sealed_secret_is_bound_to_the_endpoint_that_its_options_name() {
    let key = Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let keys = SealingKeys::parse(Setting::Option("key"), &key).unwrap();
    let mut connection = parse(BY_HAND).unwrap();
    connection.next = Some(NextCredentials::new(
        "second",
        SecretSource::Text(Secret::new("other")),
    ));
    let mut counter = 0;
    let sealed = connection.sealed(&keys, || {
        counter += 1;
        Some([counter; NONCE_BYTES])
    });
    let sealed = sealed.unwrap();
    let text = String::from_utf8(sealed.to_bytes().unwrap().to_vec()).unwrap();
    assert!(
        !text.contains("hunter22") && !text.contains("other"),
        "{text}"
    );
    let open = |connection: &Connection| {
        let SecretSource::Sealed(text) = &connection.client_secret else {
            panic!("it is sealed")
        };
        let bound = connection.seal_binding(&connection.client_id).ok()?;
        let opened = SealingKeys::open(Some(&keys), text, &bound).ok()?;
        Some(opened.expose().to_owned())
    };
    assert_eq!(open(&sealed).as_deref(), Some(CANARY));
    // Another spelling of the same host is the same endpoint.
    let spelled = Connection {
        login_url: "https://ACME.my.salesforce.com/".to_owned(),
        ..sealed.clone()
    };
    assert_eq!(open(&spelled).as_deref(), Some(CANARY));
    let mut redirected = sealed.clone();
    redirected.options.token_url = Some("https://evil.example/token".to_owned());
    let moved = Connection {
        id: ConnectionId::new("globex").unwrap(),
        ..sealed.clone()
    };
    let of_another = Connection {
        client_id: "another".to_owned(),
        ..sealed.clone()
    };
    for changed in [redirected, moved, of_another] {
        assert_eq!(open(&changed), None);
    }
}

fn secret_source() -> impl Strategy<Value = SecretSource> {
    prop_oneof![
        "[!-~]{1,40}".prop_map(|text| SecretSource::Text(Secret::new(text))),
        "/[a-z/]{1,40}".prop_map(SecretSource::File),
        proptest::collection::vec("\\PC{0,20}", 1..4).prop_map(SecretSource::Command),
        "fgc1\\.[0-9a-f]{16}\\.[A-Za-z0-9_-]{1,60}".prop_map(SecretSource::Sealed),
    ]
}

fn time() -> impl Strategy<Value = Option<SystemTime>> {
    let second = |seconds| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    option::of((0..253_402_300_799_u64).prop_map(second))
}

prop_compose! {
    fn connection()(
        id in "[a-z][a-z0-9_-]{0,20}[0-9]",
        revision in any::<u64>(),
        name in option::of("\\PC{0,40}"),
        labels in btree_map("\\PC{0,10}", "\\PC{0,10}", 0..4),
        login_url in "\\PC{0,40}",
        client_id in "\\PC{0,40}",
        client_secret in secret_source(),
        next in option::of(("\\PC{0,40}", secret_source())),
        (token_url, trusted_hosts) in (option::of("\\PC{0,40}"), proptest::collection::vec("\\PC{0,10}", 0..3)),
        (timeout, is_basic) in (option::of(any::<u32>()), option::of(any::<bool>())),
        (created, verified) in (time(), time()),
        unknown in btree_map("x_[a-z]{1,8}", any::<i64>(), 0..4),
    ) -> Connection {
        let mut connection = Connection::new(ConnectionId::new(&id).unwrap(), login_url, client_id, client_secret);
        connection.revision = revision;
        connection.name = name;
        connection.labels = labels;
        connection.next = next.map(|(id, secret)| NextCredentials::new(id, secret));
        connection.options = OrgOptions {
            token_url,
            trusted_hosts,
            session_timeout: timeout.map(|seconds| std::time::Duration::from_secs(seconds.into())),
            auth_style: is_basic.map(|is_basic| {
                if is_basic { crate::grant::request::AuthStyle::Basic } else { crate::grant::request::AuthStyle::Body }
            }),
        };
        (connection.created, connection.verified) = (created, verified);
        connection.unknown = unknown.into_iter().map(|(name, value)| (name, value.into())).collect();
        connection
    }
}

proptest! {
    #[test]
    fn a_text_is_read_as_it_was_written(connection in connection()) {
        let written = connection.to_bytes().unwrap();
        let read = Connection::parse(&written, None);
        let read = read.map_err(|problem| TestCaseError::fail(problem.reason))?;
        prop_assert_eq!(fields(&read), fields(&connection));
        prop_assert_eq!(&*read.to_bytes().unwrap(), &*written);
    }

    /// Whatever is in a file, reading it ends and shows nothing of it.
    #[test]
    fn no_bytes_are_too_strange(bytes in any::<Vec<u8>>(), text in "\\PC{0,200}") {
        let _ = Connection::parse(&bytes, None);
        if let Err(problem) = Connection::parse(text.as_bytes(), None) {
            prop_assert!(problem.reason.len() < 200);
        }
    }
}
