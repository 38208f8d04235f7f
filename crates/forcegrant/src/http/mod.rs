//! The wire: plain request and response values, and the transport behind a trait so that the
//! client can be tested without sockets.

mod lookup;
mod no_proxy;
mod proxy;
mod tls;
mod transport;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use zeroize::Zeroizing;

#[cfg(any(test, fuzzing))]
pub(crate) use self::proxy::{Decision, Reason};
pub(crate) use self::proxy::{PROXY_VARIABLES, ProxyRules};
#[cfg(feature = "store-redis")]
pub(crate) use self::tls::{check as check_roots, config as tls_config};
pub(crate) use self::transport::HttpTransport;
#[cfg(feature = "http-client")]
pub(crate) use self::transport::for_calls;
use crate::grant::response::Failure;
use crate::secret::Secret;

/// No token answer comes near this; what is longer is cut and refused.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// One request, encoded. Its `Debug` form shows no header value and no body.
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, Secret)>,
    pub(crate) body: Option<Secret>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}

/// One answer: what the decoder needs of it.
#[derive(Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) limit_info: Option<String>,
    pub(crate) body: Zeroizing<Vec<u8>>,
    /// The body was longer than [`MAX_BODY`] and its rest was not read.
    pub(crate) cut_at_limit: bool,
}

/// Sends one request and reads the answer. No retries, no redirects.
pub(crate) trait Transport: Send + Sync + fmt::Debug {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>>;
}

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Roots {
    /// The operating system's store; on Linux also `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    Platform,
    /// Mozilla's roots as compiled into this library; needs nothing on the machine. Of the age
    /// of the release.
    #[cfg(feature = "bundled-roots")]
    Bundled,
    /// Only the certificates in this PEM text.
    Pem(Vec<u8>),
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
