//! How a host is reached: directly, or through which proxy. The option `proxy` and the variables are read by the same
//! rules, for logins, API calls and `doctor`. An invalid value is an error that names the option or the variable,
//! never a direct connection.

use std::fmt;
use std::sync::Arc;

use url::{Host, Url};

use crate::environment::{Environment, NO_PROXY, PROXY};
use forcegrant_proto::error::{Error, Setting};
use forcegrant_proto::no_proxy;
use forcegrant_proto::pasted_text;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::secret::fingerprint;

/// How Salesforce is reached: by logins, and by the calls of `Client::request`. Loopback addresses are never
/// reached through a proxy.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proxy {
    /// As the environment says when the client is built: the first of `https_proxy`, `HTTPS_PROXY`,
    /// `all_proxy` and `ALL_PROXY` that is set names the proxy, and `no_proxy` or `NO_PROXY` the hosts that
    /// are reached without it. On macOS and Windows the system's settings count where none is set.
    #[default]
    Environment,
    /// Never through a proxy.
    None,
    /// Always through this one: `http://user:password@proxy.example:3128`. Without a scheme it is an HTTP
    /// proxy; there are also https, socks4, socks4a, socks5 and socks5h, whose `h` has the proxy look up names.
    Url(String),
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            // It may hold a password.
            Self::Url(_) => "Url([redacted])",
        })
    }
}

/// How each host is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyRules(Option<Arc<Rules>>);

#[derive(Debug)]
struct Rules {
    server: Option<Arc<ProxyServer>>,
    /// The name of the variable, and its value.
    no_proxy: Option<(&'static str, String)>,
    /// Whether the system's settings count, because no variable is set.
    system: bool,
}

/// How one host is reached. `Display` is the end of a sentence: `through proxy.example:3128 (HTTPS_PROXY)`,
/// `direct (no proxy variable)`.
#[derive(Clone, Debug)]
pub(crate) enum Decision<'a> {
    Through(Arc<ProxyServer>),
    Direct(Reason<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason<'a> {
    /// The option says so.
    Option,
    /// This machine itself is never reached through a proxy: what is sent there may be plain http.
    Loopback,
    /// This entry of this variable matches the host.
    Listed(&'static str, &'a str),
    NoVariable,
}

impl ProxyRules {
    /// Checks the option or, if it says so, the variables.
    ///
    /// # Errors
    /// `invalid_option` names the one with an invalid value.
    pub(crate) fn new(proxy: &Proxy, environment: &Environment) -> Result<Self, Error> {
        let rules = match proxy {
            Proxy::None => return Ok(Self(None)),
            Proxy::Url(text) => Rules {
                server: Some(Arc::new(ProxyServer::parse(text, ProxySource::Option)?)),
                no_proxy: None,
                system: false,
            },
            Proxy::Environment => {
                let named = environment.first(&PROXY)?;
                let server = named
                    .map(|(name, text)| {
                        ProxyServer::parse(text.expose(), ProxySource::Variable(name))
                    })
                    .transpose()?;
                let no_proxy = environment.first(&NO_PROXY)?;
                Rules {
                    system: server.is_none(),
                    server: server.map(Arc::new),
                    no_proxy: no_proxy.map(|(name, list)| (name, list.expose().to_owned())),
                }
            }
        };
        Ok(Self(Some(Arc::new(rules))))
    }

    /// How this URL is reached.
    pub(crate) fn decide(&self, url: &Url) -> Decision<'_> {
        let Some(rules) = self.0.as_deref() else {
            return Decision::Direct(Reason::Option);
        };
        if is_loopback(url) {
            return Decision::Direct(Reason::Loopback);
        }
        let host = url.host_str().unwrap_or_default();
        if let Some((name, list)) = &rules.no_proxy {
            let port = url.port_or_known_default().unwrap_or_default();
            if let Some(entry) = no_proxy::matching(list, host, port) {
                return Decision::Direct(Reason::Listed(name, entry));
            }
        }
        let of_system = || system(url).filter(|_| rules.system).map(Arc::new);
        match rules.server.clone().or_else(of_system) {
            // As in curl, `https_proxy` does not apply to plain http.
            Some(server) if url.scheme() == "http" && server.is_for_https_alone() => {
                Decision::Direct(Reason::NoVariable)
            }
            Some(server) => Decision::Through(server),
            None => Decision::Direct(Reason::NoVariable),
        }
    }

