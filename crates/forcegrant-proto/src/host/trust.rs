//! Which hosts may see a secret or a token. Pure.

use url::Url;

use super::name::{
    LONGEST_SHOWN, authority, check_name, is_below, is_loopback, printable, without_extras,
};
use crate::error::{Error, ErrorCode, invalid_option};
use crate::redaction::Redactor;
use crate::url_spelling;

/// Hosts below these suffixes belong to Salesforce alone. `force.com`, `site.com` and
/// `salesforce-sites.com` are not among them: customers' own code runs there.
pub(super) const LOGIN_SUFFIXES: [&str; 5] = [
    "my.salesforce.com",
    "my.salesforce.mil",
    "my.sfcrmproducts.cn",
    "cloudforce.com",
    "database.com",
];

/// A bearer token may also go to instance hosts (`na44.salesforce.com`), to
/// `api.salesforce.com` and to `test.api.salesforce.com`, which are all below this one.
pub(super) const INSTANCE_SUFFIX: &str = "salesforce.com";

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

    /// Adds the hosts of another policy.
    pub fn trust_also(&mut self, other: Self) {
        self.hosts.extend(other.hosts);
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

    pub(super) fn names(&self, host: &str) -> bool {
        self.hosts.iter().any(|trusted| {
            if trusted.starts_with('.') {
                host.len() > trusted.len() && host.ends_with(trusted.as_str())
            } else {
                host == trusted
            }
        })
    }

    pub(super) fn allows_credentials(&self, host: &str) -> bool {
        self.names(host) || LOGIN_SUFFIXES.iter().any(|suffix| is_below(host, suffix))
    }

    fn allows_token(&self, host: &str) -> bool {
        self.allows_credentials(host) || is_below(host, INSTANCE_SUFFIX)
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
