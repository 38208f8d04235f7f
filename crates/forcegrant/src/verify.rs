//! `verify()`: a login and one harmless API call.

use std::fmt;

use serde_json::Value;
use url::Url;

use crate::calls::CLASSIFIED_BYTES;
use crate::client::Client;
use crate::clock::to_system_time;
use crate::http::{Request, Response};
use crate::verified::Verified;
use crate::wait::Pending;
use crate::worker;
use forcegrant_proto::cache::reports::Report;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::response_class::{ApiResponse, RateLimit, Refusal, ResponseClass};
use forcegrant_proto::secret::Secret;
use forcegrant_proto::token::Token;

/// Needs the `api` scope, changes nothing, and is answered by every edition with API access. The
/// version is old enough for every org and far from being retired.
const CALL: &str = "/services/data/v60.0/limits";

impl Client {
    /// Logs in afresh, whatever is cached or remembered, and makes one harmless API call with the
    /// token. Shows that the whole set-up works; it counts as a login. Callers at the same time share
    /// one verification.
    pub async fn verify(&self) -> Result<Verified, Error> {
        self.start_verify().await
    }

    /// The same as [`Client::verify`] for callers that wait in their own way.
    pub(crate) fn start_verify(&self) -> Pending<Verified> {
        let verifications = self.inner.verifications();
        let mut in_flight = verifications.lock();
        in_flight.join_or_start(|flight| {
            let client = self.clone();
            worker::spawn(async move { flight.complete(&verify(&client).await) })
        })
    }
}

async fn verify(client: &Client) -> Result<Verified, Error> {
    // The API call below says whether a token that was reported as rejected works after all.
    client.inner.clear_rejected();
    let token = client.login_afresh().await?;
    let request = Request {
        method: "GET",
        url: format!("{}{CALL}", token.instance_url()),
        headers: vec![
            ("authorization", Secret::new(token.authorization())),
            ("accept", Secret::new("application/json")),
        ],
        body: None,
    };
    let config = &client.inner.config;
    let response = config
        .transport
        .send(&request, config.attempt_timeout)
        .await;
    let response = response.map_err(|failure| failure.error)?;
    let api = ApiResponse {
        status: response.status,
        body: &response.body[..response.body.len().min(CLASSIFIED_BYTES)],
        retry_after: response.retry_after.as_deref(),
        limit_info: response.limit_info.as_deref(),
    };
    if (200..=299).contains(&response.status) {
        let api_usage = api.api_usage().map(|usage| (usage.used, usage.limit));
        return Ok(Verified { token, api_usage });
    }
    // A session that lives and is refused stays: a new token does not help.
    let is_dead = matches!(
        api.class(),
        ResponseClass::SessionExpired | ResponseClass::Unauthorized
    );
    if is_dead {
        client.inner.report(&Report {
            fingerprint: token.fingerprint(),
            host: Some(token.instance_url()),
            is_proof: api.class() == ResponseClass::SessionExpired,
            is_renewed: false,
        });
    }
    let now = to_system_time(config.clock.now().wall);
    let error = if (300..=399).contains(&response.status) {
        redirected(&response, &request.url, &token)
    } else {
        refused(&api, &response.body, &token)
    };
    Err(error
        .with_http_status(response.status)
        .with_retry_after(api.retry_after(now)))
}

fn redirected(response: &Response, from: &str, token: &Token) -> Error {
    let host = host_of(token);
    let to = response.location.as_deref();
    let from = Url::parse(from).ok();
    let target = to
        .zip(from)
        .and_then(|(to, from)| from.join(to).ok())
        .and_then(|to| {
            to.host_str()
                .map(|to| Redactor::new().hide(token.access_token()).clean(to, 100))
        })
        .map_or_else(|| "an unnamed place".to_owned(), |to| format!("`{to}`"));
    Error::new(
        ErrorCode::Redirected,
        format!(
            "a token was issued, but the API of `{host}` responded with HTTP {} and points to {target}; the redirect was not followed",
            response.status
        ),
    )
    .with_help("Following it would carry the token to another host. The login works; look at what stands between\nthis machine and the instance, and whether the org is being moved.")
    .with_setup_step(None)
}

