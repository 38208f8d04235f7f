//! The wire: plain request and response values, and the transport behind a trait so that the
//! client can be tested without sockets.

mod lookup;
mod proxy;
mod transport;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

pub(crate) use self::proxy::{PROXY_VARIABLES, ProxyRules};
pub(crate) use self::transport::HttpTransport;
#[cfg(feature = "http-client")]
pub(crate) use self::transport::for_calls;
pub(crate) use forcegrant_proto::http_message::{MAX_BODY, Request, Response};

use forcegrant_proto::grant::failure::Failure;
use forcegrant_support::tls::Roots;

/// Sends one request and reads the answer. No retries, no redirects.
pub(crate) trait Transport: Send + Sync + fmt::Debug {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>>;
}

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

/// The settings of a transport.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    pub(crate) resolve: Vec<(String, SocketAddr)>,
    pub(crate) roots: Roots,
    pub(crate) proxies: ProxyRules,
    pub(crate) connect_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            resolve: Vec::new(),
            roots: Roots::default(),
            proxies: ProxyRules::default(),
            connect_timeout: Duration::from_secs(5),
        }
    }
}
