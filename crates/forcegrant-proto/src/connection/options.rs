//! The options that belong to one org. What could lead a request elsewhere is not among them.

use std::time::Duration;

use crate::grant::request::AuthStyle;

/// Options of a client that stand in a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrgOptions {
    pub token_url: Option<String>,
    pub trusted_hosts: Vec<String>,
    pub session_timeout: Option<Duration>,
    pub auth_style: Option<AuthStyle>,
}

/// Options of a client that are refused in a connection: who can write the text must not be able to redirect
/// requests or to make other certificates trusted.
pub(super) const REFUSED: [&str; 10] = [
    "proxy",
    "proxies",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "roots",
    "ca",
    "ca_bundle",
    "resolve",
    "allow_http_loopback",
];
