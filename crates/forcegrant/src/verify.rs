//! `verify()`: a login and one harmless API call.

use std::sync::Arc;

use url::Url;

use crate::engine::Engine;
use crate::error::{Code, Error};
use crate::http::{Request, Response};
use crate::redaction::Redactor;
use crate::secret::Secret;
use crate::token::Token;
use crate::verdict::ApiAnswer;

/// What [`Client::verify`](crate::Client::verify) found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verified {
    /// The new token, which the client serves from now on.
    pub token: Token,
    /// API requests used and allowed in the last 24 hours, if the API said so.
    pub api_usage: Option<(u64, u64)>,
}

/// Needs the `api` scope, changes nothing, and is answered by every edition with API access. The
/// version is old enough for every org and far from being retired.
const CALL: &str = "/services/data/v60.0/limits";

pub(crate) async fn verify(engine: &Arc<Engine>) -> Result<Verified, Error> {
    // The API call below says whether a token that was reported as rejected works after all.
    engine.pardon();
    let token = engine.login_afresh().await?;
    let request = Request {
        method: "GET",
        url: format!("{}{CALL}", token.instance_url()),
        headers: vec![
            ("authorization", Secret::new(token.authorization())),
            ("accept", Secret::new("application/json")),
        ],
        body: None,
    };
    let profile = &engine.profile;
    let answer = profile
        .transport
        .send(&request, profile.attempt_timeout)
        .await;
    let answer = answer.map_err(|failure| failure.error)?;
    if !(200..=299).contains(&answer.status) {
        if answer.status == 401 {
            engine.invalidate(token.fingerprint());
        }
        return Err(refused(&answer, &token));
    }
    Ok(Verified {
        api_usage: usage(&answer),
        token,
    })
}

fn usage(answer: &Response) -> Option<(u64, u64)> {
    let answer = ApiAnswer {
        limit_info: answer.limit_info.as_deref(),
        ..ApiAnswer::default()
    };
    answer.api_usage().map(|usage| (usage.used, usage.limit))
}

fn refused(answer: &Response, token: &Token) -> Error {
    let host = token.instance_url().trim_start_matches("https://");
    let status = answer.status;
    let redactor = Redactor::new().hide(token.access_token());
    if status >= 500 || status == 429 {
        return Error::new(
            Code::ServerUnavailable,
            format!("a token was issued, but the API of `{host}` can not serve now: HTTP {status}"),
        )
        .with_help("The set-up for the login is right. Try again later; see status.salesforce.com.")
        .with_http_status(status);
    }
    if (300..=399).contains(&status) {
        let target = answer
            .location
            .as_deref()
            .and_then(|to| Url::parse(to).ok());
        let target = target.as_ref().and_then(Url::host_str).map_or_else(
            || "an unnamed place".to_owned(),
            |to| format!("`{}`", redactor.clean(to, 100)),
        );
        return Error::new(
            Code::Redirected,
            format!("a token was issued, but the API of `{host}` answered HTTP {status} and points to {target}; the redirect was not followed"),
        )
        .with_help("Following it would carry the token to another host. The login works; look at what stands between\nthis machine and the instance, and whether the org is being moved.")
        .with_setup_step(None)
        .with_http_status(status);
    }
    // The API's own error code says more than the status; its message is not copied.
    let code = serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|body| body.get(0)?.get("errorCode")?.as_str().map(str::to_owned))
        .map(|code| redactor.clean(&code, 60));
    let code = code.map_or_else(String::new, |code| format!(" ({code})"));
    Error::new(
        Code::ApiAccessRefused,
        format!("a token was issued, but the API of `{host}` refused it: HTTP {status}{code}"),
    )
    .with_help("The login works. Add the scope \"Manage user data via APIs (api)\" to the app (Settings > OAuth Settings)\nand see that the Run-As user has the permission API Enabled.")
    .with_http_status(status)
}
