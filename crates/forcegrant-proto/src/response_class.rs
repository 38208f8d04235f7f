//! What an API's response says about the token. Pure: for any HTTP client in any language.
//!
//! It knows the forms of REST, Bulk 1 and 2, SOAP, Connect, identity and gRPC. Most come from the code and tests of
//! other clients; Salesforce does not document them in one place.

use std::time::{Duration, SystemTime};

use crate::retry_after;

/// The parts of a response that matter. The body may be cut: a few hundred bytes do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiResponse<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The first bytes of the body.
    pub body: &'a [u8],
    /// The header `Retry-After`.
    pub retry_after: Option<&'a str>,
    /// The header `Sforce-Limit-Info`.
    pub limit_info: Option<&'a str>,
}

/// What to make of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseClass {
    /// The call was served.
    Fine,
    /// The session is dead: `invalidate` the token and ask for another.
    SessionExpired,
    /// A 401 that is not in Salesforce's own form, such as a gateway's page: no proof that the session
    /// is dead.
    Unauthorized,
    /// The session lives, and this API does not take it. A new token does not help.
    SessionRefused(Refusal),
    /// The password of the user that the app runs as has expired: an administrator sets a new one.
    PasswordExpired,
    /// The API is switched off for the org or user, or this address may not use it.
    Blocked,
    /// Too many calls.
    RateLimited(RateLimit),
    /// The service cannot serve the call now.
    Unavailable,
    /// A response about the request, not about the token.
    Other,
}

/// Why a living session is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The app lacks the scope `api`.
    RestNotAllowed,
    /// The app is not attached to the agent.
    AgentNotAttached,
    /// The token is for another audience, or of a form that this API does not take (JWTs outside REST).
    WrongAudience,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RateLimit {
    /// The org's requests of the last 24 hours.
    Daily,
    /// Long requests at the same time.
    Concurrent,
    /// One that the response does not name.
    Unnamed,
}

/// API requests as `Sforce-Limit-Info` counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApiUsage {
    /// Used in the last 24 hours.
    pub used: u64,
    /// Allowed in 24 hours.
    pub limit: u64,
}

impl ResponseClass {
    /// A stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::SessionExpired => "session_expired",
            Self::Unauthorized => "unauthorized",
            Self::SessionRefused(Refusal::RestNotAllowed) => "rest_not_allowed",
            Self::SessionRefused(Refusal::AgentNotAttached) => "agent_not_attached",
            Self::SessionRefused(Refusal::WrongAudience) => "wrong_audience",
            Self::PasswordExpired => "password_expired",
            Self::Blocked => "blocked",
            Self::RateLimited(RateLimit::Daily) => "daily_limit",
            Self::RateLimited(RateLimit::Concurrent) => "concurrent_limit",
            Self::RateLimited(RateLimit::Unnamed) => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        }
    }
}

