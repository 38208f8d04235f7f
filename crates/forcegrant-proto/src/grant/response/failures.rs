//! The errors for responses without a token.

use url::Url;

use crate::error::{Error, ErrorCode, SetupStep};
use crate::grant::context::ResponseContext;
use crate::grant::failure::RequestFailure;
use crate::http_message::{MAX_BODY, Response};

const TEMPORARY: &str = "This host has responded as a Salesforce token endpoint before, so this is probably maintenance, or a gateway\nor login page between this machine and Salesforce. The client tries again by itself.";
const WRONG_PLACE: &str = "Something other than a Salesforce token endpoint responded: a proxy's login page, a site, or the wrong host.\nCheck the login URL and what stands between this machine and Salesforce.";
const NOT_FOLLOWED: &str = "Following it would lose the request or carry the client secret to another host.\nUse the org's My Domain host as the login URL; if the target above is that host, use it.";
const OWN_REDIRECT: &str = "The host leads to another page of its own, as a login page or a gateway does.\nCheck the login URL or `token_url`, and what stands between this machine and Salesforce.";

pub(super) fn redirected(
    response: &Response,
    context: &ResponseContext<'_>,
    temporary: bool,
) -> Error {
    let (target, own) = target(response, context);
    let message = format!(
        "`{}` responded HTTP {} with a redirect to {target}, which was not followed",
        context.host, response.status
    );
    if temporary {
        return temporarily_unavailable(message, response.status);
    }
    Error::new(ErrorCode::Redirected, message)
        .with_help(if own { OWN_REDIRECT } else { NOT_FOLLOWED })
        .with_http_status(response.status)
}

/// Where a redirect leads, in words, and whether that is the host itself.
fn target(response: &Response, context: &ResponseContext<'_>) -> (String, bool) {
    let Some(location) = response.location.as_deref() else {
        return ("no address".to_owned(), false);
    };
    // A relative address is one of this host.
    let base = Url::parse(&format!("https://{}/services/oauth2/token", context.host)).ok();
    let parsed = match &base {
        Some(base) => base.join(location.trim()),
        None => Url::parse(location.trim()),
    };
    let Ok(url) = parsed else {
        return ("an address that is not a URL".to_owned(), false);
    };
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        let scheme = context.clean(url.scheme(), 20);
        return (
            format!("an address that names no host (`{scheme}:`)"),
            false,
        );
    };
    let own = base.is_some_and(|base| base.host_str() == Some(host));
    (format!("`{}`", context.clean(host, 100)), own)
}

pub(super) fn rate_limited(context: &ResponseContext<'_>) -> Error {
    Error::new(
        ErrorCode::RateLimited,
        format!("`{}` responded HTTP 429: too many requests", context.host),
    )
    .with_help("The client backs off by itself. If it lasts, find out what else calls this endpoint so often.")
    .with_http_status(429)
}

pub(super) fn unavailable(status: u16, context: &ResponseContext<'_>) -> Error {
    Error::new(
        ErrorCode::ServerUnavailable,
        format!("`{}` is unavailable: HTTP {status}", context.host),
    )
    .with_help("Salesforce is in maintenance or has a fault; see status.salesforce.com. The client backs off and tries again by itself.")
    .with_http_status(status)
}

/// Describes the body and does not repeat it: it may hold anything.
pub(super) fn unreadable(
    response: &Response,
    what: Unreadable,
    context: &ResponseContext<'_>,
    temporary: bool,
) -> Error {
    let Response { status, body, .. } = response;
    let kind = response.content_type.as_deref().map_or_else(
        || "no content type".to_owned(),
        |kind| context.clean(kind.split(';').next().unwrap_or_default(), 60),
    );
    let host = context.host;
    let (code, message) = match what {
        Unreadable::TooLarge => (
            ErrorCode::ResponseTooLarge,
            format!(
                "`{host}` responded HTTP {status} with more than {} KiB, which no token response has",
                MAX_BODY / 1024
            ),
        ),
        _ => (
            ErrorCode::UnexpectedResponse,
            format!(
                "`{host}` responded HTTP {status} with {} instead of a token response ({kind}, {} bytes)",
                what.in_words(),
                body.len()
            ),
        ),
    };
    if temporary {
        return temporarily_unavailable(message, *status);
    }
    let error = Error::new(code, message)
        .with_help(WRONG_PLACE)
        .with_http_status(*status);
    if *status == 404 {
        return error.with_setup_step(Some(SetupStep::Hostname));
    }
    error
}

/// A token response with a field that cannot be used. An untrusted instance is final: the user or an administrator has
/// to change a setting.
pub(super) fn unusable(problem: Error, status: u16, temporary: bool) -> RequestFailure {
    if temporary && problem.code() == ErrorCode::UnexpectedResponse {
        return RequestFailure::transient(temporarily_unavailable(problem.message(), status));
    }
    RequestFailure::permanent(problem.with_http_status(status))
}

fn temporarily_unavailable(message: impl Into<String>, status: u16) -> Error {
    Error::new(ErrorCode::ServerUnavailable, message)
        .with_help(TEMPORARY)
        .with_http_status(status)
}

pub(super) fn missing(field: &str) -> Error {
    wrong(field, "is missing")
}

pub(super) fn wrong(field: &str, problem: &str) -> Error {
    Error::new(
        ErrorCode::UnexpectedResponse,
        format!("the token response cannot be used: its field `{field}` {problem}"),
    )
    .with_help("This was not the response of a Salesforce token endpoint. Check what stands between this machine and Salesforce;\nif nothing does, please report it with the text above.")
}

/// Why a body is not that of a token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Empty,
    Html,
    Gzip,
    Utf16,
    /// JSON that ends too early.
    Cut,
    /// JSON, but neither a token nor an OAuth error.
    OtherJson,
    TooLarge,
    Other,
}

impl Unreadable {
    fn in_words(self) -> &'static str {
        match self {
            Self::Empty => "an empty body",
            Self::Html => "an HTML page",
            Self::Gzip => "a gzip-compressed body, which the request did not accept,",
            Self::Utf16 => "a body in UTF-16, not UTF-8,",
            Self::Cut => "JSON that is cut short",
            Self::OtherJson => "other JSON",
            Self::TooLarge => "too much",
            Self::Other => "a body that is not JSON",
        }
    }
}
