//! Where Redis is: the URLs that people write.

use std::fmt;

use super::links::Login;
use crate::http::Roots;
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::secret::Secret;

/// What is behind the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    /// They know which host is the master of this name.
    Sentinels {
        master: String,
    },
    Cluster,
}

/// Everything about where to connect, without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) kind: Kind,
    pub(super) hosts: Vec<Host>,
    pub(super) tls: bool,
    pub(super) database: i64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

impl Host {
    /// `host:port`, `[host]:port`, or `host`.
    pub(super) fn parse(text: &str, default_port: u16) -> Option<Self> {
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

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// What a URL says beside the address.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) login: Option<Login>,
    pub(super) sentinel_login: Option<Login>,
    pub(super) prefix: Option<String>,
    pub(super) roots: Option<Roots>,
}

/// Reads URLs separated by blanks. Errors never repeat them: there may be a password in them.
pub(super) fn parse(urls: &str) -> Result<(Address, Settings), Error> {
    let mut all = Settings::default();
    let mut address: Option<Address> = None;
    for url in urls.split_whitespace() {
        let (mut next, settings) = parse_one(url)?;
        if let Some(known) = &mut address {
            known.hosts.append(&mut next.hosts);
            next.hosts.clone_from(&known.hosts);
            if next != *known {
                return Err(wrong("the URLs differ in more than hosts"));
            }
        }
        address = Some(next);
        all = Settings {
            login: settings.login.or(all.login),
            sentinel_login: settings.sentinel_login.or(all.sentinel_login),
            prefix: settings.prefix.or(all.prefix),
            roots: settings.roots.or(all.roots),
        };
    }
    let address = address.ok_or_else(|| wrong("it is empty"))?;
    if address.kind == Kind::Single && address.hosts.len() > 1 {
        return Err(wrong(
            "several hosts are for `redis+sentinel` and `redis+cluster`",
        ));
    }
    Ok((address, all))
}

/// The slot of a key in a Cluster: CRC-16 (XMODEM) of what is in its braces.
pub(super) fn slot(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            (crc << 1) ^ (0x1021 * (crc >> 15))
        })
    });
    crc % 16384
}

fn parse_one(url: &str) -> Result<(Address, Settings), Error> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| wrong("it has no scheme"))?;
    let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(wrong("its scheme is unknown")),
    };
    if rest.contains('#') {
        return Err(wrong("it has a fragment; `#` must be percent-encoded"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut settings = parse_settings(query)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let (kind, port, database) = match kind {
        "" => (Kind::Single, 6379, path),
        "cluster" if matches!(path, "" | "0") => (Kind::Cluster, 6379, ""),
        "cluster" => return Err(wrong("a Cluster has no databases")),
        "sentinel" => {
            let (master, database) = path.split_once('/').unwrap_or((path, ""));
            let master = decoded(master)
                .filter(|master| !master.is_empty())
                .ok_or_else(|| wrong("it has no master's name after the hosts"))?;
            (Kind::Sentinels { master }, 26379, database)
        }
        _ => return Err(wrong("its scheme is unknown")),
    };
    let database = match database {
        "" => 0,
        number => number
            .parse::<u16>()
            .map_err(|_| wrong("its database is not a number"))?,
    };
    let hosts = hosts
        .split(',')
        .map(|host| Host::parse(host, port).filter(|host| !host.name.is_empty()))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| wrong("it has a host or port that is none"))?;
    if let Some(user) = user {
        settings.login = Some(parse_login(user).ok_or_else(badly_encoded)?);
    }
    let address = Address {
        kind,
        hosts,
        tls,
        database: database.into(),
    };
    Ok((address, settings))
}

fn parse_settings(query: &str) -> Result<Settings, Error> {
    let mut settings = Settings::default();
    let (mut sentinel_user, mut sentinel_password) = (None, None);
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decoded(value).ok_or_else(badly_encoded)?;
        match name {
            "prefix" => settings.prefix = Some(value),
            "roots" => settings.roots = Some(parse_roots(&value)?),
            "sentinel_user" => sentinel_user = Some(value),
            "sentinel_password" => sentinel_password = Some(Secret::new(value)),
            _ => {
                return Err(wrong(
                    "its query has something else than `prefix`, `roots`, `sentinel_user` and `sentinel_password`",
                ));
            }
        }
    }
    settings.sentinel_login =
        sentinel_password.map(|password| Login::new(sentinel_user.as_deref(), Some(password)));
    Ok(settings)
}

fn parse_roots(text: &str) -> Result<Roots, Error> {
    match text {
        "platform" => Ok(Roots::Platform),
        #[cfg(feature = "bundled-roots")]
        "bundled" => Ok(Roots::Bundled),
        path => std::fs::read(path).map(Roots::Pem).map_err(|error| {
            wrong(&format!(
                "`roots` is neither `platform` nor `bundled` nor a file that can be read ({})",
                error.kind()
            ))
        }),
    }
}

fn parse_login(text: &str) -> Option<Login> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(Secret::new(decoded(password)?))),
        None => (text, None),
    };
    let user = decoded(user)?;
    Some(Login::new(
        Some(user.as_str()).filter(|user| !user.is_empty()),
        password,
    ))
}

fn decoded(text: &str) -> Option<String> {
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

fn badly_encoded() -> Error {
    wrong("it has a percent sign that encodes nothing")
}

fn wrong(problem: &str) -> Error {
    invalid_option(
        "store",
        &format!("the address of Redis: {problem}"),
        "redis://user:password@host:6379/0, redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379; with rediss for TLS.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(urls: &str) -> String {
        let (address, _) = parse(urls).unwrap();
        let kind = match address.kind {
            Kind::Single => "single".to_owned(),
            Kind::Cluster => "cluster".to_owned(),
            Kind::Sentinels { master } => format!("sentinels of {master}"),
        };
        format!(
            "{kind} {:?} tls={} db={}",
            address.hosts, address.tls, address.database
        )
    }

    #[test]
    fn addresses_as_people_write_them() {
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
    fn logins_are_decoded() {
        for (url, user, password) in [
            ("redis://me:p%40ss%3A%2f@h", Some("me"), Some("p@ss:/")),
            ("redis://:pass@h", None, Some("pass")),
            ("redis://me@h", Some("me"), None),
            ("redis://a@b:c@h", Some("a@b"), Some("c")),
            ("redis://h", None, None),
        ] {
            let login = parse(url).unwrap().1.login.unwrap_or_default();
            assert_eq!(login.user(), user, "{url}");
            assert_eq!(login.password(), password, "{url}");
        }
    }

    #[test]
    fn settings_are_read_from_the_query() {
        let urls = "rediss+sentinel://a/m?prefix=acme%3A&roots=platform rediss+sentinel://b/m?sentinel_user=me&sentinel_password=p%26";
        let (_, settings) = parse(urls).unwrap();
        assert_eq!(settings.prefix.as_deref(), Some("acme:"));
        assert_eq!(settings.roots, Some(Roots::Platform));
        let login = settings.sentinel_login.unwrap();
        assert_eq!((login.user(), login.password()), (Some("me"), Some("p&")));
        assert!(settings.login.is_none());
        let own = parse("rediss://a?roots=Cargo.toml").unwrap().1.roots;
        assert!(matches!(own, Some(Roots::Pem(pem)) if !pem.is_empty()));
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_it() {
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
            let error = parse(urls).map(|(address, _)| address).unwrap_err();
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