impl ApiResponse<'_> {
    /// What to make of it.
    #[must_use]
    pub fn class(&self) -> ResponseClass {
        match self.status {
            0..=399 => ResponseClass::Fine,
            400 | 403 | 500 if self.has("INVALID_OPERATION_WITH_EXPIRED_PASSWORD") => {
                ResponseClass::PasswordExpired
            }
            401 => self.unauthorized(),
            // How identity and userinfo refuse a dead token, in plain text.
            403 if self.has("Bad_OAuth_Token") => ResponseClass::SessionExpired,
            403 | 500 if self.has("REQUEST_LIMIT_EXCEEDED") => {
                ResponseClass::RateLimited(self.limit())
            }
            // Bulk 1 and SOAP.
            400 if self.has("InvalidSessionId") => ResponseClass::SessionExpired,
            400 | 500 if self.has("INVALID_SESSION_ID") => self.unauthorized(),
            400 if self.has("ExceededQuota") => ResponseClass::RateLimited(RateLimit::Daily),
            429 => ResponseClass::RateLimited(self.limit()),
            403 | 500 if self.has("API_CURRENTLY_DISABLED") || self.has("API_DISABLED_FOR_ORG") => {
                ResponseClass::Blocked
            }
            502..=504 => ResponseClass::Unavailable,
            500 if self.has("SERVER_UNAVAILABLE") => ResponseClass::Unavailable,
            _ => ResponseClass::Other,
        }
    }

    /// The usage that the response reports.
    #[must_use]
    pub fn api_usage(&self) -> Option<ApiUsage> {
        let usage = self
            .limit_info?
            .split([';', ','])
            .find_map(|part| part.trim().strip_prefix("api-usage="))?;
        let (used, limit) = usage.split_once('/')?;
        Some(ApiUsage {
            used: used.trim().parse().ok()?,
            limit: limit.trim().parse().ok()?,
        })
    }

    /// How long to wait from `now` on, as the header says: in seconds or as a date.
    #[must_use]
    pub fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        retry_after::parse(self.retry_after?, now)
    }

    /// Whether the body is one that Salesforce itself gives when it refuses a session.
    #[doc(hidden)]
    pub fn is_salesforces_refusal(&self) -> bool {
        const MARKS: [&str; 7] = [
            "INVALID_SESSION_ID",
            "InvalidSessionId",
            "INVALID_AUTH_HEADER",
            "Bad_OAuth_Token",
            "Session expired or invalid",
            "\"errorCode\"",
            "exceptionCode",
        ];
        MARKS.iter().any(|mark| self.has(mark))
    }

    fn unauthorized(&self) -> ResponseClass {
        let has = |needle| self.has(needle);
        if has("not valid for use with the REST API") || has("not valid for use with API") {
            ResponseClass::SessionRefused(Refusal::RestNotAllowed)
        } else if has("not attached to Agent") {
            ResponseClass::SessionRefused(Refusal::AgentNotAttached)
        } else if has("INVALID_AUDIENCE") || has("INVALID_AUTH_HEADER") {
            ResponseClass::SessionRefused(Refusal::WrongAudience)
        } else if self.body.is_empty() || self.is_salesforces_refusal() {
            // An empty body: of a HEAD request, or the caller did not read it.
            ResponseClass::SessionExpired
        } else {
            ResponseClass::Unauthorized
        }
    }

    fn limit(&self) -> RateLimit {
        let has = |needle| self.has(needle);
        if has("ConcurrentRequests") || has("concurrent") {
            RateLimit::Concurrent
        } else if has("TotalRequests") || has("REQUEST_LIMIT_EXCEEDED") {
            RateLimit::Daily
        } else {
            RateLimit::Unnamed
        }
    }

    fn has(&self, needle: &str) -> bool {
        self.body
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    }
}

