//! The options of the commands, as they were given.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forcegrant::{AuthStyle, Proxy, Roots};

/// What the command line says about the login; everything else comes from the environment.
#[derive(Debug, Default)]
pub(crate) struct CliOptions {
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    /// `None`: the environment.
    pub(crate) secret: Option<SecretFrom>,
    /// The id of a saved connection. Empty: the user is asked to name one.
    pub(crate) connection: Option<String>,
    /// The folder of the connections.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) auth_style: Option<AuthStyle>,
    pub(crate) token_url: Option<String>,
    pub(crate) trusted_hosts: Vec<String>,
    pub(crate) roots: RootsFrom,
    pub(crate) proxy: Proxy,
    pub(crate) resolve: Vec<(String, SocketAddr)>,
    /// For a whole login.
    pub(crate) timeout: Option<Duration>,
}

/// What `connect` and `connections` know besides.
#[derive(Debug, Default)]
pub(crate) struct ConnectionOptions {
    pub(crate) name: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) removed_labels: Vec<String>,
    pub(crate) replace: bool,
    pub(crate) other_org: bool,
    pub(crate) ask_by: AskBy,
    pub(crate) port: Option<u16>,
    pub(crate) all: bool,
}

/// How `connect` asks for the three values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AskBy {
    /// The page if a browser can be opened, else the terminal.
    #[default]
    Either,
    Terminal,
    /// The page, whose link is printed.
    Link,
}

/// What `call` sends.
#[derive(Debug, Default)]
pub(crate) struct CallOptions {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) data: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) include: bool,
}

/// Where the client secret is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SecretFrom {
    File(PathBuf),
    /// Standard input.
    Input,
}

/// Where the certificate authorities are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum RootsFrom {
    #[default]
    Platform,
    Bundled,
    File(PathBuf),
}

impl CliOptions {
    pub(crate) fn secret_from(&mut self, from: SecretFrom) -> Result<(), String> {
        if self.secret.is_some() {
            return Err(
                "give one of `--client-secret-file` and `--client-secret-stdin`, once".to_owned(),
            );
        }
        self.secret = Some(from);
        Ok(())
    }

    /// The first option that brings a part of the credentials, or says where they go.
    pub(crate) fn credentials_option(&self) -> Option<&'static str> {
        let given = [
            ("client-id", self.client_id.is_some()),
            ("login-url", self.login_url.is_some()),
            ("token-url", self.token_url.is_some()),
            (
                match self.secret {
                    Some(SecretFrom::File(_)) => "client-secret-file",
                    _ => "client-secret-stdin",
                },
                self.secret.is_some(),
            ),
            ("auth-style", self.auth_style.is_some()),
            ("trusted-host", !self.trusted_hosts.is_empty()),
        ];
        let mut given = given.into_iter();
        given.find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }
}

impl RootsFrom {
    pub(crate) fn roots(&self) -> Roots {
        match self {
            Self::Platform => Roots::Platform,
            Self::Bundled => Roots::Bundled,
            Self::File(path) => Roots::File(path.clone()),
        }
    }
}
