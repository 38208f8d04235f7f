//! Turns what people paste into the My Domain host that serves the token endpoint; and the policy that says which hosts
//! may see a secret or a token. Pure.
//!
//! The forms come from Salesforce's My Domain documentation and from the code of other clients.

use std::net::IpAddr;

use url::{Host, Url};

use crate::error::{Error, ErrorCode, invalid_option};
use crate::redaction::{self, Redactor};
use crate::secret::CredentialsFingerprint;
use crate::url_spelling;

/// Hosts below these suffixes belong to Salesforce alone. `force.com`, `site.com` and
/// `salesforce-sites.com` are not among them: customers' own code runs there.
const LOGIN_SUFFIXES: [&str; 5] = [
    "my.salesforce.com",
    "my.salesforce.mil",
    "my.sfcrmproducts.cn",
    "cloudforce.com",
    "database.com",
];

/// A bearer token may also go to instance hosts (`na44.salesforce.com`), to
/// `api.salesforce.com` and to `test.api.salesforce.com`, which are all below this one.
const INSTANCE_SUFFIX: &str = "salesforce.com";

/// Hosts of an org that do not serve the token endpoint, and the suffix of the one that does.
const TWINS: [(&str, &str); 5] = [
    (".lightning.force.com", ".my.salesforce.com"),
    (".my.salesforce-setup.com", ".my.salesforce.com"),
    (".lightning.crmforce.mil", ".my.salesforce.mil"),
    (".lightning.sfcrmapps.cn", ".my.sfcrmproducts.cn"),
    (".my", ".my.salesforce.com"),
];

const VISUALFORCE: &str = ".vf.force.com";
const CLOUD_APP_SECURITY: &str = ".mcas.ms";

const WHERE: &str = "The My Domain host is shown in Setup > My Domain > Current My Domain URL, and under your profile picture.\nIt looks like acme.my.salesforce.com, or acme--uat.sandbox.my.salesforce.com for a sandbox.";

/// The hosts beyond Salesforce's own that the user explicitly trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrustPolicy {
    hosts: Vec<String>,
    pub http_loopback: bool,
}

impl TrustPolicy {
    /// Checks the `trusted_hosts` option: plain host names, or `.example.com` for all below it.
    pub fn new(
        hosts: impl IntoIterator<Item = String>,
        http_loopback: bool,
    ) -> Result<Self, Error> {
        let hosts = hosts
            .into_iter()
            .map(|host| {
                let name = host.trim().to_ascii_lowercase();
                let bare = name.strip_prefix('.').unwrap_or(&name);
                match check_name(bare) {
                    Ok(()) if bare.contains('.') || bare == "localhost" => Ok(name),
                    _ => Err(invalid_option(
                        "trusted_hosts",
                        &format!("`{}` is not a host name", printable(&host)),
                        "Give host names without scheme, port or path: `login.example.com`, or `.example.com` for every host below it.",
                    )),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            hosts,
            http_loopback,
        })
    }

    /// Adds one host that the user named in another option (`token_url`).
    pub fn trust(&mut self, host: &str) {
        self.hosts.push(host.to_ascii_lowercase());
    }

    /// Whether a token for these instances may be sent to this URL, which the caller gives to whatever
    /// library connects: to their origins and to the hosts that the user trusts, over https; nowhere
    /// else, Salesforce's own hosts of other orgs included. Not to a URL that parsers read differently.
    pub fn is_allowed_for(&self, text: &str, instances: &[&str]) -> bool {
        Url::parse(text).is_ok_and(|url| {
            url_spelling::oddity(text, &url).is_none() && self.allows_url(&url, instances)
        })
    }

    /// The same for a URL that is parsed, however it was written.
    pub fn allows_url(&self, url: &Url, instances: &[&str]) -> bool {
        if !url.username().is_empty() || url.password().is_some() || !self.is_secure(url) {
            return false;
        }
        let is_instance = |instance: &&str| {
            Url::parse(instance).is_ok_and(|instance| instance.origin() == url.origin())
        };
        instances.iter().any(is_instance) || self.names(url.host_str().unwrap_or_default())
    }

    /// Whether a token may go to this instance, which was checked when it came: over https, or to this
    /// machine if the user allowed that.
    pub fn allows_instance(&self, instance_url: &str) -> bool {
        instance_url.starts_with("https://")
            || Url::parse(instance_url).is_ok_and(|url| self.is_secure(&url))
    }

    fn is_secure(&self, url: &Url) -> bool {
        match url.scheme() {
            "https" => true,
            "http" => self.http_loopback && is_loopback(url),
            _ => false,
        }
    }

    fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|trusted| {
            if trusted.starts_with('.') {
                host.len() > trusted.len() && host.ends_with(trusted.as_str())
            } else {
                host == trusted
            }
        })
    }

    fn allows_credentials(&self, host: &str) -> bool {
        self.names(host) || LOGIN_SUFFIXES.iter().any(|suffix| is_below(host, suffix))
    }

    fn allows_token(&self, host: &str) -> bool {
        self.allows_credentials(host) || is_below(host, INSTANCE_SUFFIX)
    }
}

