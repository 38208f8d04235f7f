//! The URLs that name the servers.

use std::fmt;

use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::secret::Secret;
use forcegrant_support::tls::{Roots, roots_by_name};

use crate::credentials::ServerCredentials;

/// What the servers of a URL are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    Single,
    /// They know which server is the master of this name.
    Sentinels {
        master: String,
    },
    Cluster,
}

/// What the URLs say about where to connect. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) topology: Topology,
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) tls: bool,
    pub(crate) database: i64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ServerAddress {
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl ServerAddress {
    /// `host:port`, `[host]:port`, or `host`.
    pub(crate) fn parse(text: &str, default_port: u16) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
            _ => (text, default_port),
        };
        let name = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        let valid = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
        (name.chars().all(valid) && port > 0).then(|| Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// What the URLs say apart from that.
#[derive(Default)]
pub(crate) struct UrlSettings {
    pub(crate) credentials: Option<ServerCredentials>,
    pub(crate) sentinel_credentials: Option<ServerCredentials>,
    pub(crate) prefix: Option<String>,
    pub(crate) roots: Option<Roots>,
}

/// Parses URLs that are separated by whitespace. Errors never repeat them, because they may hold a password.
pub(crate) fn parse(urls: &str) -> Result<(RedisUrl, UrlSettings), Error> {
    let mut all = UrlSettings::default();
    let mut merged: Option<RedisUrl> = None;
    for url in urls.split_whitespace() {
        let (mut next, settings) = parse_one(url)?;
        if let Some(known) = &mut merged {
            known.servers.append(&mut next.servers);
            next.servers.clone_from(&known.servers);
            if next != *known {
                return Err(invalid_url("the URLs differ in more than hosts"));
            }
        }
        merged = Some(next);
        all = UrlSettings {
            credentials: settings.credentials.or(all.credentials),
            sentinel_credentials: settings.sentinel_credentials.or(all.sentinel_credentials),
            prefix: settings.prefix.or(all.prefix),
            roots: settings.roots.or(all.roots),
        };
    }
    let url = merged.ok_or_else(|| invalid_url("it is empty"))?;
    if url.topology == Topology::Single && url.servers.len() > 1 {
        return Err(invalid_url(
            "several hosts need `redis+sentinel` or `redis+cluster`",
        ));
    }
    Ok((url, all))
}

/// The slot of a key in a Cluster: CRC-16 (XMODEM) of what is in its braces.
pub(crate) fn slot(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ (0x1021 * (crc >> 15))
        })
    });
    crc % 16384
}

fn parse_one(url: &str) -> Result<(RedisUrl, UrlSettings), Error> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| invalid_url("it has no scheme"))?;
    let (base, topology) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(invalid_url("unknown scheme")),
    };
    if rest.contains('#') {
        return Err(invalid_url(
            "it has a fragment; a `#` must be percent-encoded",
        ));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut settings = parse_query(query)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user_info, hosts) = match authority.rsplit_once('@') {
        Some((user_info, hosts)) => (Some(user_info), hosts),
        None => (None, authority),
    };
    let (topology, port, database) = match topology {
        "" => (Topology::Single, 6379, path),
        "cluster" if matches!(path, "" | "0") => (Topology::Cluster, 6379, ""),
        "cluster" => return Err(invalid_url("a Cluster has no databases")),
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = percent_decoded(master)?;
            if master.is_empty() {
                return Err(invalid_url(
                    "the name of the master is missing after the hosts",
                ));
            }
            (Topology::Sentinels { master }, 26379, database)
        }
        _ => return Err(invalid_url("unknown scheme")),
    };
    let database = match database {
        "" => 0,
        number => number
            .parse::<u16>()
            .map_err(|_| invalid_url("the database is not a number"))?,
    };
    let servers = hosts
        .split(',')
        .map(|host| ServerAddress::parse(host, port).filter(|server| !server.name.is_empty()))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| invalid_url("invalid host or port"))?;
    if let Some(user_info) = user_info {
        settings.credentials = Some(parse_user_info(user_info)?);
    }
    let url = RedisUrl {
        topology,
        servers,
        tls,
        database: database.into(),
    };
    Ok((url, settings))
}

fn parse_query(query: &str) -> Result<UrlSettings, Error> {
    let mut settings = UrlSettings::default();
    let (mut sentinel_user, mut sentinel_password) = (None, None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = percent_decoded(value)?;
        match name {
            "prefix" => settings.prefix = Some(value),
            "roots" => settings.roots = Some(parse_roots(&value)?),
            "sentinel_user" => sentinel_user = Some(value),
            "sentinel_password" => sentinel_password = Some(Secret::new(value)),
            _ => {
                return Err(invalid_url(
                    "unknown parameter in the query; there are `prefix`, `roots`, `sentinel_user` and `sentinel_password`",
                ));
            }
        }
    }
    settings.sentinel_credentials = sentinel_password
        .map(|password| ServerCredentials::new(sentinel_user.as_deref(), password));
    Ok(settings)
}

