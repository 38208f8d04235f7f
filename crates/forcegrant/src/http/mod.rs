//! HTTP: the transport behind a trait, so that the client can be tested without sockets; proxies; name lookups.

mod lookup;
mod proxy;
mod transport;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

pub use self::proxy::Proxy;
pub(crate) use self::proxy::ProxyRules;
pub(crate) use self::transport::HttpTransport;
#[cfg(feature = "http-client")]
pub(crate) use self::transport::for_calls;
pub(crate) use forcegrant_proto::http_message::{MAX_BODY, Request, Response};

use forcegrant_proto::grant::failure::RequestFailure;
use forcegrant_support::tls::Roots;

/// Sends one request and reads the response. No retries, no redirects.
pub(crate) trait Transport: Send + Sync + fmt::Debug {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, RequestFailure>> + Send + 'a>>;

    /// Has everything read again that was read from files.
    fn reset(&self) {}
}

/// The settings of a transport.
#[derive(Clone, Debug)]
pub(crate) struct HttpSettings {
    pub(crate) resolve: Vec<(String, SocketAddr)>,
    pub(crate) roots: Roots,
    /// A PEM file beside the platform's roots, as the host language has it.
    pub(crate) extra_roots: Option<PathBuf>,
    pub(crate) proxies: ProxyRules,
    pub(crate) connect_timeout: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            resolve: Vec::new(),
            roots: Roots::default(),
            extra_roots: None,
            proxies: ProxyRules::default(),
            connect_timeout: Duration::from_secs(5),
        }
    }
}