/// Where the credentials go: scheme, host, port and the URL of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginEndpoint {
    token_url: Box<str>,
}

impl LoginEndpoint {
    /// The host, for messages and keys; with the port where it is not the usual one.
    pub fn host(&self) -> &str {
        // A checked URL has no user, and its parser has left the usual port out.
        let (_, rest) = self.token_url.split_once("://").unwrap_or_default();
        rest.split_once('/').map_or(rest, |(host, _)| host)
    }

    pub fn token_url(&self) -> &str {
        &self.token_url
    }

    /// Tells it from others.
    pub fn mark(&self) -> CredentialsFingerprint {
        CredentialsFingerprint::of(&[&self.token_url])
    }

    /// From the `login_url` option.
    pub fn from_login_url(pasted: &str, trust: &TrustPolicy) -> Result<Self, Error> {
        let base = match loopback_base(pasted, trust)? {
            Some(base) => base,
            None => format!("https://{}", login_host(pasted, trust)?),
        };
        let token_url = Url::parse(&format!("{base}/services/oauth2/token"))
            .map_err(|_| bad(pasted, "it is not a host name", WHERE))?;
        Ok(Self {
            token_url: token_url.as_str().into(),
        })
    }

    /// From the `token_url` option, which is taken as it is once its form is safe.
    pub fn from_token_url(text: &str, trust: &mut TrustPolicy) -> Result<Self, Error> {
        const RIGHT: &str = "Give the whole address of the token endpoint: `https://login.example.com/services/oauth2/token`.";
        let wrong = |problem: &str| invalid_option("token_url", problem, RIGHT);
        let url = Url::parse(text.trim()).map_err(|_| wrong("it is not a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it holds a user name or password"));
        }
        if url.fragment().is_some() {
            return Err(wrong("it holds a fragment (`#...`)"));
        }
        match url.scheme() {
            "https" => {}
            "http" if trust.http_loopback && is_loopback(&url) => {}
            "http" => {
                return Err(wrong(
                    "http would show the secret to the network; only https is allowed (and http to loopback with `allow_http_loopback`)",
                ));
            }
            _ => return Err(wrong("its scheme is not https")),
        }
        if url.path() == "/" {
            return Err(wrong("it has no path"));
        }
        trust.trust(url.host_str().unwrap_or_default());
        Ok(Self {
            token_url: url.as_str().into(),
        })
    }
}

