//! The options that all commands share, as they were given.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use forcegrant::{AuthStyle, Proxy};

/// What the command line says; everything else comes from the environment.
#[derive(Debug, Default)]
pub(crate) struct CliOptions {
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    /// `None`: the environment.
    pub(crate) secret: Option<SecretFrom>,
    pub(crate) auth_style: AuthStyle,
    pub(crate) token_url: Option<String>,
    pub(crate) trusted_hosts: Vec<String>,
    pub(crate) roots: RootsFrom,
    pub(crate) proxy: Proxy,
    pub(crate) resolve: Vec<(String, SocketAddr)>,
    /// For a whole login.
    pub(crate) timeout: Option<Duration>,
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
}

impl fmt::Display for RootsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Platform => f.write_str("platform"),
            Self::Bundled => f.write_str("bundled"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
