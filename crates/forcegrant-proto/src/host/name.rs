//! Host names: which are valid, and how a text that was given for one is shown. Pure.

use url::{Host, Url};

use crate::redaction;

/// Whether a text is a plain host name, for options that take one.
pub fn is_host_name(text: &str) -> bool {
    check_name(text).is_ok()
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it names no host".to_owned());
    }
    if name.len() > 253 {
        return Err("it is longer than a host name can be".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("it has two dots in a row, or starts with one".to_owned());
        }
        if label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
            return Err("one of its parts cannot be part of a host name".to_owned());
        }
        if let Some(odd) = label
            .chars()
            .find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && *c != '-' && *c != '_')
        {
            return Err(format!("it holds the character {odd:?}"));
        }
        // Encoded by IDNA, which can look like another host; no Salesforce host has one.
        if label.starts_with("xn--") {
            return Err("it holds an encoded international name (`xn--`)".to_owned());
        }
    }
    Ok(())
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// On a dot boundary, with at least one label before the suffix.
pub(super) fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix)
        .and_then(|left| left.strip_suffix('.'))
        .is_some_and(|left| !left.is_empty())
}

/// What was pasted, fit to be shown: without user info, query and anything that looks like a secret, since
/// a secret or a token may have been pasted in place of a host.
pub fn printable(text: &str) -> String {
    redaction::printable(&without_extras(text), LONGEST_SHOWN)
}

pub(super) const LONGEST_SHOWN: usize = 80;

pub(super) fn without_extras(text: &str) -> String {
    let text = text.trim();
    let text = text.split(['?', '#', '!']).next().unwrap_or_default();
    match text.rfind('@') {
        Some(at) => format!("...{}", &text[at..]),
        None => text.to_owned(),
    }
}
