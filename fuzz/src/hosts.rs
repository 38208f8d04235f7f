//! Hosts that get the client secret or a token.

use url::Url;

use crate::canary::assert_harmless;
use crate::input::{fields, text};
use crate::strict_url::{Trusted, read};
use forcegrant_proto::error::Error;
use forcegrant_proto::host::{self, LoginEndpoint, TrustPolicy};
use forcegrant_proto::redaction::Redactor;

/// What people paste as `login_url` and `token_url`: what is accepted is a trusted host, and accepting it
/// again changes nothing.
pub(crate) fn login_host(data: &[u8]) {
    check_login_host(data, host::login_host);
}

pub(crate) fn check_login_host(
    data: &[u8],
    login_host: impl Fn(&str, &TrustPolicy) -> Result<String, Error>,
) {
    let [line, pasted] = fields(data);
    let (trusted, mut policy) = policy(&text(line));
    let pasted = text(pasted);
    match login_host(&pasted, &policy) {
        Ok(found) => {
            assert!(trusted.takes_secret(&found), "`{pasted}` became `{found}`");
            let again = login_host(&found, &policy);
            assert_eq!(again.ok().as_deref(), Some(&*found), "`{pasted}`");
        }
        Err(error) => assert_harmless(&error),
    }
    match LoginEndpoint::from_login_url(&pasted, &policy) {
        Ok(endpoint) => {
            let (origin, path) = read(endpoint.token_url()).expect("a plain URL");
            assert_eq!(path, "/services/oauth2/token");
            let is_theirs = origin.scheme == "https"
                && origin.port.is_none()
                && trusted.takes_secret(origin.host);
            assert!(
                trusted.is_here(&origin) || is_theirs,
                "`{pasted}` became {origin:?}"
            );
            assert_agreed(endpoint.token_url(), origin.host);
            assert!(endpoint.host().starts_with(origin.host));
        }
        Err(error) => assert_harmless(&error),
    }
    match LoginEndpoint::from_token_url(&pasted, &mut policy) {
        Ok(endpoint) => {
            let url = Url::parse(endpoint.token_url()).expect("a URL");
            let here = trusted.http_loopback && url.scheme() == "http";
            assert!(url.scheme() == "https" || here, "`{pasted}`");
            assert!(
                url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
            );
            assert!(url.has_host() && url.as_str() == endpoint.token_url());
        }
        Err(error) => assert_harmless(&error),
    }
}

/// The `instance_url` of a response: what is accepted is the plain origin of a trusted host.
pub(crate) fn instance_url(data: &[u8]) {
    check_instance_url(data, |field, claimed, trust| {
        host::check_instance_url(field, claimed, trust, &Redactor::new)
    });
}

pub(crate) fn check_instance_url(
    data: &[u8],
    check: impl Fn(&str, &str, &TrustPolicy) -> Result<String, Error>,
) {
    let [line, claimed] = fields(data);
    let (trusted, policy) = policy(&text(line));
    let claimed = text(claimed);
    match check("instance_url", &claimed, &policy) {
        Ok(url) => {
            assert!(trusted.takes_token(&url), "`{claimed}` became `{url}`");
            let (origin, _) = read(&url).expect("a plain URL");
            assert_agreed(&url, origin.host);
            let again = check("instance_url", &url, &policy);
            assert_eq!(again.ok().as_deref(), Some(&*url), "`{claimed}`");
        }
        Err(error) => assert_harmless(&error),
    }
}

/// What the first line of an input lets the user trust; nothing when it is not a valid option.
fn policy(line: &str) -> (Trusted, TrustPolicy) {
    let trusted = Trusted::read(line);
    match TrustPolicy::new(trusted.hosts.clone(), trusted.http_loopback) {
        Ok(policy) => (trusted, policy),
        Err(error) => {
            assert_harmless(&error);
            (Trusted::read(""), TrustPolicy::default())
        }
    }
}

/// The parser of the HTTP client sees the same host.
pub(crate) fn assert_agreed(url: &str, host: &str) {
    let parsed = Url::parse(url).expect("a URL");
    assert_eq!(parsed.host_str(), Some(host), "{url}");
    assert!(
        parsed.username().is_empty() && parsed.password().is_none(),
        "{url}"
    );
}
