//! API calls: where they go, and what their responses say about the token.

use crate::canary::assert_harmless;
use crate::hosts::assert_agreed;
use crate::input::{TRUSTED, fields, text, trust};
use crate::strict_url::{Trusted, read};
use forcegrant_proto::calls::resolve_url::{Instances, ResolvedUrl, TokenInstances};
use forcegrant_proto::error::Error;
use forcegrant_proto::response_class::{ApiResponse, ResponseClass};

const OLD: &str = "https://acme-old.my.salesforce.com";
const NOW: &str = "https://acme.my.salesforce.com";
const API: &str = "https://api.salesforce.com";

/// The forms in which Salesforce says that a session has ended.
const ENDED: [&str; 3] = ["INVALID_SESSION_ID", "InvalidSessionId", "Bad_OAuth_Token"];
/// What else shows that a 401 is Salesforce's own.
const OWN: [&str; 3] = [
    "Session expired or invalid",
    "\"errorCode\"",
    "exceptionCode",
];

/// A response to an API call: status, `Retry-After` and `Sforce-Limit-Info`, each on its own line, then the body.
/// Only a form that Salesforce is known to use says that the session has ended.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the method is of one lifetime, the closure of any"
)]
pub(crate) fn api_response(data: &[u8]) {
    check_api_response(data, |response| response.class());
}

pub(crate) fn check_api_response(data: &[u8], class: impl Fn(&ApiResponse<'_>) -> ResponseClass) {
    let [status, retry_after, limit_info, body] = fields(data);
    let (retry_after, limit_info) = (text(retry_after), text(limit_info));
    let status = text(status).trim().parse().unwrap_or(401);
    let response = ApiResponse {
        status,
        body,
        retry_after: Some(&retry_after),
        limit_info: Some(&limit_info),
    };
    let class = class(&response);
    assert_eq!(class == ResponseClass::Fine, status < 400, "{status}");
    if class == ResponseClass::SessionExpired {
        let body = text(body);
        let has = |forms: &[&str]| forms.iter().any(|form| body.contains(form));
        let is_own = status == 401 && (body.is_empty() || has(&OWN));
        assert!(is_own || has(&ENDED), "{status} {body}");
    }
    if let Some(usage) = response.api_usage() {
        let digits = |number: u64| limit_info.contains(&number.to_string());
        assert!(digits(usage.used) && digits(usage.limit), "{limit_info}");
    }
}

/// The URL or path that a caller gives. A token is sent only to an instance or a host that the user trusts, by a URL
/// that all parsers read alike.
pub(crate) fn call_url(data: &[u8]) {
    check_call_url(data, resolve);
}

pub(crate) fn check_call_url(data: &[u8], resolve: impl Fn(&str) -> Result<ResolvedUrl, Error>) {
    let address = text(data);
    let resolved = match resolve(&address) {
        Ok(resolved) => resolved,
        Err(error) => return assert_harmless(&error),
    };
    if resolved.carries_token {
        assert_trusted(&address, &resolved.url);
    }
    // A URL that the caller asks about and then sends itself.
    if trust().is_allowed_for(&address, &[NOW, API]) {
        let lower = address.trim().to_ascii_lowercase();
        let end = lower.find(['?', '#']).unwrap_or(lower.len());
        let plain: String = lower[..end].replace(' ', "%20");
        assert!(
            read(&plain).is_some() || !plain.is_ascii() || plain.contains(":/"),
            "{address:?}"
        );
    }
}

/// The token goes to an instance or a host that the user trusts, whichever parser reads the URL.
fn assert_trusted(address: &str, url: &str) {
    let trusted = Trusted::read(TRUSTED);
    let (origin, _) = read(url).unwrap_or_else(|| panic!("{address:?} became {url:?}"));
    let is = |instance: &&str| read(instance).is_some_and(|(own, _)| own == origin);
    let is_named = trusted.names(origin.host) && origin.scheme == "https";
    assert!(
        [NOW, API].iter().any(is) || is_named,
        "{address:?} became {url:?}"
    );
    assert_agreed(url, origin.host);
}

fn resolve(address: &str) -> Result<ResolvedUrl, Error> {
    let token = TokenInstances {
        instance_url: NOW,
        api_instance_url: Some(API),
    };
    let old = TokenInstances {
        instance_url: OLD,
        ..token
    };
    let mut instances = Instances::default();
    for known in [old, token] {
        instances = instances.with(known).unwrap_or(instances);
    }
    instances.resolve_url(token, &trust(), address)
}
