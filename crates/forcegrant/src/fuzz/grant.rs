//! Responses of the token endpoint.

use std::time::{Duration, UNIX_EPOCH};

use super::canary::{CLIENT_ID, CLIENT_SECRET, PAIR, assert_harmless, assert_hidden, planted};
use super::input::{NOW, TRUSTED, fields, text, trust};
use super::origin::Trusted;
use crate::cache::lease::{self, Minted};
use crate::cache::policy::LifetimeSettings;
use crate::error::Error;
use crate::grant::refusal;
use crate::grant::response::{Context, Failure, decode};
use crate::host::TrustPolicy;
use crate::http::Response;
use crate::token::Grant;

/// A response as the wire gave it: status, content type, `Retry-After` and `Location` on a line each, then
/// the body. Whatever it says, a token is for a trusted instance, and the secret is in no text.
pub(super) fn token_response(data: &[u8]) {
    check_token_response(data, decode);
}

pub(super) fn check_token_response(
    data: &[u8],
    decode: impl Fn(&Response, &Context<'_>) -> Result<Grant, Failure>,
) {
    let [status, content_type, retry_after, location, body] = fields(data);
    let header = |line: &[u8]| Some(planted(&text(line))).filter(|text| !text.is_empty());
    // A body that is not a text stays as it is.
    let body =
        std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |body| planted(body).into_bytes());
    let response = Response {
        status: text(status).trim().parse().unwrap_or(200),
        content_type: header(content_type),
        retry_after: header(retry_after),
        location: header(location),
        body: body.into(),
        ..Response::default()
    };
    let trust = trust();
    match decode(&response, &context(&trust)) {
        Ok(grant) => {
            assert!((200..300).contains(&response.status), "{}", response.status);
            assert_usable(&grant);
            assert_kept(grant);
        }
        Err(failure) => assert_harmless(&failure.error),
    }
}

/// What a refusal says, in its two fields and everywhere else: no form of the secret.
pub(super) fn refusal(data: &[u8]) {
    check_refusal(data, refusal::classify);
}

pub(super) fn check_refusal(
    data: &[u8],
    classify: impl Fn(u16, &str, Option<&str>, &[&str]) -> Error,
) {
    let [status, error, description] = fields(data);
    let status = text(status).trim().parse().unwrap_or(400);
    let (error, description) = (planted(&text(error)), planted(&text(description)));
    let description = Some(&*description).filter(|text| !text.is_empty());
    let refused = classify(status, &error, description, &[CLIENT_SECRET, CLIENT_ID]);
    assert_harmless(&refused);
    assert_eq!(refused.http_status(), Some(status));
}

pub(super) fn context(trust: &TrustPolicy) -> Context<'_> {
    Context {
        host: "acme.my.salesforce.com",
        pair: &PAIR,
        trust,
        now: UNIX_EPOCH + Duration::from_millis(NOW.wall.unsigned_abs()),
    }
}

fn assert_usable(grant: &Grant) {
    let trusted = Trusted::read(TRUSTED);
    assert!(
        trusted.takes_token(&grant.instance_url),
        "{}",
        grant.instance_url
    );
    if let Some(url) = &grant.api_instance_url {
        assert!(trusted.takes_token(url), "{url}");
    }
    let token = grant.access_token.expose();
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    if token.len() > 40 {
        assert!(!format!("{:?}", grant.access_token).contains(token));
    }
}

/// The token can be kept: its times are computed without a fault, and it ends after it began.
fn assert_kept(grant: Grant) {
    let minted = Minted {
        grant,
        pair: PAIR.mark(),
        started: NOW,
        introspected: None,
        random: 0.5,
    };
    match lease::lease(
        minted,
        crate::cache::learning::Learned::default(),
        NOW,
        &LifetimeSettings::default(),
    ) {
        Ok(lease) => {
            assert!(lease.windows.ages <= lease.windows.ends);
            assert_hidden(&format!("{:?}", lease.parts));
        }
        Err(error) => assert_harmless(&error),
    }
}
