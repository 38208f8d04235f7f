//! Which requests the Connect page serves: pure decisions about a request's head.

use http::{HeaderMap, Method, StatusCode, Uri, header};

/// A form of three short values is far smaller.
pub(crate) const MAX_FORM_BYTES: usize = 16 * 1024;

/// The secret parts of the page's addresses, 128 random bits each.
pub(crate) struct PageAddresses {
    /// Of the link in the terminal, which works once.
    pub(crate) once: String,
    /// Of the page itself, so that a link that other users of this machine saw in `ps` is dead.
    pub(crate) page: String,
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The link of the terminal.
    Open,
    ShowForm,
    SubmitForm,
}

/// What a request asks for, or the status that refuses it.
pub(crate) fn route(
    addresses: &PageAddresses,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Route, StatusCode> {
    // DNS rebinding: a foreign name that resolves to this machine brings itself as `Host`. A target with a host of its
    // own is meant for a proxy.
    let host = only(headers, header::HOST).ok_or(StatusCode::MISDIRECTED_REQUEST)?;
    if !is_loopback_host(host) || uri.authority().is_some() {
        return Err(StatusCode::MISDIRECTED_REQUEST);
    }
    let path = uri.path();
    let is_read = method == Method::GET;
    if let Some(rest) = path.strip_prefix("/open/") {
        if !is_same(rest, &addresses.once) {
            return Err(StatusCode::NOT_FOUND);
        }
        return if is_read && !is_prefetch(headers) {
            Ok(Route::Open)
        } else {
            Err(StatusCode::METHOD_NOT_ALLOWED)
        };
    }
    let page = path
        .strip_prefix("/c/")
        .and_then(|rest| rest.strip_suffix('/'))
        .ok_or(StatusCode::NOT_FOUND)?;
    if !is_same(page, &addresses.page) {
        return Err(StatusCode::NOT_FOUND);
    }
    match *method {
        Method::GET => Ok(Route::ShowForm),
        Method::POST => check_post(host, headers).map(|()| Route::SubmitForm),
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// A post must come from the page itself: another site's form has another origin, or none.
fn check_post(host: &str, headers: &HeaderMap) -> Result<(), StatusCode> {
    let origin = only(headers, header::ORIGIN).ok_or(StatusCode::FORBIDDEN)?;
    if origin.strip_prefix("http://") != Some(host) {
        return Err(StatusCode::FORBIDDEN);
    }
    // Browsers send it; what else sends the right origin is no browser.
    match headers.get("sec-fetch-site") {
        None => {}
        Some(site) if site == "same-origin" => {}
        Some(_) => return Err(StatusCode::FORBIDDEN),
    }
    let kind = only(headers, header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let length = only(headers, header::CONTENT_LENGTH).and_then(|text| text.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_FORM_BYTES) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    Ok(())
}

/// The value of a header that came once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(first)
}

/// `127.0.0.1` or `localhost`, with any port: a tunnel may listen on another.
fn is_loopback_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let is_port = !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    is_port && (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost"))
}

/// A browser that fetches a page in advance must not use up the link.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let purposes = headers
        .get_all("sec-purpose")
        .iter()
        .chain(headers.get_all("purpose"));
    purposes
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("prefetch") || value.contains("prerender"))
}

/// Compares digests, so that the time says nothing about the place of a difference.
fn is_same(given: &str, secret: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest(given).as_ref() == digest(secret).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "/c/0123456789abcdef0123456789abcdef/";
    const ORIGIN: &str = "http://127.0.0.1:4242";
    const FORM: &str = "application/x-www-form-urlencoded";

    fn decide(method: &Method, path: &str, headers: &[(&str, &str)]) -> Result<Route, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let addresses = PageAddresses {
            once: "fedcba9876543210fedcba9876543210".into(),
            page: "0123456789abcdef0123456789abcdef".into(),
        };
        route(&addresses, method, &path.parse().unwrap(), &map).map_err(|status| status.as_u16())
    }

    #[test]
    fn a_host_must_be_loopback() {
        for (host, status) in [
            ("127.0.0.1:4242", None),
            ("127.0.0.1", None),
            ("localhost:1", None),
            ("LOCALHOST:65535", None),
            ("evil.example:4242", Some(421)),
            ("127.0.0.1.evil.example", Some(421)),
            ("localhost.evil.example:80", Some(421)),
            ("127.0.0.1:4242:1", Some(421)),
            ("127.0.0.1:", Some(421)),
            ("127.0.0.1:x", Some(421)),
            ("127.0.0.1@evil.example", Some(421)),
            ("127.1:80", Some(421)),
            ("[::1]:80", Some(421)),
            ("0.0.0.0:80", Some(421)),
            ("", Some(421)),
        ] {
            let got = decide(&Method::GET, PAGE, &[("host", host)]).err();
            assert_eq!(got, status, "{host}");
        }
        assert_eq!(decide(&Method::GET, PAGE, &[]), Err(421));
        let absolute = format!("http://127.0.0.1:4242{PAGE}");
        assert_eq!(
            decide(&Method::GET, &absolute, &[("host", "127.0.0.1:4242")]),
            Err(421)
        );
        let twice = [("host", "127.0.0.1"), ("host", "127.0.0.1")];
        assert_eq!(decide(&Method::GET, PAGE, &twice), Err(421));
    }

    #[test]
    fn only_the_two_addresses_are_served() {
        let host = [("host", "127.0.0.1:4242")];
        let once = "/open/fedcba9876543210fedcba9876543210";
        assert_eq!(decide(&Method::GET, once, &host), Ok(Route::Open));
        assert_eq!(decide(&Method::GET, PAGE, &host), Ok(Route::ShowForm));
        for path in [
            "/",
            "*",
            "/favicon.ico",
            "/c/",
            "/c//",
            "/open/",
            "/open/x",
            "/c/x/",
            "/c/0123456789abcdef0123456789abcdef",
            "/C/0123456789abcdef0123456789abcdef/",
            "/c/0123456789abcdef0123456789abcdef/x/",
            "//c/0123456789abcdef0123456789abcdef/",
            "/open/fedcba9876543210fedcba9876543210/",
            "/c/fedcba9876543210fedcba9876543210/",
            "/open/0123456789abcdef0123456789abcdef",
            "/c/../c/0123456789abcdef0123456789abcdef/",
        ] {
            assert_eq!(decide(&Method::GET, path, &host), Err(404), "{path}");
        }
        for method in [Method::HEAD, Method::POST, Method::OPTIONS, Method::CONNECT] {
            assert_eq!(decide(&method, once, &host), Err(405));
        }
        for method in [
            Method::HEAD,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            assert_eq!(decide(&method, PAGE, &host), Err(405));
        }
        let prefetch = [host[0], ("sec-purpose", "prefetch;prerender")];
        assert_eq!(decide(&Method::GET, once, &prefetch), Err(405));
    }

    #[test]
    fn a_post_comes_from_the_page_itself() {
        let host = ("host", "127.0.0.1:4242");
        let good = [host, ("origin", ORIGIN), ("content-type", FORM)];
        assert_eq!(decide(&Method::POST, PAGE, &good), Ok(Route::SubmitForm));
        let with = |extra: &[(&'static str, &'static str)]| {
            let mut headers = vec![host];
            headers.extend_from_slice(extra);
            decide(&Method::POST, PAGE, &headers)
        };
        let form = ("content-type", FORM);
        let origin = ("origin", ORIGIN);
        for (headers, status) in [
            (vec![form], 403),
            (vec![("origin", "null"), form], 403),
            (vec![("origin", "http://127.0.0.1:4243"), form], 403),
            (vec![("origin", "http://localhost:4242"), form], 403),
            (vec![("origin", "https://127.0.0.1:4242"), form], 403),
            (vec![("origin", "http://evil.example"), form], 403),
            (vec![("origin", "http://127.0.0.1:4242/"), form], 403),
            (vec![origin, origin, form], 403),
            (vec![origin, form, ("sec-fetch-site", "cross-site")], 403),
            (vec![origin, form, ("sec-fetch-site", "same-site")], 403),
            (vec![origin, form, ("sec-fetch-site", "none")], 403),
            (vec![origin], 415),
            (vec![origin, ("content-type", "text/plain")], 415),
            (
                vec![origin, ("content-type", "multipart/form-data; boundary=x")],
                415,
            ),
            (vec![origin, ("content-type", "application/json")], 415),
            (vec![origin, form, ("content-length", "16385")], 413),
        ] {
            assert_eq!(with(&headers), Err(status), "{headers:?}");
        }
        let same = [
            origin,
            form,
            ("sec-fetch-site", "same-origin"),
            ("content-length", "16384"),
        ];
        assert_eq!(with(&same), Ok(Route::SubmitForm));
        let charset = [
            origin,
            (
                "content-type",
                "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
            ),
        ];
        assert_eq!(with(&charset), Ok(Route::SubmitForm));
    }
}
