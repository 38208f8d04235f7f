//! A second, strict reading of URLs, against which the checks compare what the code says. It knows only
//! the plainest form, so that whatever two parsers could read differently is not read at all.

/// Hosts below these are Salesforce's own. This list is a copy on purpose: a wrong suffix in the code is not in
/// it.
const LOGIN_SUFFIXES: [&str; 5] = [
    ".my.salesforce.com",
    ".my.salesforce.mil",
    ".my.sfcrmproducts.cn",
    ".cloudforce.com",
    ".database.com",
];

/// Scheme, host and port as they are written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PlainOrigin<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

/// The origin of a URL, and what follows it: nothing, or text that starts with `/`. `None`: it is not in
/// the plainest form.
pub(crate) fn read(url: &str) -> Option<(PlainOrigin<'_>, &str)> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('\\') {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "https" | "http") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')?;
            (&authority[..end + 2], &inner[end + 1..])
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(digits) if !digits.starts_with(['0', '+']) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        Some(_) | None => return None,
    };
    (is_plain_host(host) || is_address(host)).then_some((PlainOrigin { scheme, host, port }, rest))
}

/// A name in lower case that no parser changes.
fn is_plain_host(host: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    !host.is_empty() && host.bytes().all(plain)
}

fn is_address(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok())
}

/// What the user trusts beyond Salesforce's hosts, as the input of a check has it.
pub(crate) struct Trusted {
    pub(crate) hosts: Vec<String>,
    pub(crate) http_loopback: bool,
}

impl Trusted {
    /// From `a.example,.b.example+http`.
    pub(crate) fn read(line: &str) -> Self {
        let (hosts, http_loopback) = match line.strip_suffix("+http") {
            Some(hosts) => (hosts, true),
            None => (line, false),
        };
        let hosts = hosts
            .split(',')
            .map(|host| host.trim().to_ascii_lowercase());
        Self {
            hosts: hosts.filter(|host| !host.is_empty()).collect(),
            http_loopback,
        }
    }

    pub(crate) fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|trusted| {
            if trusted.starts_with('.') {
                host.len() > trusted.len() && host.ends_with(trusted)
            } else {
                host == trusted
            }
        })
    }

    /// Whether the client secret may go to a host by https.
    pub(crate) fn takes_secret(&self, host: &str) -> bool {
        let below = |suffix: &&str| host.len() > suffix.len() && host.ends_with(*suffix);
        self.names(host) || LOGIN_SUFFIXES.iter().any(below)
    }

    /// Whether this is the plain origin of an instance that may get a token.
    pub(crate) fn takes_token(&self, url: &str) -> bool {
        let Some((origin, "")) = read(url) else {
            return false;
        };
        if self.is_here(&origin) {
            return true;
        }
        let host = origin.host.trim_end_matches('.');
        let own = self.takes_secret(host)
            || (host.len() > ".salesforce.com".len() && host.ends_with(".salesforce.com"));
        origin.scheme == "https" && (self.names(origin.host) || (own && origin.port.is_none()))
    }

    /// Whether this is this machine, which the user allowed to be reached without TLS.
    pub(crate) fn is_here(&self, origin: &PlainOrigin<'_>) -> bool {
        let is_loopback = origin.host == "localhost"
            || origin.host == "[::1]"
            || origin
                .host
                .parse::<std::net::Ipv4Addr>()
                .is_ok_and(|ip| ip.is_loopback());
        self.http_loopback && is_loopback
    }
}