    /// The same rules for reqwest, which gets no other proxy settings.
    pub(crate) fn for_reqwest(&self) -> reqwest::Proxy {
        let rules = self.clone();
        reqwest::Proxy::custom(move |url| match rules.decide(url) {
            Decision::Through(server) => Some(server.url.clone()),
            Decision::Direct(_) => None,
        })
    }

    /// A text that tells apart clients which reach hosts in different ways. Shows no password.
    pub(crate) fn identity(&self) -> String {
        let Some(rules) = self.0.as_deref() else {
            return "none".to_owned();
        };
        match (&rules.server, &rules.no_proxy) {
            (Some(server), Some((_, list))) => {
                fingerprint(&format!("{} {list}", server.url.as_str()))
            }
            (Some(server), None) => fingerprint(server.url.as_str()),
            (None, _) => "none".to_owned(),
        }
    }

    /// Knows the proxy's user and password.
    pub(crate) fn redactor(&self) -> Redactor {
        let server = self.0.as_deref().and_then(|rules| rules.server.as_deref());
        server.map_or_else(Redactor::new, |server| {
            Redactor::new().hide_proxy(&server.url)
        })
    }
}

impl Decision<'_> {
    pub(crate) fn server(&self) -> Option<&ProxyServer> {
        match self {
            Self::Through(server) => Some(server),
            Self::Direct(_) => None,
        }
    }
}

impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Through(server) => write!(f, "through {server}"),
            Self::Direct(Reason::Option) => f.write_str("direct (the option says so)"),
            Self::Direct(Reason::Loopback) => f.write_str("direct (it is this machine)"),
            Self::Direct(Reason::Listed(name, entry)) => {
                let shown: String = entry.chars().take(100).collect();
                write!(f, "direct ({name} matches {shown})")
            }
            Self::Direct(Reason::NoVariable) => f.write_str("direct (no proxy variable)"),
        }
    }
}

/// What names a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxySource {
    Option,
    Variable(&'static str),
    #[cfg_attr(
        not(any(target_os = "macos", windows)),
        allow(dead_code, reason = "these systems have no such settings")
    )]
    System,
}

/// A proxy whose address can be used. Its `Debug` and `Display` forms show no user and no password.
#[derive(Clone)]
pub(crate) struct ProxyServer {
    /// With user and password, percent-encoded.
    url: Url,
    origin: ProxySource,
}

const RIGHT: &str = "Give the proxy's address: `http://proxy.example:3128`, with a user and password `http://user:password@proxy.example:3128`.\nThe schemes are http, https, socks4, socks4a, socks5 and socks5h.";

impl ProxyServer {
    /// Reads what people write: blanks and quotes around it, no scheme, a user and password in which `@`, `/`, `\` and
    /// the like are not encoded.
    fn parse(given: &str, origin: ProxySource) -> Result<Self, Error> {
        let setting = match origin {
            ProxySource::Variable(name) => Setting::Variable(name),
            ProxySource::Option | ProxySource::System => Setting::Option("proxy"),
        };
        let wrong = |problem: &str| Err(setting.wrong(problem, RIGHT));
        let given = pasted_text::meant(given);
        pasted_text::check(setting, given)?;
        if given.is_empty() {
            return wrong("it is empty");
        }
        let (scheme, rest) = match given.split_once("://") {
            // A `://` in a password does not follow a scheme.
            Some((scheme, rest)) if !scheme.contains(['@', ':', '/']) => (Some(scheme), rest),
            _ => (None, given.trim_start_matches('/')),
        };
        let scheme = match scheme.unwrap_or("http").to_ascii_lowercase().as_str() {
            "http" => "http",
            "https" => "https",
            // As curl reads it.
            "socks" | "socks4" => "socks4",
            "socks4a" => "socks4a",
            "socks5" => "socks5",
            "socks5h" => "socks5h",
            _ => return wrong("unknown scheme"),
        };
        // The last `@`: a password may contain one, a host does not.
        let (user_info, address) = match rest.rsplit_once('@') {
            Some((user_info, address)) => (Some(user_info), address),
            None => (None, rest),
        };
        let (authority, path) = match address.find(['/', '?', '#']) {
            Some(end) => address.split_at(end),
            None => (address, ""),
        };
        if authority.is_empty() || authority.starts_with(':') {
            return wrong("it names no host");
        }
        if !matches!(path, "" | "/") {
            return wrong(
                "it has a path, but the address of a proxy has none (PAC files are not supported)",
            );
        }
        let bare_word = !authority.contains(['.', ':']) && user_info.is_none();
        if !given.contains("://") && bare_word && authority != "localhost" {
            // A word such as `none` or `true`, or a secret in the wrong place.
            return wrong("it is not the address of a proxy");
        }
        let Some((host, port)) = host_and_port(authority, scheme) else {
            return wrong("invalid host or port");
        };
        let user_info = match user_info {
            None => String::new(),
            Some(_) if scheme.starts_with("socks4") => {
                return wrong("SOCKS 4 has no passwords: use socks5h");
            }
            Some(user_info) => credentials(user_info),
        };
        let Ok(url) = Url::parse(&format!("{scheme}://{user_info}{host}:{port}")) else {
            return wrong("it is not a URL");
        };
        Ok(Self { url, origin })
    }