/// Checks an `instance_url` or `api_instance_url` of a response before a token may go there. What an error
/// repeats of it passes through `redactor`.
/// The result has no trailing slash.
pub fn check_instance_url(
    field: &str,
    text: &str,
    trust: &TrustPolicy,
    redactor: &dyn Fn() -> Redactor,
) -> Result<String, Error> {
    let shown = |text: &str| redactor().clean(&without_extras(text), LONGEST_SHOWN);
    let refuse = |problem: String| {
        Err(Error::new(
            ErrorCode::UntrustedInstanceUrl,
            format!("the `{field}` of the token response is not trusted: {problem}"),
        )
        .with_help("The token was dropped. If this host is yours, name it in the option `trusted_hosts`;\notherwise find out what stands between this machine and Salesforce."))
    };
    let Ok(url) = Url::parse(text.trim()) else {
        return refuse(format!("`{}` is not a URL", shown(text)));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("it holds a user name or password".to_owned());
    }
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let plain = url.query().is_none() && url.fragment().is_none() && url.path() == "/";
    if !plain {
        return refuse(format!(
            "it is more than an origin (host `{}`)",
            shown(&host)
        ));
    }
    let loopback = trust.http_loopback && is_loopback(&url);
    let named = trust.names(&host);
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        scheme => return refuse(format!("its scheme is `{}`, not https", shown(scheme))),
    }
    if url.port().is_some() && !loopback && !named {
        return refuse(format!(
            "`{}` has a port other than 443",
            shown(&authority(&url))
        ));
    }
    let name = host.strip_suffix('.').unwrap_or(&host);
    // The parser decodes `%24` and takes `$`, which libraries for other languages read differently.
    if !loopback && check_name(name).is_err() {
        return refuse(format!("`{}` is not a host name", shown(&host)));
    }
    if !loopback && !trust.allows_token(name) {
        return refuse(format!(
            "`{}` is not one of Salesforce's hosts",
            shown(&host)
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The trusted host in what was pasted, or an error with a hint. Applying it to its own result changes nothing.
pub fn login_host(pasted: &str, trust: &TrustPolicy) -> Result<String, Error> {
    if redaction::looks_secret(pasted.trim()) {
        return Err(looks_secret(pasted));
    }
    let mut host = bare_host(pasted)?;
    if let Some(rest) = host.strip_suffix(CLOUD_APP_SECURITY) {
        host.truncate(rest.len());
    }
    if trust.names(&host) {
        return Ok(host);
    }
    if host.split('.').any(redaction::looks_secret) {
        return Err(looks_secret(pasted));
    }
    // What is left of a label may end with a hyphen.
    if let Some(host) = twin(&host).filter(|host| check_name(host).is_ok()) {
        return Ok(host);
    }
    if LOGIN_SUFFIXES.iter().any(|suffix| is_below(&host, suffix)) {
        return Ok(host);
    }
    Err(explain(pasted, &host))
}

/// Whether a text is a plain host name, for options that take one.
pub fn is_host_name(text: &str) -> bool {
    check_name(text).is_ok()
}

/// Removes scheme, path, query, trailing dots and blanks; refuses what cannot be a host.
fn bare_host(pasted: &str) -> Result<String, Error> {
    let text = pasted.trim();
    if text.is_empty() {
        return Err(bad(pasted, "it is empty", WHERE));
    }
    if let Some(odd) = text.chars().find(|c| !c.is_ascii()) {
        return Err(bad(
            pasted,
            &format!(
                "it holds the character U+{:04X}, which is not a plain letter though it may look like one",
                odd as u32
            ),
            "Type the host name in plain ASCII letters.",
        ));
    }
    let text = text.to_ascii_lowercase();
    let rest = match text.split_once("://") {
        Some(("https" | "http", rest)) => rest,
        Some(_) => return Err(bad(pasted, "its scheme is not https", WHERE)),
        None => text.strip_prefix("//").unwrap_or(&text),
    };
    if rest.contains('\\') {
        return Err(bad(pasted, "it holds a backslash", WHERE));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(bad(
            pasted,
            "it holds a user name (`...@`)",
            "Give the host alone. The client id and secret are options of their own.",
        ));
    }
    if authority.starts_with('[') {
        return Err(not_an_ip(pasted));
    }
    let name = match authority.split_once(':') {
        Some((name, "443" | "")) => name,
        Some(_) => {
            return Err(bad(
                pasted,
                "it names a port other than 443",
                "My Domain hosts use 443. For a gateway, give its whole token endpoint in the option `token_url`.",
            ));
        }
        None => authority,
    };
    let name = name.trim_end_matches('.').trim();
    if name.parse::<IpAddr>().is_ok() || looks_numeric(name) {
        return Err(not_an_ip(pasted));
    }
    check_name(name).map_err(|problem| bad(pasted, &problem, WHERE))?;
    Ok(name.to_owned())
}

fn twin(host: &str) -> Option<String> {
    if let Some(left) = host.strip_suffix(VISUALFORCE) {
        // acme--uat--c.sandbox: the last `--` of the first label names a package.
        let (label, rest) = left.split_once('.').unwrap_or((left, ""));
        let (org, package) = label.rsplit_once("--")?;
        if org.is_empty() || package.is_empty() {
            return None;
        }
        let dot = if rest.is_empty() { "" } else { "." };
        return Some(format!("{org}{dot}{rest}.my.salesforce.com"));
    }
    TWINS.iter().find_map(|(from, to)| {
        let left = host.strip_suffix(from)?;
        (!left.is_empty()).then(|| format!("{left}{to}"))
    })
}

fn explain(pasted: &str, host: &str) -> Error {
    let first = host.split('.').next().unwrap_or(host);
    let suggestion = |host: &str| format!("Did you mean `{host}`?\n{WHERE}");
    if matches!(
        host,
        "login.salesforce.com" | "test.salesforce.com" | "welcome.salesforce.com"
    ) {
        return bad(
            pasted,
            "this host does not serve the client credentials flow, only an org's own My Domain does",
            &format!("Use your org's My Domain host.\n{WHERE}"),
        );
    }
    if !host.contains('.') {
        return bad(
            pasted,
            "it is one word, not a host name",
            &suggestion(&format!("{host}.my.salesforce.com")),
        );
    }
    if LOGIN_SUFFIXES.contains(&host) {
        return bad(pasted, "the name of the org before it is missing", WHERE);
    }
    let customers_own = [".my.site.com", ".salesforce-sites.com", ".file.force.com"];
    if customers_own.iter().any(|suffix| host.ends_with(suffix)) {
        let org = first.split("--").next().unwrap_or(first);
        return bad(
            pasted,
            "this host serves sites or files, not logins",
            &suggestion(&format!("{org}.my.salesforce.com")),
        );
    }
    if is_below(host, INSTANCE_SUFFIX) {
        if is_instance(first) {
            return bad(
                pasted,
                "this is an instance host, which many orgs share",
                &format!("Use your org's My Domain host.\n{WHERE}"),
            );
        }
        return bad(
            pasted,
            "this is not a My Domain host",
            &suggestion(&format!("{first}.my.salesforce.com")),
        );
    }
    Error::new(
        ErrorCode::UntrustedHost,
        format!("`{}` is not a Salesforce host, so the client secret was not sent there", printable(host)),
    )
    .with_help(format!("{WHERE}\nIf this host is a custom domain of your org, name it in the option `trusted_hosts`; for a gateway, use `token_url`."))
}

/// `http://127.0.0.1:8080` and the like, when the user allowed it. `Ok(None)`: not of this form.
fn loopback_base(pasted: &str, trust: &TrustPolicy) -> Result<Option<String>, Error> {
    let Ok(url) = Url::parse(pasted.trim()) else {
        return Ok(None);
    };
    let named = url.host_str().is_some_and(|host| trust.names(host));
    let here = matches!(url.scheme(), "http" | "https") && is_loopback(&url);
    if !here || (named && !trust.http_loopback) {
        return Ok(None);
    }
    if !trust.http_loopback {
        return Err(bad(
            pasted,
            "it is an IP address or name of this machine (loopback)",
            "Give the My Domain host name. For an emulator on this machine, set the option `allow_http_loopback`.",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad(pasted, "it holds a user name or password", WHERE));
    }
    Ok(Some(format!("{}://{}", url.scheme(), authority(&url))))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// On a dot boundary, with at least one label before the suffix.
fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix)
        .and_then(|left| left.strip_suffix('.'))
        .is_some_and(|left| !left.is_empty())
}

/// `na44`, `cs101`, `eu5`, `um2`, `ap16`, `usa2s`: an instance, not an org.
fn is_instance(label: &str) -> bool {
    let letters = label.bytes().take_while(u8::is_ascii_lowercase).count();
    let digits = label
        .bytes()
        .skip(letters)
        .take_while(u8::is_ascii_digit)
        .count();
    let tail = &label[letters + digits..];
    (2..=3).contains(&letters) && digits > 0 && (tail.is_empty() || tail == "s")
}

/// Forms that some parsers read as an IPv4 address: `2130706433`, `0x7f.1`, `127.1`.
fn looks_numeric(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|last| {
        !last.is_empty()
            && (last.bytes().all(|b| b.is_ascii_digit())
                || last
                    .strip_prefix("0x")
                    .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit())))
    })
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("it names no host".to_owned());
    }
    if name.len() > 253 {
        return Err("it is longer than a host name can be".to_owned());
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err("it has two dots in a row, or starts with one".to_owned());
        }
        if label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
            return Err("one of its parts cannot be part of a host name".to_owned());
        }
        if let Some(odd) = label
            .chars()
            .find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && *c != '-' && *c != '_')
        {
            return Err(format!("it holds the character {odd:?}"));
        }
        // Encoded by IDNA, which can look like another host; no Salesforce host has one.
        if label.starts_with("xn--") {
            return Err("it holds an encoded international name (`xn--`)".to_owned());
        }
    }
    Ok(())
}

fn looks_secret(pasted: &str) -> Error {
    bad(
        pasted,
        "it looks like a secret, a consumer key or a token, not like a host name",
        WHERE,
    )
}

fn not_an_ip(pasted: &str) -> Error {
    bad(
        pasted,
        "it is an IP address",
        "Give the My Domain host name; to reach it at a special address, use the option `resolve`.",
    )
}

fn bad(pasted: &str, problem: &str, help: &str) -> Error {
    Error::new(
        ErrorCode::InvalidLoginUrl,
        format!("login URL `{}`: {problem}", printable(pasted)),
    )
    .with_help(help)
}

/// What was pasted, fit to be shown: without user info, query and anything that looks like a secret, since
/// a secret or a token may have been pasted in place of a host.
pub fn printable(text: &str) -> String {
    redaction::printable(&without_extras(text), LONGEST_SHOWN)
}

const LONGEST_SHOWN: usize = 80;

fn without_extras(text: &str) -> String {
    let text = text.trim();
    let text = text.split(['?', '#', '!']).next().unwrap_or_default();
    match text.rfind('@') {
        Some(at) => format!("...{}", &text[at..]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
