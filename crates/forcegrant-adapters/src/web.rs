//! HTTP clients that reach the emulator under the names of its hosts.

use std::sync::Arc;

use bytes::Bytes;
use forcegrant::reqwest;
use forcegrant::{Client, ClientBuilder, Proxy, Roots};
use forcegrant_emulator::{Config, Emulator};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tower_service::Service;

/// A host that the org can move to.
pub const MOVED: &str = "acme-moved.my.salesforce.com";
/// A host that gets no token.
pub const FOREIGN: &str = "files.example.com";
/// A call without a body.
pub const LIMITS: &str = "/services/data/v67.0/limits";
/// A call with a body.
pub const JOBS: &str = "/services/data/v67.0/jobs/ingest";

/// The emulator, on loopback.
///
/// # Panics
/// If it cannot start.
#[must_use]
pub fn emulator() -> Emulator {
    Emulator::start(Config::default()).expect("the emulator starts on loopback")
}

/// The options of a client of its default org.
pub fn builder(emulator: &Emulator) -> ClientBuilder {
    let org = emulator.default_org();
    let secret = org.client_secret.as_str();
    [org.my_domain.as_str(), MOVED, FOREIGN]
        .into_iter()
        .fold(
            Client::builder(&org.my_domain, &org.client_id, secret),
            |builder, host| builder.resolve(host, emulator.https_addr()),
        )
        .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
        .proxy(Proxy::None)
}

/// A client of its default org.
///
/// # Panics
/// If its options are wrong.
#[must_use]
pub fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().expect("the options are right")
}

/// A bare reqwest client.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn reqwest_client(emulator: &Emulator) -> reqwest::Client {
    let org = emulator.default_org();
    [org.my_domain.as_str(), MOVED, FOREIGN]
        .into_iter()
        .fold(reqwest::Client::builder(), |builder, host| {
            builder.resolve(host, emulator.https_addr())
        })
        .no_proxy()
        .tls_backend_preconfigured(tls_config(emulator.ca_pem().as_bytes()))
        .build()
        .expect("the HTTP client can be built")
}

/// A body that is in memory.
pub type FullBody = Full<Bytes>;

/// A bare hyper client; its bodies are in memory by default.
pub type HyperClient<B = FullBody> = legacy::Client<HttpsConnector<EmulatorConnector>, B>;

/// Builds a bare hyper client.
pub fn hyper_client<B>(emulator: &Emulator) -> HyperClient<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls_config(emulator.ca_pem().as_bytes()))
        .https_only()
        .enable_http1()
        .wrap_connector(EmulatorConnector {
            http,
            port: emulator.https_addr().port(),
        });
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// Connects to the emulator for every host.
#[derive(Clone, Debug)]
pub struct EmulatorConnector {
    http: HttpConnector,
    port: u16,
}

impl Service<http::Uri> for EmulatorConnector {
    type Response = <HttpConnector as Service<http::Uri>>::Response;
    type Error = <HttpConnector as Service<http::Uri>>::Error;
    type Future = <HttpConnector as Service<http::Uri>>::Future;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        self.http.poll_ready(context)
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let here = format!("https://127.0.0.1:{}", self.port);
        self.http.call(here.parse().expect("an address is a URI"))
    }
}

/// A TLS configuration that trusts the certificate authority of an emulator and no other.
///
/// # Panics
/// If the text is not PEM.
#[must_use]
pub fn tls_config(ca_pem: &[u8]) -> rustls::ClientConfig {
    let certificate = CertificateDer::from_pem_slice(ca_pem);
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(certificate.expect("the emulator's CA is PEM"))
        .expect("the emulator's CA is a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the usual protocols")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
