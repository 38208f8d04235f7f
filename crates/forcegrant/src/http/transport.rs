//! The transport over reqwest: no redirects, no retries, no kept connections.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use url::Url;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::http::lookup::DnsLookup;
use crate::http::proxy::ProxyServer;
use crate::http::{HttpSettings, MAX_BODY, Request, Response, Transport};
use forcegrant_proto::error::{Cause, Error, ErrorCode};
use forcegrant_proto::grant::failure::RequestFailure;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::secret::Secret;
use forcegrant_support::process::PerProcess;
use forcegrant_support::tls::{Roots, check_roots, may_change, roots_variables, tls_config_with};
use rustls::CertificateError;

const USER_AGENT: &str = concat!("forcegrant/", env!("CARGO_PKG_VERSION"));

/// How much of another library's error is kept, in characters.
const LONGEST_CAUSE: usize = 300;

/// Sends requests with a client that is built at the first request of each process: building it
/// reads the certificate store, which costs milliseconds and can fail.
#[derive(Debug)]
pub(crate) struct HttpTransport {
    settings: HttpSettings,
    clock: Clock,
    /// Knows the user and password of the proxy.
    redactor: Redactor,
    client: PerProcess<ArcSwapOption<BuiltClient>>,
}

/// A client, and when it read the roots that it trusts.
#[derive(Debug)]
struct BuiltClient {
    client: reqwest::Client,
    /// Milliseconds of boot time.
    built: u64,
}

/// Roots that are this old are read again when a server's issuer is unknown, in milliseconds.
const ROOTS_AGE: u64 = 60_000;

impl HttpTransport {
    /// Checks the settings; builds nothing yet.
    pub(crate) fn new(settings: HttpSettings, clock: Clock) -> Result<Self, Error> {
        check_roots(&settings.roots)?;
        Ok(Self {
            redactor: settings.proxies.redactor(),
            settings,
            clock,
            client: PerProcess::default(),
        })
    }

    fn client(&self) -> Result<reqwest::Client, Error> {
        let cell = self.client.current();
        if let Some(built) = &*cell.load() {
            return Ok(built.client.clone());
        }
        let client = self.build()?;
        cell.store(Some(Arc::new(BuiltClient {
            client: client.clone(),
            built: self.clock.now().boot,
        })));
        Ok(client)
    }

    /// Has the roots read again, if they may have changed since they were read. `false`: they may not.
    fn drop_old_roots(&self) -> bool {
        let cell = self.client.current();
        let now = self.clock.now().boot;
        let is_old = |built: &Arc<BuiltClient>| now.saturating_sub(built.built) >= ROOTS_AGE;
        let drops = may_change(&self.settings.roots) && cell.load().as_ref().is_some_and(is_old);
        if drops {
            cell.store(None);
        }
        drops
    }

    fn build(&self) -> Result<reqwest::Client, Error> {
        builder(&self.settings)?
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(DnsLookup)
            // A kept connection would need a thread to watch it, and would cross a fork.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| self.broken(&error, "the HTTP client"))
    }

    async fn exchange(&self, request: &Request) -> Result<Response, RequestFailure> {
        let client = self.client().map_err(|error| RequestFailure {
            transient: error.is_retryable(),
            error,
        })?;
        let target = RequestTarget::of(&request.url, &self.settings);
        let method = match request.method {
            "POST" => reqwest::Method::POST,
            _ => reqwest::Method::GET,
        };
        let mut builder = client.request(method, &request.url);
        for (name, value) in &request.headers {
            let value = Bytes::from_owner(Wiped(value.clone()));
            let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| {
                RequestFailure::permanent(Error::new(
                    ErrorCode::Internal,
                    format!("the header `{name}` cannot be sent"),
                ))
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(Bytes::from_owner(Wiped(body.clone())));
        }
        let lost = |error: reqwest::Error| self.classify(error, &target, request);
        let mut received = builder.send().await.map_err(lost)?;
        let headers = received.headers();
        let mut response = Response {
            status: received.status().as_u16(),
            content_type: text(headers, CONTENT_TYPE.as_str()),
            location: text(headers, LOCATION.as_str()),
            retry_after: text(headers, RETRY_AFTER.as_str()),
            limit_info: text(headers, "sforce-limit-info"),
            ..Response::default()
        };
        // The body of a redirect or of a busy server says nothing that is needed.
        if matches!(response.status, 300..=399 | 406 | 420 | 429 | 500..=599) {
            return Ok(response);
        }
        let mut body = Zeroizing::new(Vec::with_capacity(4096));
        while let Some(chunk) = received.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_BODY {
                response.cut_at_limit = true;
                break;
            }
            body.extend_from_slice(&chunk);
        }
        response.body = body;
        Ok(response)
    }

