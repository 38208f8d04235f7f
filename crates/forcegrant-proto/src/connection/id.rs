//! The id of a connection, which is also the name of its file.

use std::fmt;

use crate::error::{Error, invalid_option};
use crate::redaction::printable;

const MAX_LENGTH: usize = 64;

/// Names that stand for devices on Windows, whatever comes after a dot.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];

/// 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-`, with a letter or digit at both ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(Box<str>);

impl ConnectionId {
    /// Checks an id.
    ///
    /// # Errors
    /// `invalid_option` says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, Error> {
        match problem(text) {
            None => Ok(Self(text.into())),
            Some(problem) => {
                let shown = printable(text, MAX_LENGTH);
                Err(invalid_option(
                    "id",
                    &format!("`{shown}` {problem}"),
                    &help(text),
                ))
            }
        }
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn problem(text: &str) -> Option<&'static str> {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if text.is_empty() {
        return Some("is empty");
    }
    if text.chars().any(char::is_uppercase) {
        return Some(
            "has upper-case letters, which some file systems do not tell from lower-case ones",
        );
    }
    if !text
        .chars()
        .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-'))
    {
        return Some("has characters other than a-z, 0-9, `.`, `_` and `-`");
    }
    if text.len() > MAX_LENGTH {
        return Some("is longer than 64 characters");
    }
    if !is_end(text.chars().next()) || !is_end(text.chars().next_back()) {
        return Some("does not begin and end with a letter or digit");
    }
    if text.contains("..") {
        return Some("has two dots in a row");
    }
    is_device(text).then_some("is the name of a device on Windows")
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default();
    let is_numbered = |name: &str| {
        let rest = stem.strip_prefix(name);
        rest.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    DEVICES.contains(&stem) || NUMBERED_DEVICES.iter().any(|name| is_numbered(name))
}

fn help(text: &str) -> String {
    let lower = text.to_lowercase();
    let suggestion = if lower != text && problem(&lower).is_none() {
        format!("Did you mean `{lower}`? ")
    } else {
        String::new()
    };
    format!(
        "{suggestion}An id has 1 to 64 of a-z, 0-9, `.`, `_` and `-`, with a letter or digit at both ends: `acme-uat`.\nAnything else belongs in the connection's name or labels."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_ids() {
        let longest = "a".repeat(64);
        for good in [
            "a",
            "0",
            "acme",
            "acme-uat",
            "acme.eu",
            "a_b",
            "42",
            "tenant-42.eu_1",
            "con1",
            "com",
            "com10",
            "console",
            "lpt",
            "nul0",
            "a--b",
            &longest,
        ] {
            assert_eq!(ConnectionId::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65);
        for (bad, reason) in [
            ("", "empty"),
            ("Acme", "upper-case"),
            ("ACME", "upper-case"),
            ("Ä", "upper-case"),
            ("käse", "characters"),
            ("a b", "characters"),
            ("a/b", "characters"),
            ("a\\b", "characters"),
            ("a\0", "characters"),
            ("a:b", "characters"),
            ("a\n", "characters"),
            ("../a", "characters"),
            (".", "begin and end"),
            ("..", "begin and end"),
            (".acme", "begin and end"),
            ("acme.", "begin and end"),
            ("-acme", "begin and end"),
            ("acme-", "begin and end"),
            ("_", "begin and end"),
            ("a..b", "two dots"),
            ("con", "device"),
            ("nul.eu", "device"),
            ("com1", "device"),
            ("lpt9.a.b", "device"),
            (&too_long, "64"),
        ] {
            let error = ConnectionId::new(bad).unwrap_err();
            assert_eq!(error.code(), "invalid_option");
            assert!(error.message().contains(reason), "{bad:?}: {error}");
        }
    }

    #[test]
    fn the_lower_case_form_is_suggested_where_it_is_an_id() {
        let help = |text| {
            ConnectionId::new(text)
                .unwrap_err()
                .help()
                .unwrap()
                .to_owned()
        };
        assert!(help("Acme-UAT").starts_with("Did you mean `acme-uat`?"));
        assert!(!help("Acme UAT").contains("Did you mean"));
        assert!(!help("a b").contains("Did you mean"));
    }
}
