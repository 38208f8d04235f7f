//! API calls: where they go, and what their responses say about the token.

use super::canary::assert_harmless;
use super::hosts::assert_agreed;
use super::input::{TRUSTED, fields, text, trust};
use super::origin::{Trusted, read};
use crate::calls::target::Instances;
use crate::error::Error;
use crate::verdict::{ApiAnswer, Verdict};

const OLD: &str = "https://acme-old.my.salesforce.com";
const NOW: &str = "https://acme.my.salesforce.com";
const API: &str = "https://api.salesforce.com";

/// The forms in which Salesforce says that a session has ended.
const ENDED: [&str; 3] = ["INVALID_SESSION_ID", "InvalidSessionId", "Bad_OAuth_Token"];

/// A response to an API call: status, `Retry-After` and `Sforce-Limit-Info` on a line each, then the body.
/// Only a proven form says that the session has ended.
pub(super) fn api_response(data: &[u8]) {
    check_api_response(data, |response| response.verdict());
}

pub(super) fn check_api_response(data: &[u8], class: impl Fn(&ApiAnswer<'_>) -> Verdict) {
    let [status, retry_after, limit_info, body] = fields(data);
    let (retry_after, limit_info) = (text(retry_after), text(limit_info));
    let status = text(status).trim().parse().unwrap_or(401);
    let response = ApiAnswer {
        status,
        body,
        retry_after: Some(&retry_after),
        limit_info: Some(&limit_info),
    };
    let class = class(&response);
    assert_eq!(class == Verdict::Fine, status < 400, "{status}");
    if class == Verdict::SessionExpired {
        let body = text(body);
        assert!(
            status == 401 || ENDED.iter().any(|form| body.contains(form)),
            "{status} {body}"
        );
    }
    if let Some(usage) = response.api_usage() {
        assert!(
            limit_info.contains(&usage.used.to_string())
                || limit_info.contains('+')
                || limit_info.contains('0')
        );
    }
    let _ = response.retry_after();
}

/// What a caller gives as the address of a call. A token leaves only for an instance or a host that the
/// user trusts, by a URL that all parsers read alike.
pub(super) fn call_url(data: &[u8]) {
    check_call_url(data, resolve);
}

pub(super) fn check_call_url(data: &[u8], resolve: impl Fn(&str) -> Result<(String, bool), Error>) {
    let address = text(data);
    let (url, carries_token) = match resolve(&address) {
        Ok(resolved) => resolved,
        Err(error) => return assert_harmless(&error),
    };
    if !carries_token {
        return;
    }
    let trusted = Trusted::read(TRUSTED);
    let (origin, _) = read(&url).unwrap_or_else(|| panic!("{address:?} became {url:?}"));
    let is_instance = [NOW, API]
        .iter()
        .any(|instance| read(instance).is_some_and(|(own, _)| own == origin));
    let is_named = trusted.names(origin.host) && origin.scheme == "https";
    assert!(is_instance || is_named, "{address:?} became {url:?}");
    assert_agreed(&url, origin.host);
}

/// The address for a call, and whether the token goes there.
fn resolve(address: &str) -> Result<(String, bool), Error> {
    let mut instances = Instances::default();
    for instance in [OLD, NOW] {
        instances = instances.with(instance, Some(API)).unwrap_or(instances);
    }
    let url = instances.aim(NOW, Some(API), address)?;
    let carries_token = trust().may_carry(&url, &[NOW, API]);
    Ok((url, carries_token))
}
