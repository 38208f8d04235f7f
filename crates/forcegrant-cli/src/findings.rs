//! What `doctor` says about each value of a configuration. No secret is part of it.

use forcegrant::{Proxy, Secret};

use crate::configuration::{Found, fingerprint};
use crate::options::Options;
use crate::report::Line;

/// What was pasted and what is made of it. The query is left out: links out of the browser can
/// carry a session id in it.
pub(crate) fn login_url(found: &Found<String>, host: &str, options: &Options) -> Line {
    let pasted = found.value.trim();
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
    Line::works("login URL", text).with_notes(notes)
}

/// A consumer key is shown in part. What does not look like one may be the secret, put into the
/// wrong place.
pub(crate) fn client_id(found: &Found<String>) -> Line {
    let id = found.value.trim();
    let length = id.chars().count();
    let mut notes = remarks(&found.value, &found.unused);
    let text = if id.starts_with(KEY_START) && id.is_ascii() && length > 30 {
        format!("{}...{}, {length} characters", &id[..9], &id[length - 4..])
    } else {
        notes.push(format!(
            "a consumer key usually starts with {KEY_START} and has about 85 characters"
        ));
        format!("{}, fingerprint {}", characters(length), fingerprint(id))
    };
    Line::works("client id", format!("{text} (from {})", found.source)).with_notes(notes)
}

pub(crate) fn client_secret(found: &Found<Secret>) -> Line {
    let secret = found.value.expose().trim();
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
    Line::works("client secret", text).with_notes(notes)
}

/// How Salesforce will be reached.
pub(crate) fn network(options: &Options, variable: &dyn Fn(&str) -> Option<String>) -> Line {
    let proxy = match &options.proxy {
        Proxy::None => "none".to_owned(),
        Proxy::Url(url) => without_user(url).to_owned(),
        _ => proxy_variables(variable),
    };
    let notes = options
        .resolve
        .iter()
        .map(|(host, address)| format!("{host} is reached at {address} (--resolve)"));
    Line::works(
        "network",
        format!("proxy: {proxy}; roots: {}", options.roots),
    )
    .with_notes(notes)
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

/// What is odd about a value, without a word of it.
fn remarks(value: &str, unused: &[&str]) -> Vec<String> {
    let mut notes = Vec::new();
    if value.trim() != value {
        notes.push("there are blanks or line breaks around it; they are dropped".to_owned());
    }
    let value = value.trim();
    let quoted = |quote| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') {
        notes.push("there are quotes around it, which count as part of it".to_owned());
    }
    if !unused.is_empty() {
        notes.push(format!(
            "{} is set to something else and does not count",
            unused.join(", ")
        ));
    }
    notes
}

fn proxy_variables(variable: &dyn Fn(&str) -> Option<String>) -> String {
    const VARIABLES: [&str; 6] = [
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ];
    let set: Vec<_> = VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, variable(name)?)))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", without_user(&value)))
        .collect();
    if set.is_empty() {
        "as the system says, no variable is set".to_owned()
    } else {
        set.join(" ")
    }
}

/// A proxy's address without user and password.
fn without_user(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<T>(value: T) -> Found<T> {
        Found {
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
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert_eq!(remarks("x", &[]), Vec::<String>::new());
    }

    #[test]
    fn neither_a_proxys_password_nor_a_links_query_is_shown() {
        let variable = |name: &str| {
            (name == "HTTPS_PROXY").then(|| "http://me:canary@proxy.example:3128".to_owned())
        };
        let line = network(&Options::default(), &variable).to_string();
        assert!(line.contains("HTTPS_PROXY=proxy.example:3128;"), "{line}");
        let pasted = found("https://acme.my.salesforce.com/x?sid=canary".to_owned());
        let line = login_url(&pasted, "acme.my.salesforce.com", &Options::default()).to_string();
        assert!(line.contains("/x -> acme.my.salesforce.com"), "{line}");
        assert!(!line.contains("canary"));
    }
}