/// What a gRPC status (of the Pub/Sub API) says. `code` is the number of the status.
#[must_use]
pub fn grpc_response_class(code: u32) -> ResponseClass {
    match code {
        0 => ResponseClass::Fine,
        7 => ResponseClass::Blocked,
        8 => ResponseClass::RateLimited(RateLimit::Unnamed),
        14 => ResponseClass::Unavailable,
        16 => ResponseClass::SessionExpired,
        _ => ResponseClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn class(status: u16, body: &str) -> &'static str {
        let response = ApiResponse {
            status,
            body: body.as_bytes(),
            ..ApiResponse::default()
        };
        response.class().as_str()
    }

    #[test]
    fn the_forms_of_each_api_are_known() {
        let table = [
            (200, "{}", "fine"),
            (204, "", "fine"),
            (302, "", "fine"),
            (
                401,
                r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
                "session_expired",
            ),
            (401, "", "session_expired"),
            (
                401,
                r#"[{"message":"new","errorCode":"SOMETHING_NEW"}]"#,
                "session_expired",
            ),
            (
                401,
                "<html><h1>401 Unauthorized</h1></html>",
                "unauthorized",
            ),
            (401, r#"{"message":"Unauthorized"}"#, "unauthorized"),
            (
                400,
                r#"[{"message":"The users password has expired","errorCode":"INVALID_OPERATION_WITH_EXPIRED_PASSWORD"}]"#,
                "password_expired",
            ),
            (
                403,
                "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
                "password_expired",
            ),
            (
                500,
                "sf:INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
                "password_expired",
            ),
            (404, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "other"),
            (
                401,
                r#"[{"message":"This session is not valid for use with the REST API","errorCode":"INVALID_SESSION_ID"}]"#,
                "rest_not_allowed",
            ),
            (
                401,
                r#"[{"message":"Connected app is not attached to Agent","errorCode":"INVALID_SESSION_ID"}]"#,
                "agent_not_attached",
            ),
            (
                401,
                r#"[{"message":"INVALID_HEADER_TYPE","errorCode":"INVALID_AUTH_HEADER"}]"#,
                "wrong_audience",
            ),
            (
                500,
                "<soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode></soapenv:Fault>",
                "session_expired",
            ),
            (
                400,
                "<error><exceptionCode>InvalidSessionId</exceptionCode></error>",
                "session_expired",
            ),
            (
                400,
                r#"{"exceptionCode":"InvalidSessionId","exceptionMessage":"x"}"#,
                "session_expired",
            ),
            (403, "Bad_OAuth_Token", "session_expired"),
            (
                403,
                r#"[{"errorCode":"API_CURRENTLY_DISABLED"}]"#,
                "blocked",
            ),
            (403, r#"[{"errorCode":"API_DISABLED_FOR_ORG"}]"#, "blocked"),
            (
                403,
                r#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
                "daily_limit",
            ),
            (
                403,
                r#"[{"message":"ConcurrentRequests (Concurrent API Requests) Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
                "concurrent_limit",
            ),
            (403, r#"[{"errorCode":"INSUFFICIENT_ACCESS"}]"#, "other"),
            (429, "", "rate_limited"),
            (503, "<html>", "unavailable"),
            (500, "<html>", "other"),
            (404, "", "other"),
            (400, r#"[{"errorCode":"MALFORMED_QUERY"}]"#, "other"),
        ];
        for (status, body, expected) in table {
            assert_eq!(class(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn grpc_statuses() {
        let words: Vec<_> = [0, 16, 7, 8, 14, 5]
            .map(|code| grpc_response_class(code).as_str())
            .into();
        assert_eq!(
            words,
            [
                "fine",
                "session_expired",
                "blocked",
                "rate_limited",
                "unavailable",
                "other"
            ]
        );
    }

    #[test]
    fn headers_are_read() {
        let response = ApiResponse {
            limit_info: Some("api-usage=25/5000; per-app-api-usage=17/250(appName=x)"),
            retry_after: Some(" 7 "),
            ..ApiResponse::default()
        };
        assert_eq!(
            response.api_usage(),
            Some(ApiUsage {
                used: 25,
                limit: 5_000
            })
        );
        assert_eq!(
            response.retry_after(SystemTime::UNIX_EPOCH),
            Some(Duration::from_secs(7))
        );
        let other_order = ApiResponse {
            limit_info: Some("per-app-api-usage=17/250(appName=x), api-usage=1/2"),
            ..response
        };
        assert_eq!(
            other_order.api_usage(),
            Some(ApiUsage { used: 1, limit: 2 })
        );
        for odd in ["", "api-usage=", "api-usage=a/b", "per-app-api-usage=1/2"] {
            let response = ApiResponse {
                limit_info: Some(odd),
                ..ApiResponse::default()
            };
            assert_eq!(response.api_usage(), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_response_has_a_class(status in any::<u16>(), body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let response = ApiResponse { status, body: &body, ..ApiResponse::default() };
            let fine = response.class() == ResponseClass::Fine;
            prop_assert_eq!(fine, status < 400);
        }
    }
}