    fn is_for_https_alone(&self) -> bool {
        matches!(self.origin, ProxySource::Variable(name) if name.eq_ignore_ascii_case(PROXY[0]))
    }

    pub(crate) fn has_credentials(&self) -> bool {
        !self.url.username().is_empty() || self.url.password().is_some()
    }

    /// Where a user and password are written.
    pub(crate) fn setting(&self) -> String {
        match self.origin {
            ProxySource::Option => "the option `proxy`".to_owned(),
            ProxySource::Variable(name) => format!("the environment variable {name}"),
            ProxySource::System => "the variable HTTPS_PROXY or the option `proxy`".to_owned(),
        }
    }

    /// The scheme where it is not plain http, host and port: `proxy.example:3128`.
    pub(crate) fn address(&self) -> String {
        let scheme = match self.url.scheme() {
            "http" => String::new(),
            other => format!("{other}://"),
        };
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        format!("{scheme}{host}:{port}")
    }
}

/// The address, and what named it.
impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = match self.origin {
            ProxySource::Option => "option proxy",
            ProxySource::Variable(name) => name,
            ProxySource::System => "the system's settings",
        };
        write!(f, "{} ({origin})", self.address())
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProxyServer({self})")
    }
}

/// User and password as in a URL, percent-encoded and followed by `@`. A `%` that encodes nothing stands for itself, as
/// in curl.
fn credentials(user_info: &str) -> String {
    match user_info.split_once(':') {
        Some((user, password)) => format!("{}:{}@", encoded(user), encoded(password)),
        None => format!("{}@", encoded(user_info)),
    }
}

fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in decoded(text) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn decoded(text: &str) -> Vec<u8> {
    let hex = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
    let bytes = text.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let credentials = (hex(bytes.get(at + 1)), hex(bytes.get(at + 2)));
        if let (b'%', (Some(high), Some(low))) = (byte, credentials) {
            plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
            at += 3;
        } else {
            plain.push(byte);
            at += 1;
        }
    }
    plain
}

/// Checked as the host of an http URL, whatever the scheme.
fn host_and_port(authority: &str, scheme: &str) -> Option<(String, u16)> {
    if authority.contains(['\\', '%', ' ']) {
        return None;
    }
    let url = Url::parse(&format!("http://{authority}")).ok()?;
    let host = url.host_str()?;
    if host.len() > 253 || host.split('.').any(|label| label.len() > 63) {
        return None;
    }
    let written = authority.rsplit_once(':').map(|(_, port)| port);
    let port = match (url.port(), written) {
        (Some(port), _) => port,
        // The parser leaves out the default port of http.
        (None, Some(written)) if written.parse() == Ok(80) => 80,
        (None, _) => match scheme {
            "http" => 80,
            "https" => 443,
            _ => 1080,
        },
    };
    (port != 0).then(|| (host.to_owned(), port))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => false,
    }
}

/// The proxy in the settings of the system, if it has any.
#[cfg(any(target_os = "macos", windows))]
fn system(url: &Url) -> Option<ProxyServer> {
    use hyper_util::client::proxy::matcher::Matcher;
    let uri = format!("{}://{}/", url.scheme(), url.host_str()?);
    let uri = uri.parse().ok()?;
    // It reads the process's variables first, which must not count: the caller's environment may be another one.
    if Matcher::from_env().intercept(&uri).is_some() {
        return None;
    }
    let found = Matcher::from_system().intercept(&uri)?;
    ProxyServer::parse(&found.uri().to_string(), ProxySource::System).ok()
}

#[cfg(not(any(target_os = "macos", windows)))]
fn system(_: &Url) -> Option<ProxyServer> {
    None
}

#[cfg(test)]
mod tests;
