//! The TLS configuration: an explicit provider (ring), TLS 1.2 and 1.3, and the chosen roots.
//!
//! A library that installed a process-wide default provider would decide for its host.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use crate::http::Roots;
use forcegrant_proto::error::{Cause, Error, ErrorCode, invalid_option};

/// Checks a `roots` option without building anything that costs.
pub(crate) fn check(roots: &Roots) -> Result<(), Error> {
    match roots {
        Roots::Pem(pem) => pem_store(pem).map(drop),
        _ => Ok(()),
    }
}

/// Builds the configuration; with platform roots this reads the system's store.
pub(crate) fn config(roots: &Roots) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| unavailable(&error))?;
    Ok(match roots {
        Roots::Platform => builder
            .dangerous()
            .with_custom_certificate_verifier(platform(provider)?)
            .with_no_client_auth(),
        #[cfg(feature = "bundled-roots")]
        Roots::Bundled => builder
            .with_root_certificates(bundled())
            .with_no_client_auth(),
        Roots::Pem(pem) => builder
            .with_root_certificates(pem_store(pem)?)
            .with_no_client_auth(),
    })
}

fn platform(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, Error> {
    Verifier::new(provider)
        .map(Arc::new)
        .map_err(|error| unavailable(&error))
}

#[cfg(feature = "bundled-roots")]
fn bundled() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned());
    store
}

fn pem_store(pem: &[u8]) -> Result<RootCertStore, Error> {
    let wrong = |problem: &str| {
        invalid_option(
            "roots",
            problem,
            "Give one or more certificates in PEM form (`-----BEGIN CERTIFICATE-----`), or `platform`, or `bundled`.",
        )
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| wrong("it is not PEM"))?;
        store
            .add(certificate)
            .map_err(|_| wrong("it holds a certificate that can not be a root"))?;
    }
    if store.is_empty() {
        return Err(wrong("it holds no certificate"));
    }
    Ok(store)
}

fn unavailable(error: &rustls::Error) -> Error {
    Error::new(
        ErrorCode::TlsRootsUnavailable,
        "this system has no usable certificate store, so no server can be verified",
    )
    .with_help("Install the system's CA certificates (Debian, Ubuntu, Alpine: the package ca-certificates),\nor choose the roots that forcegrant brings with the option `roots`: bundled.")
    .with_cause(Cause::of(error, &str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_pem_is_refused_when_the_client_is_built() {
        for pem in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = check(&Roots::Pem(pem.into())).unwrap_err();
            assert!(error.message().contains("roots"), "{pem}");
        }
    }

    #[cfg(feature = "bundled-roots")]
    #[test]
    fn bundled_roots_need_nothing_from_the_system() {
        assert!(bundled().len() > 50);
        config(&Roots::Bundled).unwrap();
    }
}
