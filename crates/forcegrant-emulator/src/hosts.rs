//! Which virtual host a request is for.

use crate::config::Config;

/// What a host name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// The My Domain of the org with this index, or a loopback name for the first.
    MyDomain(usize),
    /// Where the org with this index serves its APIs, if not at its My Domain.
    Instance(usize),
    /// `login.` or `test.salesforce.com`.
    Login,
    /// A set-up host, and the My Domain that it belongs to.
    Setup(String),
    /// A Lightning host, and the My Domain that it belongs to.
    Lightning(String),
    /// Nobody's.
    Unknown,
}

impl Site {
    pub(crate) fn of(host: &str, config: &Config) -> Self {
        let by_my_domain = config.orgs.iter().position(|org| org.my_domain == host);
        if let Some(index) = by_my_domain {
            return Self::MyDomain(index);
        }
        let by_instance = config.orgs.iter().position(|org| {
            let urls = [Some(&org.instance_url), Some(&org.api_instance_url)];
            let mut urls = urls.into_iter().flatten().flatten();
            urls.any(|url| host_of(url) == host)
        });
        if let Some(index) = by_instance {
            return Self::Instance(index);
        }
        if is_loopback(host) {
            return Self::MyDomain(0);
        }
        let my_domain = |suffix| {
            let left = host.strip_suffix(suffix).filter(|left| !left.is_empty());
            left.map(|left| format!("{left}.my.salesforce.com"))
        };
        if let Some(target) = my_domain(".my.salesforce-setup.com") {
            Self::Setup(target)
        } else if let Some(target) = my_domain(".lightning.force.com") {
            Self::Lightning(target)
        } else if matches!(host, "login.salesforce.com" | "test.salesforce.com") {
            Self::Login
        } else {
            Self::Unknown
        }
    }

    /// The org whose APIs are served here.
    pub(crate) fn org(&self) -> Option<usize> {
        match self {
            Self::MyDomain(index) | Self::Instance(index) => Some(*index),
            _ => None,
        }
    }
}

/// Names by which a client can reach the emulator without `resolve` or proxy.
pub(crate) fn is_loopback(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or_default();
    crate::request::without_port(authority)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OrgConfig;

    #[test]
    fn sites() {
        let mut config = Config::default();
        config.orgs[1] = OrgConfig {
            instance_url: Some("https://cs42.salesforce.com".to_owned()),
            api_instance_url: Some("https://test.api.salesforce.com".to_owned()),
            ..config.orgs[1].clone()
        };
        let acme = || "acme.my.salesforce.com".to_owned();
        for (host, site) in [
            ("acme.my.salesforce.com", Site::MyDomain(0)),
            ("acme--uat.sandbox.my.salesforce.com", Site::MyDomain(1)),
            ("cs42.salesforce.com", Site::Instance(1)),
            ("test.api.salesforce.com", Site::Instance(1)),
            ("127.0.0.1", Site::MyDomain(0)),
            ("login.salesforce.com", Site::Login),
            ("test.salesforce.com", Site::Login),
            ("acme.my.salesforce-setup.com", Site::Setup(acme())),
            ("acme.lightning.force.com", Site::Lightning(acme())),
            (".lightning.force.com", Site::Unknown),
            ("other.my.salesforce.com", Site::Unknown),
            ("", Site::Unknown),
        ] {
            assert_eq!(Site::of(host, &config), site, "{host}");
        }
    }
}
