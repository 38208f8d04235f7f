//! Responses of the token endpoint.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Map;

use crate::canary::{
    PAIR, REDACTOR, assert_harmless, assert_hidden, assert_redacted, assert_tidy, planted, texts,
};
use crate::input::{NOW, TRUSTED, fields, text, trust};
use crate::strict_url::Trusted;
use forcegrant_proto::cache::cached_token::{CachedToken, NewToken};
use forcegrant_proto::cache::policy::LifetimeSettings;
use forcegrant_proto::grant::context::ResponseContext;
use forcegrant_proto::grant::failure::RequestFailure;
use forcegrant_proto::grant::refusal::OauthError;
use forcegrant_proto::grant::response::decode;
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::http_message::Response;
use forcegrant_proto::token_data::Grant;

/// A response: status (and `first`, if this host gave no valid response before), content type, `Retry-After` and
/// `Location`, each on its own line, then the body. Whatever the response says, a token is for a trusted instance, and
/// no text has the secret.
pub(crate) fn token_response(data: &[u8]) {
    check_token_response(data, decode);
}

pub(crate) fn check_token_response(
    data: &[u8],
    decode: impl Fn(&Response, &ResponseContext<'_>) -> Result<Grant, RequestFailure>,
) {
    let [status, content_type, retry_after, location, body] = fields(data);
    let status = text(status);
    let (status, is_first) = match status.split_once(" first") {
        Some((status, _)) => (status, true),
        None => (&*status, false),
    };
    let header = |line: &[u8]| Some(planted(&text(line))).filter(|text| !text.is_empty());
    // A body that is not a text stays as it is.
    let body =
        std::str::from_utf8(body).map_or_else(|_| body.to_vec(), |body| planted(body).into_bytes());
    let response = Response {
        status: status.trim().parse().unwrap_or(200),
        content_type: header(content_type),
        retry_after: header(retry_after),
        location: header(location),
        body: body.into(),
        ..Response::default()
    };
    let trust = trust();
    let context = ResponseContext {
        known_endpoint: !is_first,
        ..context(&trust)
    };
    match decode(&response, &context) {
        Ok(grant) => {
            assert!((200..300).contains(&response.status), "{}", response.status);
            assert_usable(&grant);
            assert_kept(grant);
        }
        Err(failure) => {
            assert_harmless(&failure.error);
            assert_redacted(&texts(&failure.error));
        }
    }
}

/// What a refusal says, in its two fields and everywhere else: no form of the secret.
pub(crate) fn refusal(data: &[u8]) {
    check_refusal(data, |text| REDACTOR.clean(text, 300));
}

pub(crate) fn check_refusal(data: &[u8], clean: impl Fn(&str) -> String) {
    let [status, error, description] = fields(data);
    let status = text(status).trim().parse().unwrap_or(400);
    let (error, description) = (planted(&text(error)), planted(&text(description)));
    for shown in [clean(&error), clean(&description)] {
        assert_redacted(&shown);
        assert_tidy(&shown);
    }
    let mut fields = Map::new();
    fields.insert("error".to_owned(), error.into());
    fields.insert("error_description".to_owned(), description.into());
    let refusal = OauthError::of(&fields).expect("an OAuth error");
    let is_temporary = refusal.is_temporary();
    let refused = refusal.into_error(status, &REDACTOR);
    assert_harmless(&refused);
    assert_eq!(refused.http_status(), Some(status));
    assert_eq!(
        refused.is_retryable() && refused.code() == "server_unavailable",
        is_temporary
    );
}

pub(crate) fn context(trust: &TrustPolicy) -> ResponseContext<'_> {
    ResponseContext {
        host: "acme.my.salesforce.com",
        credentials: &PAIR,
        trust,
        now: UNIX_EPOCH + Duration::from_millis(NOW.wall.unsigned_abs()),
        known_endpoint: true,
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
    let new_token = NewToken {
        grant,
        credentials: PAIR.mark(),
        started: NOW,
        introspected: None,
        random: 0.5,
    };
    match CachedToken::new(
        new_token,
        forcegrant_proto::cache::learning::Learned::default(),
        NOW,
        &LifetimeSettings::default(),
    ) {
        Ok(lease) => {
            assert!(lease.windows.refresh_due <= lease.windows.ends);
            assert_hidden(&format!("{:?}", lease.parts));
        }
        Err(error) => assert_harmless(&error),
    }
}
