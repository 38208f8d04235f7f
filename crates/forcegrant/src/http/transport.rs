//! The transport over reqwest: no redirects, no retries, no kept connections.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use url::Url;
use zeroize::Zeroizing;

use crate::error::{Cause, Code, Error, invalid_option};
use crate::grant::response::Failure;
use crate::http::lookup::Lookup;
use crate::http::{HttpSettings, MAX_BODY, Proxy, Request, Response, Transport, tls};
use crate::process::PerProcess;
use crate::redaction::Redactor;
use crate::secret::Secret;

const USER_AGENT: &str = concat!("forcegrant/", env!("CARGO_PKG_VERSION"));

/// How much of another library's error is kept, in characters.
const LONGEST_CAUSE: usize = 300;

/// Sends requests with a client that is built at the first request of each process: building it
/// reads the certificate store, which costs milliseconds and can fail.
#[derive(Debug)]
pub(crate) struct HttpTransport {
    settings: HttpSettings,
    /// Knows the user and password of the proxy.
    redactor: Redactor,
    client: PerProcess<OnceLock<reqwest::Client>>,
}

impl HttpTransport {
    /// Checks the settings; builds nothing yet.
    pub(crate) fn new(settings: HttpSettings) -> Result<Self, Error> {
        tls::check(&settings.roots)?;
        let redactor = match &settings.proxy {
            Proxy::Url(text) => {
                let url = check_proxy(text)?;
                Redactor::new().hide_proxy(&url)
            }
            _ => Redactor::new(),
        };
        Ok(Self {
            settings,
            redactor,
            client: PerProcess::default(),
        })
    }

    fn client(&self) -> Result<reqwest::Client, Error> {
        let cell = self.client.current();
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = self.build()?;
        Ok(cell.get_or_init(|| client).clone())
    }

    fn build(&self) -> Result<reqwest::Client, Error> {
        builder(&self.settings)?
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Lookup)
            // A kept connection would need a thread to watch it, and would cross a fork.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| self.broken(&error, "the HTTP client"))
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Failure> {
        let client = self.client().map_err(Failure::permanent)?;
        let host = host_of(&request.url);
        let method = match request.method {
            "POST" => reqwest::Method::POST,
            _ => reqwest::Method::GET,
        };
        let mut builder = client.request(method, &request.url);
        for (name, value) in &request.headers {
            let value = Bytes::from_owner(Wiped(value.clone()));
            let mut value = HeaderValue::from_maybe_shared(value).map_err(|_| {
                Failure::permanent(Error::new(
                    Code::Internal,
                    format!("the header `{name}` can not be sent"),
                ))
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        if let Some(body) = &request.body {
            builder = builder.body(Bytes::from_owner(Wiped(body.clone())));
        }
        let lost = |error: reqwest::Error| self.classify(error, &host, request);
        let mut answer = builder.send().await.map_err(lost)?;
        let headers = answer.headers();
        let mut response = Response {
            status: answer.status().as_u16(),
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
        while let Some(chunk) = answer.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > MAX_BODY {
                response.cut_at_limit = true;
                break;
            }
            body.extend_from_slice(&chunk);
        }
        response.body = body;
        Ok(response)
    }

    /// Which failure a reqwest error is. The chain's own types are looked at first, its texts last.
    fn classify(&self, error: reqwest::Error, host: &str, request: &Request) -> Failure {
        let error = error.without_url();
        let redactor = self.redactor.clone().hide_request(request);
        let cause = Cause::of(&error, &|text| redactor.clean(text, LONGEST_CAUSE));
        let detail = cause.innermost().to_owned();
        let failure = if error.is_timeout() {
            Failure::transient(timed_out(host, self.settings.connect_timeout))
        } else if let Some(tls) = in_chain::<rustls::Error>(&error) {
            Failure::permanent(tls_failed(host, tls, &detail))
        } else if error.is_connect() && self.through_proxy(&cause) {
            Failure::transient(proxy_failed(host, &detail))
        } else if error.is_dns() {
            Failure::transient(dns_failed(host, &detail))
        } else if error.is_connect() {
            Failure::transient(connect_failed(host, &detail))
        } else {
            Failure::transient(connection_lost(host, &detail))
        };
        Failure {
            error: failure.error.with_cause(cause),
            ..failure
        }
    }

    fn through_proxy(&self, cause: &Cause) -> bool {
        let mut next: Option<&dyn std::error::Error> = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            if text.contains("tunnel") || text.contains("proxy") {
                return true;
            }
            next = cause.source();
        }
        matches!(self.settings.proxy, Proxy::Url(_))
    }

    fn broken(&self, error: &reqwest::Error, what: &str) -> Error {
        Error::new(Code::Internal, format!("{what} could not be built"))
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
    ) -> Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send + 'a>> {
        Box::pin(async move {
            tokio::time::timeout(timeout, self.exchange(request))
                .await
                .unwrap_or_else(|_| {
                    Err(Failure::transient(timed_out(
                        &host_of(&request.url),
                        timeout,
                    )))
                })
        })
    }
}

/// An HTTP client for API calls: it keeps connections, no more than `idle` to one host, and follows
/// redirects, at which reqwest leaves the token behind if they lead to another origin.
#[cfg(feature = "http-client")]
pub(crate) fn for_calls(
    settings: &HttpSettings,
    idle: Option<usize>,
) -> Result<reqwest::Client, Error> {
    // Not with `Lookup`, whose turns are all clients': a loop that stands still would keep one.
    let builder = builder(settings)?.pool_max_idle_per_host(idle.unwrap_or(usize::MAX));
    // The error may show the proxy's address, so it is left out.
    builder.build().map_err(|_| {
        Error::new(
            Code::Internal,
            "the HTTP client for calls could not be built",
        )
    })
}

/// What every HTTP client of these settings has.
fn builder(settings: &HttpSettings) -> Result<reqwest::ClientBuilder, Error> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::config(&settings.roots)?)
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(settings.connect_timeout);
    for (host, address) in &settings.resolve {
        builder = builder.resolve(host, *address);
    }
    Ok(match &settings.proxy {
        Proxy::Environment => builder,
        Proxy::None => builder.no_proxy(),
        // Its address was checked when the transport was made.
        Proxy::Url(url) => builder.proxy(reqwest::Proxy::all(url).map_err(|_| {
            invalid_option(
                "proxy",
                "it is not a URL",
                "Give the proxy's address, for example `http://proxy.example:3128`.",
            )
        })?),
    })
}