/// Why the API did not serve a token that was just issued, by the class that the adapters go by.
fn refused(api: &ApiResponse<'_>, body: &[u8], token: &Token) -> Error {
    const SCOPE: &str = "The login works. Add the scope \"Manage user data via APIs (api)\" to the app (Settings > OAuth Settings)\nand see that the Run-As user has the permission API Enabled.";
    let said = said(body, token);
    let is_salesforces = matches!(said, Said::Salesforce(_));
    let (code, what, help) = match (api.class(), api.status) {
        (ResponseClass::PasswordExpired, _) => (
            ErrorCode::PasswordExpired,
            "refused it because the password of the Run-As user has expired",
            "The login works. Set a new password for that user (Setup > Users > Users > Edit > Reset Password), or give it\na profile or permission set with Password Never Expires.",
        ),
        (ResponseClass::RateLimited(RateLimit::Daily), _) => (
            ErrorCode::ApiLimitReached,
            "has used up the org's API requests of the last 24 hours",
            "The set-up is right. Setup > System Overview > API Usage shows who used them; they come back over 24 hours.",
        ),
        (ResponseClass::RateLimited(RateLimit::Concurrent), _) => (
            ErrorCode::ApiLimitReached,
            "has too many long requests under way",
            "The set-up is right. Try again when some of them have ended.",
        ),
        (ResponseClass::RateLimited(RateLimit::Unnamed), _) => (
            ErrorCode::RateLimited,
            "has had too many requests just now",
            "The set-up is right. Try again later.",
        ),
        (ResponseClass::Unavailable, _) | (_, 408 | 425 | 500..=599) => (
            ErrorCode::ServerUnavailable,
            "cannot serve now",
            "The set-up for the login is right. Try again later; see status.salesforce.com.",
        ),
        (ResponseClass::Blocked, _) => (
            ErrorCode::ApiDisabled,
            "is switched off for the org or for the Run-As user",
            "The login works. The org's edition must include API access, and the Run-As user needs the permission API\nEnabled; in Setup > API Access Control an administrator may also have blocked the app.",
        ),
        (ResponseClass::SessionRefused(Refusal::AgentNotAttached), _) => (
            ErrorCode::ApiAccessRefused,
            "refused it",
            "The login works. The app is not attached to the agent that was called.",
        ),
        (ResponseClass::SessionRefused(Refusal::WrongAudience), _) => (
            ErrorCode::ApiAccessRefused,
            "refused it",
            "The login works. The token is for another audience, or of a form that this API does not take: see the app's\nsettings for JWT-based access tokens.",
        ),
        (ResponseClass::SessionExpired, _) if is_salesforces => (
            ErrorCode::ApiAccessRefused,
            "refused it, though it is new",
            "The login works. See that sessions are not locked to the IP address at which they begin (Setup > Session Settings),\nand that the app has the scope \"Manage user data via APIs (api)\".",
        ),
        (ResponseClass::Unauthorized | ResponseClass::Other, _) if !is_salesforces => (
            ErrorCode::UnexpectedResponse,
            "did not respond: something else did",
            "The login works, but what came in response to an API call is not Salesforce's. Look at what stands between this\nmachine and the instance: a firewall, a gateway, a proxy with a page of its own.",
        ),
        (_, 404) => (
            ErrorCode::UnexpectedResponse,
            "does not know the call",
            "The login works. The REST API may be switched off for this org, or its version may have been retired.",
        ),
        _ => (ErrorCode::ApiAccessRefused, "refused it", SCOPE),
    };
    let (host, status) = (host_of(token), api.status);
    Error::new(
        code,
        format!("a token was issued, but the API of `{host}` {what}: HTTP {status}{said}"),
    )
    .with_help(help)
}

fn host_of(token: &Token) -> &str {
    let url = token.instance_url();
    url.split_once("://").map_or(url, |(_, host)| host)
}

/// What the body of a response says, fit to be shown.
enum Said {
    Nothing,
    /// In one of the forms of Salesforce's APIs.
    Salesforce(String),
    /// The title of a page.
    Page(String),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Salesforce(text) => write!(f, " ({text})"),
            Self::Page(title) => write!(f, " with a page titled `{title}`"),
        }
    }
}

fn said(body: &[u8], token: &Token) -> Said {
    let redactor = Redactor::new().hide(token.access_token());
    let clean = |text: &str| redactor.clean(text, 200);
    if let Ok(json) = serde_json::from_slice::<Value>(body) {
        let first = json.get(0).unwrap_or(&json);
        let field = |name| first.get(name).and_then(Value::as_str);
        return match (field("errorCode"), field("message")) {
            (Some(code), Some(message)) => Said::Salesforce(clean(&format!("{code}: {message}"))),
            (Some(code), None) => Said::Salesforce(clean(code)),
            _ => Said::Nothing,
        };
    }
    let text = String::from_utf8_lossy(body);
    // Identity and userinfo.
    if text.len() < 100 && text.contains("_OAuth_Token") {
        return Said::Salesforce(clean(&text));
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let length = lower[start..].find("</title>")?;
        text.get(start..start + length)
    });
    title.map_or(Said::Nothing, |title| Said::Page(clean(title)))
}
