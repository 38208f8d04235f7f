//! A client that reaches a running emulator by the hosts' real names.

use std::sync::Arc;

use forcegrant_emulator::{Config, Emulator, OrgDetails};
use reqwest::blocking::{Client, ClientBuilder, RequestBuilder, Response};
use reqwest::redirect::Policy;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, crypto, version};
use serde_json::{Value, json};

pub(crate) const ACME: &str = "https://acme.my.salesforce.com";
pub(crate) const TOKEN_PATH: &str = "/services/oauth2/token";

/// An emulator, its default org and a client for it.
pub(crate) struct TestEnv {
    pub(crate) emulator: Emulator,
    pub(crate) org: OrgDetails,
    pub(crate) client: Client,
}

/// A status and a JSON body, null if there is none.
#[derive(Debug, PartialEq)]
pub(crate) struct JsonResponse {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn from_json(config: Value) -> Self {
        Self::with(serde_json::from_value(config).unwrap())
    }

    fn with(config: Config) -> Self {
        let emulator = Emulator::start(config).unwrap();
        let client = client(&emulator, |builder| builder);
        Self {
            org: emulator.default_org(),
            client,
            emulator,
        }
    }

    /// The form of a token request with the default org's credentials.
    pub(crate) fn credentials(&self) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.org.client_id.clone()),
            ("client_secret", self.org.client_secret.clone()),
        ]
    }

    pub(crate) fn token_request(&self) -> RequestBuilder {
        self.client
            .post(format!("{ACME}{TOKEN_PATH}"))
            .form(&self.credentials())
    }

    pub(crate) fn token_response(&self) -> JsonResponse {
        send(self.token_request())
    }

    /// The fields of a successful token response.
    pub(crate) fn login(&self) -> Value {
        let JsonResponse { status, json } = self.token_response();
        assert_eq!(status, 200, "{json}");
        json
    }

    pub(crate) fn token(&self) -> String {
        text(&self.login()["access_token"])
    }

    pub(crate) fn limits(&self, token: &str) -> JsonResponse {
        self.get_with(&format!("{ACME}/services/data/v67.0/limits"), token)
    }

    pub(crate) fn get_with(&self, url: &str, token: &str) -> JsonResponse {
        send(self.client.get(url).bearer_auth(token))
    }

    pub(crate) fn get(&self, url: &str) -> Response {
        self.client.get(url).send().unwrap()
    }

    pub(crate) fn control(&self, operation: Value) -> Value {
        self.emulator.control(operation).unwrap()
    }
}

pub(crate) fn send(request: RequestBuilder) -> JsonResponse {
    let response = request.send().unwrap();
    let status = response.status().as_u16();
    let json = serde_json::from_str(&response.text().unwrap()).unwrap_or_default();
    JsonResponse { status, json }
}

pub(crate) fn refusal(error: &str, description: &str) -> JsonResponse {
    let json = json!({ "error": error, "error_description": description });
    JsonResponse { status: 400, json }
}

pub(crate) fn rest_401(message: &str) -> JsonResponse {
    let json = json!([{ "message": message, "errorCode": "INVALID_SESSION_ID" }]);
    JsonResponse { status: 401, json }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// A client that trusts the emulator, follows no redirect and finds all the
/// names in it.
pub(crate) fn client(
    emulator: &Emulator,
    more: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Client {
    let names = [
        "acme.my.salesforce.com",
        "acme--uat.sandbox.my.salesforce.com",
        "acme-dev-ed.develop.my.salesforce.com",
        "other.my.salesforce.com",
        "moved.salesforce.com",
        "login.salesforce.com",
        "test.salesforce.com",
        "acme.my.salesforce-setup.com",
        "acme.lightning.force.com",
        "www.example.com",
    ];
    let builder = names.iter().fold(bare_client(), |builder, name| {
        builder.resolve(name, emulator.https_addr())
    });
    let tls = tls_config(emulator, &[&version::TLS13, &version::TLS12]);
    more(builder.tls_backend_preconfigured(tls))
        .build()
        .unwrap()
}

/// A builder that takes nothing from the environment.
pub(crate) fn bare_client() -> ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none())
}

pub(crate) fn tls_config(
    emulator: &Emulator,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(emulator.ca_pem().as_bytes()).unwrap())
        .unwrap();
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
