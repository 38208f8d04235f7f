//! What `doctor` says about each value of a configuration, without any secret.

use std::path::Path;

use forcegrant::Secret;
use forcegrant::connections::Connection;
use forcegrant::ffi::command_line::{self, meant};

use crate::configuration::{ConfigValue, fingerprint};
use crate::options::CliOptions;
use crate::report::ReportLine;
use crate::time::rfc3339;

/// The pasted value and the host that was read from it. The query is left out: a link from a browser can hold a
/// session id.
pub(crate) fn login_url(
    found: &ConfigValue<String>,
    host: &str,
    options: &CliOptions,
) -> ReportLine {
    let pasted = meant(&found.value);
    let shown = pasted.split(['?', '#']).next().unwrap_or_default();
    let mut notes = remarks(&found.value, &found.unused);
    let text = if options.token_url.is_some() {
        if !pasted.is_empty() {
            notes.push(format!("{shown} is not used for the login"));
        }
        format!("{host} (from --token-url)")
    } else if pasted == host {
        format!("{host} (from {})", found.source)
    } else {
        format!("{shown} -> {host} (from {})", found.source)
    };
    ReportLine::works("login URL", text).with_notes(notes)
}

/// The subject of the lines about a connection in its file.
pub(crate) const SAVED: &str = "saved as";

/// What a saved connection has, without its secret.
pub(crate) fn connection(
    folder: &Path,
    connection: &Connection,
    source: &'static str,
) -> Vec<ReportLine> {
    let verified = match connection.verified() {
        Some(at) => format!("verified {}", rfc3339(at)),
        None => "not verified yet".to_owned(),
    };
    let id = connection.id();
    let text = format!("{id}, {verified} (from {source})");
    let notes = [format!("in {}", folder.display())];
    let at_hand = |value: &str| ConfigValue {
        value: value.to_owned(),
        source: "the connection".to_owned(),
        unused: Vec::new(),
    };
    let login_url = login_url_of(connection);
    vec![
        ReportLine::works(SAVED, text).with_notes(notes),
        ReportLine::works("login URL", format!("{login_url} (from the connection)")),
        client_id(&at_hand(connection.client_id())),
    ]
}

/// The login URL without its query: a link from a browser can hold a session id.
pub(crate) fn login_url_of(connection: &Connection) -> &str {
    let login_url = meant(connection.login_url()).split(['?', '#']).next();
    login_url.unwrap_or_default()
}

/// A consumer key is shown in part. A value that does not look like one may be the secret in the wrong place.
pub(crate) fn client_id(found: &ConfigValue<String>) -> ReportLine {
    let id = meant(&found.value);
    let length = id.chars().count();
    let mut notes = remarks(&found.value, &found.unused);
    let shown = shortened(id);
    if shown.is_none() {
        notes.push(format!(
            "a consumer key usually starts with {KEY_START} and has about 85 characters"
        ));
    }
    let text =
        shown.unwrap_or_else(|| format!("{}, fingerprint {}", characters(length), fingerprint(id)));
    ReportLine::works("client id", format!("{text} (from {})", found.source)).with_notes(notes)
}

/// Both ends of what looks like a consumer key.
pub(crate) fn shortened(id: &str) -> Option<String> {
    let length = id.chars().count();
    let is_key = id.starts_with(KEY_START) && id.is_ascii() && length > 30;
    is_key.then(|| {
        let end = &id[length - 4..];
        format!("{}...{end}, {length} characters", &id[..9])
    })
}

pub(crate) fn client_secret(found: &ConfigValue<Secret>) -> ReportLine {
    let secret = meant(found.value.expose());
    let length = secret.chars().count();
    let mut notes = remarks(found.value.expose(), &found.unused);
    if secret.starts_with(KEY_START) {
        notes.push(
            "it looks like a consumer key: were client id and client secret exchanged?".to_owned(),
        );
    } else if !has_the_form_of_a_consumer_secret(secret) {
        notes.push(
            "a consumer secret usually has 64 characters, digits and the letters A to F".to_owned(),
        );
    }
    let text = format!(
        "{}, fingerprint {} (from {})",
        characters(length),
        fingerprint(secret),
        found.source
    );
    ReportLine::works("client secret", text).with_notes(notes)
}

/// How Salesforce will be reached: `route` says whether through a proxy, and why.
pub(crate) fn network(options: &CliOptions, route: &str) -> ReportLine {
    let notes = options
        .resolve
        .iter()
        .map(|(host, address)| format!("{host} is reached at {address} (--resolve)"));
    let roots = command_line::describe_roots(&options.roots.roots());
    ReportLine::works("network", format!("{route}; roots: {roots}")).with_notes(notes)
}

fn characters(count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} character{plural}")
}

const KEY_START: &str = "3MVG9";

/// 64 hexadecimal digits, or about 19 decimal ones in very old apps (as in Salesforce's samples).
fn has_the_form_of_a_consumer_secret(secret: &str) -> bool {
    let hexadecimal = secret.bytes().all(|byte| byte.is_ascii_hexdigit());
    let decimal = secret.bytes().all(|byte| byte.is_ascii_digit());
    (secret.len() == 64 && hexadecimal) || ((15..=20).contains(&secret.len()) && decimal)
}

/// What is unusual about a value, without any part of it.
fn remarks(value: &str, unused: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    if meant(value) != value {
        notes.push(
            "it has spaces, quotes or invisible characters around it, which are removed".to_owned(),
        );
    }
    if !unused.is_empty() {
        notes.push(format!(
            "{} is set to something else and is not used",
            unused.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<T>(value: T) -> ConfigValue<T> {
        ConfigValue {
            value,
            source: "X".to_owned(),
            unused: Vec::new(),
        }
    }

    #[test]
    fn forms_of_secrets() {
        for (secret, expected) in [
            ("A1".repeat(32), true),
            ("1234567890123456789".to_owned(), true),
            ("A1".repeat(31), false),
            ("hunter22".to_owned(), false),
        ] {
            let line = client_secret(&found(Secret::new(secret))).to_string();
            assert_eq!(!line.contains("note:"), expected, "{line}");
        }
    }

    #[test]
    fn exchanged_credentials_are_noticed_and_neither_is_shown() {
        let key = format!("3MVG9{}", "k".repeat(80));
        let line = client_secret(&found(Secret::new(key.clone()))).to_string();
        assert!(
            line.contains("exchanged?") && !line.contains("kkkk"),
            "{line}"
        );
        let line = client_id(&found("canary-4711".to_owned())).to_string();
        assert!(
            line.contains("starts with 3MVG9") && !line.contains("canary"),
            "{line}"
        );
        let line = client_id(&found(key)).to_string();
        assert!(line.contains("3MVG9kkkk...kkkk, 85 characters"), "{line}");
    }

    #[test]
    fn odd_values_are_remarked_upon() {
        let notes = remarks(" 'x'\n", &["SF_CLIENT_ID"]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(remarks("x", &[]), Vec::<String>::new());
    }

    #[test]
    fn a_links_query_is_not_shown() {
        let pasted = found("https://acme.my.salesforce.com/x?sid=canary".to_owned());
        let line = login_url(&pasted, "acme.my.salesforce.com", &CliOptions::default()).to_string();
        assert!(line.contains("/x -> acme.my.salesforce.com"), "{line}");
        assert!(!line.contains("canary"));
    }
}