fn parse_roots(text: &str) -> Result<Roots, Error> {
    if let Some(roots) = roots_by_name(text) {
        return Ok(roots);
    }
    std::fs::read(text).map(Roots::Pem).map_err(|error| {
        invalid_url(&format!(
            "`roots` is neither `platform` nor `bundled` nor a readable file ({})",
            error.kind()
        ))
    })
}

/// `user`, `user:password` or `:password`.
fn parse_user_info(text: &str) -> Result<ServerCredentials, Error> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(Secret::new(percent_decoded(password)?))),
        None => (text, None),
    };
    Ok(ServerCredentials {
        user: Some(percent_decoded(user)?).filter(|user| !user.is_empty()),
        password,
    })
}

fn percent_decoded(text: &str) -> Result<String, Error> {
    decode_percent(text).ok_or_else(|| invalid_url("invalid percent-encoding"))
}

fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn invalid_url(problem: &str) -> Error {
    invalid_option(
        "store",
        &format!("the Redis URL: {problem}"),
        "redis://user:password@host:6379/0, redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379; with rediss for TLS.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(urls: &str) -> String {
        let (url, _) = parse(urls).unwrap();
        let topology = match url.topology {
            Topology::Single => "single".to_owned(),
            Topology::Cluster => "cluster".to_owned(),
            Topology::Sentinels { master } => format!("sentinels of {master}"),
        };
        format!(
            "{topology} {:?} tls={} db={}",
            url.servers, url.tls, url.database
        )
    }

    fn shown_credentials(credentials: &ServerCredentials) -> (Option<&str>, Option<&str>) {
        let password = credentials.password.as_ref().map(Secret::expose);
        (credentials.user.as_deref(), password)
    }

    #[test]
    fn urls_as_people_write_them() {
        for (urls, wanted) in [
            (
                "redis://localhost",
                "single [localhost:6379] tls=false db=0",
            ),
            ("rediss://a.b:1/2", "single [a.b:1] tls=true db=2"),
            ("redis://[::1]:7/", "single [[::1]:7] tls=false db=0"),
            ("redis://[::1]", "single [[::1]:6379] tls=false db=0"),
            (
                "redis+sentinel://a,b:1/main/3",
                "sentinels of main [a:26379, b:1] tls=false db=3",
            ),
            (
                " rediss+cluster://a:1,b:2 \n rediss+cluster://c ",
                "cluster [a:1, b:2, c:6379] tls=true db=0",
            ),
        ] {
            assert_eq!(shown(urls), wanted, "{urls}");
        }
    }

    #[test]
    fn credentials_are_decoded() {
        for (url, user, password) in [
            ("redis://me:p%40ss%3A%2f@h", Some("me"), Some("p@ss:/")),
            ("redis://:pass@h", None, Some("pass")),
            ("redis://me@h", Some("me"), None),
            ("redis://a@b:c@h", Some("a@b"), Some("c")),
            ("redis://h", None, None),
        ] {
            let credentials = parse(url).unwrap().1.credentials.unwrap_or_default();
            assert_eq!(shown_credentials(&credentials), (user, password), "{url}");
        }
    }

    #[test]
    fn settings_are_read_from_the_query() {
        let urls = "rediss+sentinel://a/m?prefix=acme%3A&roots=platform rediss+sentinel://b/m?sentinel_user=me&sentinel_password=p%26";
        let (_, settings) = parse(urls).unwrap();
        assert_eq!(settings.prefix.as_deref(), Some("acme:"));
        assert_eq!(settings.roots, Some(Roots::Platform));
        let credentials = settings.sentinel_credentials.unwrap();
        assert_eq!(shown_credentials(&credentials), (Some("me"), Some("p&")));
        assert!(settings.credentials.is_none());
        let own = parse("rediss://a?roots=Cargo.toml").unwrap().1.roots;
        assert!(matches!(own, Some(Roots::Pem(pem)) if !pem.is_empty()));
    }

    #[test]
    fn an_invalid_url_is_refused_without_showing_it() {
        for urls in [
            "",
            "c4n4ry",
            "http://c4n4ry@host",
            "redis+mesh://c4n4ry@host",
            "redis://:c4n4ry@host:port",
            "redis://:c4n4ry@host:0",
            "redis://:c4n4ry@",
            "redis://:c4n4ry@host/name",
            "redis://:c4n4ry@host?tls=true",
            "redis://:c4n4ry?@host",
            "redis://:c4n4ry@host#x",
            "redis://host?prefix=%c4n4ry",
            "rediss://host?roots=/no/such/c4n4ry",
            "redis://:c4n4ry%2@host",
            "redis://:c4n4ry@a,b",
            "redis://:c4n4ry@a redis://b",
            "redis+cluster://:c4n4ry@a redis://b",
            "redis+cluster://:c4n4ry@a/1",
            "redis+sentinel://:c4n4ry@a",
        ] {
            let error = parse(urls).map(|(url, _)| url).unwrap_err();
            let text = format!("{error} {error:?} {:?}", error.help());
            assert!(!text.contains("c4n4ry"), "{text}");
            assert!(text.contains("redis+sentinel://"), "{text}");
        }
    }

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("bar"), 5061);
    }
}