    /// Turns an error of reqwest into a failure. The types in its chain are checked first, and its texts last.
    fn classify(
        &self,
        error: reqwest::Error,
        target: &RequestTarget,
        request: &Request,
    ) -> RequestFailure {
        let error = error.without_url();
        let redactor = self.redactor.clone().hide_request(request);
        let cause = Cause::of(&error, &|text| redactor.clean(text, LONGEST_CAUSE));
        let detail = cause.innermost().to_owned();
        let tls = in_chain::<rustls::Error>(&error);
        let host = target.host.as_str();
        let failure = if error.is_timeout() {
            RequestFailure::transient(target.timed_out(self.settings.connect_timeout))
        } else if let Some(server) = &target.proxy
            && let Some(fault) = ProxyFault::of(&cause, tls.is_some())
        {
            fault.failure(server, host, &detail)
        } else if let Some(tls) = tls {
            let error = tls_failed(host, tls, &detail, &self.settings.roots);
            let transient = match tls {
                // A certificate authority may have been added since the roots were read.
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                    self.drop_old_roots()
                }
                rustls::Error::InvalidCertificate(error) => is_not_valid_yet(error),
                _ => false,
            };
            RequestFailure { error, transient }
        } else if let Some(server) = target.proxy.as_ref().filter(|_| error.is_connect())
            && !error.is_dns()
        {
            ProxyFault::Unsuccessful.failure(server, host, &detail)
        } else if error.is_dns() {
            RequestFailure::transient(dns_failed(host, &detail))
        } else if error.is_connect() {
            RequestFailure::transient(connect_failed(host, &detail))
        } else {
            RequestFailure::transient(connection_lost(host, &detail))
        };
        RequestFailure {
            error: failure.error.with_cause(cause),
            ..failure
        }
    }

    fn broken(&self, error: &reqwest::Error, what: &str) -> Error {
        Error::new(ErrorCode::Internal, format!("{what} could not be built"))
            .with_help(
                "Check the options `proxy` and `resolve`. If they are right, please report this.",
            )
            .with_cause(Cause::of(error, &|text| {
                self.redactor.clean(text, LONGEST_CAUSE)
            }))
    }
}

impl Transport for HttpTransport {
    fn send<'a>(
        &'a self,
        request: &'a Request,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<Response, RequestFailure>> + Send + 'a>> {
        Box::pin(async move {
            tokio::time::timeout(timeout, self.exchange(request))
                .await
                .unwrap_or_else(|_| {
                    let target = RequestTarget::of(&request.url, &self.settings);
                    Err(RequestFailure::transient(target.timed_out(timeout)))
                })
        })
    }

    fn reset(&self) {
        self.client.current().store(None);
    }
}

/// An HTTP client for API calls: it keeps connections, no more than `idle` to one host, and follows
/// redirects, at which reqwest leaves the token behind if they lead to another origin.
#[cfg(feature = "http-client")]
pub(crate) fn for_calls(
    settings: &HttpSettings,
    idle: Option<usize>,
) -> Result<reqwest::Client, Error> {
    // Without `DnsLookup`, whose permits all clients share: an event loop that is not running would keep one.
    let builder = builder(settings)?.pool_max_idle_per_host(idle.unwrap_or(usize::MAX));
    // The error may show the proxy's address, so it is left out.
    builder.build().map_err(|_| {
        Error::new(
            ErrorCode::Internal,
            "the HTTP client for calls could not be built",
        )
    })
}

