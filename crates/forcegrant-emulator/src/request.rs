//! A request as the endpoints see it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a request is for. Faults, waits and the log name endpoints this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/services/oauth2/token`.
    Token,
    /// `/services/oauth2/introspect`.
    Introspect,
    /// `/services/oauth2/userinfo` and identity URLs.
    Userinfo,
    /// `/services/oauth2/revoke`.
    Revoke,
    /// Any of the data APIs; in a log: one that has no name of its own here.
    Data,
    /// `/services/data/vNN.N/limits`.
    Limits,
    /// `/services/data/vNN.N/query`.
    Query,
    /// `/services/Soap/...`.
    Soap,
    /// Bulk API 1 and 2.
    Bulk,
    /// A CONNECT to the proxy.
    Connect,
    /// Discovery, keys, everything else.
    Other,
    /// Every endpoint but the proxy's.
    Any,
}

impl Endpoint {
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/services/oauth2/token" => return Self::Token,
            "/services/oauth2/introspect" => return Self::Introspect,
            "/services/oauth2/userinfo" => return Self::Userinfo,
            "/services/oauth2/revoke" => return Self::Revoke,
            "/id/keys" => return Self::Other,
            _ => {}
        }
        let mut parts = path.trim_matches('/').split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("id"), Some(_), Some(_), None) => Self::Userinfo,
            (Some("services"), Some("Soap"), ..) => Self::Soap,
            (Some("services"), Some("data"), Some(_), Some("limits")) => Self::Limits,
            (Some("services"), Some("data"), Some(_), Some("query" | "queryAll")) => Self::Query,
            (Some("services"), Some("async"), ..)
            | (Some("services"), Some("data"), Some(_), Some("jobs")) => Self::Bulk,
            (Some("services"), Some("data"), ..) => Self::Data,
            _ => Self::Other,
        }
    }

    /// Whether a request for `actual` counts as one for `self`.
    pub(crate) fn covers(self, actual: Self) -> bool {
        match self {
            Self::Any => actual != Self::Connect,
            Self::Data => actual.is_data(),
            _ => self == actual,
        }
    }

    pub(crate) fn is_data(self) -> bool {
        matches!(
            self,
            Self::Data | Self::Limits | Self::Query | Self::Soap | Self::Bulk
        )
    }
}

/// How a request came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListenerKind {
    Https,
    Http,
    Proxy,
}

/// A complete request.
pub(crate) struct ReceivedRequest {
    pub(crate) listener: ListenerKind,
    pub(crate) via_proxy: bool,
    pub(crate) sni: Option<String>,
    /// Lower case, without port.
    pub(crate) host: String,
    pub(crate) method: String,
    /// Of a CONNECT: host and port.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) form: Option<Vec<(String, String)>>,
}

impl ReceivedRequest {
    pub(crate) fn new(parts: &Parts, body: Bytes) -> Self {
        let headers = parts.headers.clone();
        let authority = parts
            .uri
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let host = authority
            .clone()
            .or_else(|| text(&headers, "host").map(ToOwned::to_owned));
        // CONNECT has no path but a host and a port; HTTP/1.0 clients send no Host header.
        let path = match &authority {
            Some(target) if parts.method == "CONNECT" => target.clone(),
            _ => parts.uri.path().to_owned(),
        };
        let form = text(&headers, "content-type")
            .is_some_and(|value| media_type(value) == "application/x-www-form-urlencoded")
            .then(|| form_urlencoded::parse(&body).into_owned().collect());
        Self {
            listener: ListenerKind::Https,
            via_proxy: false,
            sni: None,
            host: without_port(&host.unwrap_or_default()).to_ascii_lowercase(),
            method: parts.method.as_str().to_owned(),
            path,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers,
            body,
            form,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        if self.method == "CONNECT" {
            Endpoint::Connect
        } else {
            Endpoint::of(&self.path)
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// The first form field of that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.form.iter().flatten();
        fields
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first query parameter of that name.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The token of an `Authorization: Bearer` header; Salesforce also takes `OAuth`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth");
        known.then(|| token.trim())
    }

    /// Client id and secret from HTTP Basic or, without it, from the form.
    pub(crate) fn client_authentication(&self) -> (Option<String>, Option<String>) {
        if let Some((id, secret)) = self.basic() {
            return (Some(id), Some(secret));
        }
        let owned = |name| self.field(name).map(ToOwned::to_owned);
        (owned("client_id"), owned("client_secret"))
    }

    pub(crate) fn wants_json(&self) -> bool {
        ["accept", "content-type"].into_iter().any(|name| {
            self.header(name)
                .is_some_and(|value| media_type(value) == "application/json")
        })
    }

    pub(crate) fn headers_as_json(&self) -> Map<String, Value> {
        let mut map = Map::new();
        for name in self.headers.keys() {
            let values = self.headers.get_all(name).iter();
            let values: Vec<_> = values
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            map.insert(name.as_str().to_owned(), values.join(", ").into());
        }
        map
    }

    /// The form with repeated fields as arrays, or null.
    pub(crate) fn form_as_json(&self) -> Value {
        let Some(form) = &self.form else {
            return Value::Null;
        };
        let mut map = Map::new();
        for (key, value) in form {
            match map.get_mut(key) {
                None => {
                    map.insert(key.clone(), value.clone().into());
                }
                Some(Value::Array(values)) => values.push(value.clone().into()),
                Some(first) => *first = Value::Array(vec![first.take(), value.clone().into()]),
            }
        }
        map.into()
    }

    fn basic(&self) -> Option<(String, String)> {
        let (scheme, encoded) = self.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        Some((percent_decoded(id), percent_decoded(secret)))
    }
}

/// A host without its port; brackets of an IPv6 address stay.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn text<'a>(headers: &'a hyper::HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn media_type(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

// RFC 6749 has both parts form-encoded before Base64. Keys and secrets of
// Salesforce need no encoding, so both readings agree for them.
fn percent_decoded(text: &str) -> String {
    let plus_kept = text.replace('+', "%2B");
    let pairs = form_urlencoded::parse(plus_kept.as_bytes());
    let decoded: Vec<String> = pairs.map(|(key, _)| key.into_owned()).collect();
    match &decoded[..] {
        [only] if !text.contains('=') => only.clone(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_by_path() {
        for (path, endpoint) in [
            ("/services/oauth2/token", Endpoint::Token),
            ("/id/keys", Endpoint::Other),
            (
                "/id/00D000000000062EAA/005000000000001AAA",
                Endpoint::Userinfo,
            ),
            ("/services/data", Endpoint::Data),
            ("/services/data/v67.0/limits/", Endpoint::Limits),
            ("/services/data/v67.0/query/", Endpoint::Query),
            ("/services/data/v67.0/sobjects", Endpoint::Data),
            ("/services/data/v67.0/jobs/ingest", Endpoint::Bulk),
            ("/services/async/67.0/job", Endpoint::Bulk),
            ("/services/Soap/u/67.0", Endpoint::Soap),
            ("/", Endpoint::Other),
        ] {
            assert_eq!(Endpoint::of(path), endpoint, "{path}");
        }
        assert!(Endpoint::Data.covers(Endpoint::Bulk));
        assert!(!Endpoint::Any.covers(Endpoint::Connect));
        assert!(!Endpoint::Limits.covers(Endpoint::Query));
    }

    #[test]
    fn ports_and_percent_signs() {
        assert_eq!(
            without_port("acme.my.salesforce.com:443"),
            "acme.my.salesforce.com"
        );
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(percent_decoded("a%20b+c"), "a b+c");
        assert_eq!(percent_decoded("a=b&c"), "a=b&c");
    }
}