fn check_proxy(text: &str) -> Result<Url, Error> {
    let wrong = |problem: &str| {
        invalid_option(
            "proxy",
            problem,
            "Give the proxy's address, for example `http://proxy.example:3128`; or say `env` (the default) or none.",
        )
    };
    let url = Url::parse(text.trim()).map_err(|_| wrong("it is not a URL"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some_and(|host| !host.is_empty()) => Ok(url),
        "http" | "https" => Err(wrong("it names no host")),
        _ => Err(wrong("its scheme is not http or https")),
    }
}

/// A body or header whose memory is overwritten once it is sent.
struct Wiped(Secret);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

fn host_of(url: &str) -> String {
    Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned))
        .unwrap_or_default()
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The first error of type `T` in a chain. An `io::Error` passes over the error that it wraps, and
/// they come nested.
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

fn timed_out(host: &str, limit: Duration) -> Error {
    Error::new(
        Code::Timeout,
        format!("no answer from `{host}` within {limit:?}"),
    )
    .with_help("The network or the host is slow or silent: a firewall that drops packets looks like this.\nThe limits are the options `connect_timeout`, `attempt_timeout` and `total_timeout`.")
}

fn tls_failed(host: &str, error: &rustls::Error, detail: &str) -> Error {
    let help = if matches!(error, rustls::Error::InvalidCertificate(_)) {
        "The host's certificate is not trusted. If a company proxy inspects TLS, give its CA certificate in the option\n`roots` or add it to the system's store. Otherwise somebody may be intercepting the connection."
    } else {
        "Client and server found no common ground, or something between them does not speak TLS."
    };
    Error::new(
        Code::TlsFailed,
        format!("the TLS handshake with `{host}` failed: {detail}"),
    )
    .with_help(help)
}

fn dns_failed(host: &str, detail: &str) -> Error {
    Error::new(
        Code::DnsFailed,
        format!("the host name `{host}` does not resolve: {detail}"),
    )
    .with_help("A mistyped My Domain looks like this; the right one is in Setup > My Domain > Current My Domain URL.\nOtherwise this machine's name service is not working.")
}

fn proxy_failed(host: &str, detail: &str) -> Error {
    Error::new(
        Code::ProxyFailed,
        format!("the proxy did not connect to `{host}`: {detail}"),
    )
    .with_help("Check the option `proxy` or the variables HTTPS_PROXY and NO_PROXY, and that the proxy allows this host on port 443.")
}

fn connect_failed(host: &str, detail: &str) -> Error {
    Error::new(
        Code::ConnectFailed,
        format!("no connection to `{host}`: {detail}"),
    )
    .with_help("Check this machine's network and firewall. If it must use a proxy, set HTTPS_PROXY or the option `proxy`.")
}

fn connection_lost(host: &str, detail: &str) -> Error {
    Error::new(
        Code::ConnectionLost,
        format!("the connection to `{host}` broke before the whole answer had arrived: {detail}"),
    )
    .with_help("The client tries again by itself. If it lasts, look at what stands between this machine and Salesforce.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_addresses_are_checked_and_not_shown() {
        for wrong in ["", "proxy", "socks5://x:1", "http://"] {
            let settings = HttpSettings {
                proxy: Proxy::Url(wrong.to_owned()),
                ..HttpSettings::default()
            };
            let error = HttpTransport::new(settings).unwrap_err();
            assert!(error.message().contains("proxy"), "{wrong}");
        }
        let settings = HttpSettings {
            proxy: Proxy::Url("http://me:hunter22@127.0.0.1:1".to_owned()),
            ..HttpSettings::default()
        };
        assert!(!format!("{settings:?}").contains("hunter22"));
        let transport = HttpTransport::new(settings).unwrap();
        assert!(
            !transport
                .redactor
                .clean("at http://me:hunter22@127.0.0.1:1 x", 99)
                .contains("hunter22")
        );
    }
}
