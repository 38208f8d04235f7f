//! The names of all environment variables that are read.

/// They name the proxy. As curl reads them: those for https first, and the names in lower case before the others.
pub(crate) const PROXY: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// They list the hosts that are reached without the proxy.
pub(crate) const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// Variables with one prefix, which name an org and an app together.
pub(super) struct Family {
    login_url: &'static [&'static str],
    client_id: &'static [&'static str],
    pub(super) client_secret: &'static [&'static str],
    /// Names the file that holds the secret.
    pub(super) secret_file: Option<&'static str>,
}

/// In the order in which they are looked at.
pub(super) const FAMILIES: [Family; 2] = [
    Family {
        login_url: &[
            "SALESFORCE_LOGIN_URL",
            "SALESFORCE_MY_DOMAIN",
            "SALESFORCE_DOMAIN",
            "SALESFORCE_INSTANCE_URL",
        ],
        client_id: &["SALESFORCE_CLIENT_ID", "SALESFORCE_CONSUMER_KEY"],
        client_secret: &["SALESFORCE_CLIENT_SECRET", "SALESFORCE_CONSUMER_SECRET"],
        secret_file: Some("SALESFORCE_CLIENT_SECRET_FILE"),
    },
    Family {
        login_url: &["SF_LOGIN_URL"],
        client_id: &["SF_CLIENT_ID"],
        client_secret: &["SF_CLIENT_SECRET"],
        secret_file: None,
    },
];

/// What a variable of a family gives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LoginUrl,
    ClientId,
    ClientSecret,
}

pub(super) const PARTS: [Part; 3] = [Part::LoginUrl, Part::ClientId, Part::ClientSecret];

impl Part {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::LoginUrl => "login URL",
            Self::ClientId => "client id",
            Self::ClientSecret => "client secret",
        }
    }
}

impl Family {
    pub(super) fn names(&self, part: Part) -> impl Iterator<Item = &'static str> {
        let (names, file) = match part {
            Part::LoginUrl => (self.login_url, None),
            Part::ClientId => (self.client_id, None),
            Part::ClientSecret => (self.client_secret, self.secret_file),
        };
        names.iter().copied().chain(file)
    }
}

/// What names a connection, the folder of connections and the keys that open them.
const CONNECTION: [&str; 7] = [
    "FORCEGRANT_CONNECTION",
    "FORCEGRANT_CONNECTIONS",
    "FORCEGRANT_CONNECTIONS_KEY",
    "FORCEGRANT_CONNECTIONS_KEY_FILE",
    "XDG_CONFIG_HOME",
    "HOME",
    "LOCALAPPDATA",
];

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    let of_part = |part| FAMILIES.iter().flat_map(move |family| family.names(part));
    let proxies = PROXY.into_iter().chain(NO_PROXY);
    proxies
        .chain(PARTS.into_iter().flat_map(of_part))
        .chain(CONNECTION)
}