/// What all HTTP clients with these settings have in common.
fn builder(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, Error> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls_config_with(
            &settings.roots,
            settings.extra_roots.as_deref(),
        )?)
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(settings.connect_timeout);
    for (host, address) in &settings.resolve {
        builder = builder.resolve(host, *address);
    }
    // Only these rules: otherwise reqwest reads the environment by rules of its own.
    Ok(builder.no_proxy().proxy(settings.proxies.for_reqwest()))
}

/// Where a request goes, for errors.
struct RequestTarget {
    host: String,
    proxy: Option<ProxyServer>,
}

impl RequestTarget {
    fn of(url: &str, settings: &HttpSettings) -> Self {
        let Ok(url) = Url::parse(url) else {
            return Self {
                host: String::new(),
                proxy: None,
            };
        };
        Self {
            proxy: settings.proxies.decide(&url).server().cloned(),
            host: url.host_str().unwrap_or_default().to_owned(),
        }
    }

    fn timed_out(&self, limit: Duration) -> Error {
        let through = self.proxy.as_ref();
        let through =
            through.map_or_else(String::new, |proxy| format!(" through the proxy {proxy}"));
        Error::new(
            ErrorCode::Timeout,
            format!("no response from `{}`{through} within {limit:?}", self.host),
        )
        .with_help("The network or the host is slow or silent: a firewall that drops packets looks like this.\nThe limits are the options `connect_timeout`, `attempt_timeout` and `total_timeout`.")
    }
}

/// What went wrong at or before the proxy.
enum ProxyFault {
    Credentials,
    Tls,
    Unreachable,
    Unsuccessful,
}

impl ProxyFault {
    /// The types of these errors are not public, so their texts decide. `None`: the failure is behind the proxy.
    fn of(cause: &Cause, tls: bool) -> Option<Self> {
        const REFUSED: [&str; 4] = [
            "proxy authorization required",
            "credentials not accepted",
            "does not support user/pass authentication",
            "implements authentication incorrectly",
        ];
        let says = |texts: &[&str]| {
            let mut next: Option<&dyn std::error::Error> = Some(cause);
            while let Some(cause) = next {
                let text = cause.to_string();
                if texts.iter().any(|part| text.contains(part)) {
                    return true;
                }
                next = cause.source();
            }
            false
        };
        if says(&REFUSED) {
            Some(Self::Credentials)
        } else if !says(&["tunnel error", "error connecting to socks proxy"]) {
            None
        } else if tls {
            Some(Self::Tls)
        } else if says(&["failed to create underlying connection"]) {
            Some(Self::Unreachable)
        } else {
            Some(Self::Unsuccessful)
        }
    }

    fn failure(self, proxy: &ProxyServer, host: &str, detail: &str) -> RequestFailure {
        let failed = |problem: String, help: String| {
            Error::new(ErrorCode::ProxyFailed, problem).with_help(help)
        };
        let setting = proxy.setting();
        match self {
            // Not repeated: proxies lock accounts after a few wrong passwords.
            Self::Credentials => {
                let problem = if proxy.has_credentials() {
                    "did not accept the user and password that it was given"
                } else {
                    "requires a user and password"
                };
                let error = Error::new(
                    ErrorCode::ProxyAuthenticationRequired,
                    format!("the proxy {proxy} {problem}"),
                );
                RequestFailure::permanent(error.with_help(format!(
                    "They belong in {setting}: `http://user:password@{}`. Percent-encode special characters.\nOnly Basic authentication is supported, not NTLM or Kerberos.",
                    proxy.address().rsplit("://").next().unwrap_or_default()
                )))
            }
            Self::Tls => RequestFailure::permanent(failed(
                format!("the TLS handshake with the proxy {proxy} failed: {detail}"),
                format!(
                    "`https://` in the address of a proxy means TLS to the proxy itself. Most proxies want `http://`, also for https: change {setting}."
                ),
            )),
            Self::Unreachable => RequestFailure::transient(failed(
                format!("no connection to the proxy {proxy}: {detail}"),
                format!("Check the address in {setting}, and that the proxy is up."),
            )),
            // The error does not have the status, and some proxies respond 401 or 403 to a wrong password.
            Self::Unsuccessful if proxy.has_credentials() => RequestFailure::permanent(failed(
                format!("the proxy {proxy} did not connect to `{host}`: {detail}"),
                format!(
                    "Check the user and password in {setting}, and that the proxy allows this host on port 443.\nNO_PROXY lists the hosts that are reached without it."
                ),
            )),
            Self::Unsuccessful => RequestFailure::transient(failed(
                format!("the proxy {proxy} did not connect to `{host}`: {detail}"),
                format!(
                    "Check that the proxy allows this host on port 443. It is named by {setting};\nNO_PROXY lists the hosts that are reached without it."
                ),
            )),
        }
    }
}

