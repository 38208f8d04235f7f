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

/// Where the org moves to.
pub const MOVED: &str = "acme-moved.my.salesforce.com";
/// Somebody else's host.
pub const FOREIGN: &str = "files.example.com";
/// A harmless call.
pub const LIMITS: &str = "/services/data/v67.0/limits";
/// One with a body.
pub const JOBS: &str = "/services/data/v67.0/jobs/ingest";

/// The emulator, on loopback.
///
/// # Panics
/// When it can not start.
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
/// When its options are wrong.
#[must_use]
pub fn client(emulator: &Emulator) -> Client {
    builder(emulator).build().expect("the options are right")
}

/// A bare reqwest client.
///
/// # Panics
/// When it can not be built.
#[must_use]
pub fn reqwest_client(emulator: &Emulator) -> reqwest::Client {
    let org = emulator.default_org();
    [org.my_domain.as_str(), MOVED, FOREIGN]
        .into_iter()
        .fold(reqwest::Client::builder(), |builder, host| {
            builder.resolve(host, emulator.https_addr())
        })
        .no_proxy()
        .tls_backend_preconfigured(tls(emulator))
        .build()
        .expect("the HTTP client can be built")
}

/// A body that is at hand.
pub type Whole = Full<Bytes>;

/// A bare hyper client, for bodies that are at hand unless said otherwise.
pub type HyperClient<B = Whole> = legacy::Client<HttpsConnector<ToEmulator>, B>;

/// Makes one.
pub fn hyper_client<B>(emulator: &Emulator) -> HyperClient<B>
where
    B: http_body::Body + Send,
    B::Data: Send,
{
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls(emulator))
        .https_only()
        .enable_http1()
        .wrap_connector(ToEmulator {
            http,
            port: emulator.https_addr().port(),
        });
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// Connects to the emulator, whatever the host.
#[derive(Clone, Debug)]
pub struct ToEmulator {
    http: HttpConnector,
    port: u16,
}

impl Service<http::Uri> for ToEmulator {
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

fn tls(emulator: &Emulator) -> rustls::ClientConfig {
    let certificate = CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes());
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