/// A body or header whose memory is overwritten once it is sent.
struct Wiped(Secret);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The first error of type `T` in a chain. The source of an `io::Error` skips the error that it wraps, which can be
/// another `io::Error`.
fn in_chain<T: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = cause
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    None
}

fn tls_failed(host: &str, error: &rustls::Error, detail: &str, roots: &Roots) -> Error {
    let help = match error {
        rustls::Error::InvalidCertificate(error) if is_not_valid_yet(error) => {
            "This machine's clock is probably behind: compare it with a time server (`date`, `timedatectl`).".to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "The certificate has expired, or this machine's clock is ahead: compare it with a time server.".to_owned(),
        rustls::Error::InvalidCertificate(_) => {
            let variables = match roots {
                Roots::Platform => roots_variables(),
                _ => String::new(),
            };
            let variables = if variables.is_empty() {
                String::new()
            } else {
                format!("\nVariables name the certificates that are trusted here: {variables}.")
            };
            format!("The host's certificate is not trusted. If a company proxy inspects TLS, give its CA certificate in the option\n`roots` or add it to the system's store. Otherwise somebody may be intercepting the connection.{variables}")
        }
        _ => "Client and server found no common ground, or something between them does not speak TLS.".to_owned(),
    };
    Error::new(
        ErrorCode::TlsFailed,
        format!("the TLS handshake with `{host}` failed: {detail}"),
    )
    .with_help(help)
}

fn is_not_valid_yet(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
    )
}

fn dns_failed(host: &str, detail: &str) -> Error {
    Error::new(
        ErrorCode::DnsFailed,
        format!("the host name `{host}` does not resolve: {detail}"),
    )
    .with_help("A mistyped My Domain looks like this; the right one is in Setup > My Domain > Current My Domain URL.\nOtherwise this machine's name service is not working.")
}

fn connect_failed(host: &str, detail: &str) -> Error {
    Error::new(
        ErrorCode::ConnectFailed,
        format!("no connection to `{host}`: {detail}"),
    )
    .with_help("Check this machine's network and firewall. If it must use a proxy, set HTTPS_PROXY or the option `proxy`.")
}

fn connection_lost(host: &str, detail: &str) -> Error {
    Error::new(
        ErrorCode::ConnectionLost,
        format!("the connection to `{host}` broke before the whole response had arrived: {detail}"),
    )
    .with_help("The client tries again by itself. If it lasts, look at what stands between this machine and Salesforce.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_is_said() {
        let help = |error: CertificateError| {
            let error = rustls::Error::InvalidCertificate(error);
            let failed = tls_failed("acme.my.salesforce.com", &error, "x", &Roots::Platform);
            failed.help().unwrap().to_owned()
        };
        assert!(help(CertificateError::NotValidYet).contains("clock is probably behind"));
        assert!(help(CertificateError::Expired).contains("clock is ahead"));
        assert!(help(CertificateError::UnknownIssuer).contains("not trusted"));
        assert!(is_not_valid_yet(&CertificateError::NotValidYet));
        assert!(!is_not_valid_yet(&CertificateError::Expired));
    }
}
