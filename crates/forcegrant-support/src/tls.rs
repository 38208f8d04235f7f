//! The TLS configuration: an explicit provider (ring), TLS 1.2 and 1.3, and the chosen roots.
//!
//! It does not install a process-wide default provider, which is the host's decision.

use std::sync::Arc;

use forcegrant_proto::error::{Cause, Error, ErrorCode, invalid_option};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

/// Which certificate authorities are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Roots {
    /// The operating system's store; on Linux also `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    #[default]
    Platform,
    /// Mozilla's roots, compiled into this library: as old as the release. Needs nothing on the machine.
    #[cfg(feature = "bundled-roots")]
    Bundled,
    /// Only the certificates in this PEM text.
    Pem(Vec<u8>),
}

/// `platform`, and `bundled` if they are compiled in.
pub fn roots_by_name(name: &str) -> Option<Roots> {
    match name {
        "platform" => Some(Roots::Platform),
        #[cfg(feature = "bundled-roots")]
        "bundled" => Some(Roots::Bundled),
        _ => None,
    }
}

/// Checks a `roots` option without reading the system's store.
///
/// # Errors
/// The PEM text holds no certificate, or one that cannot be a root.
pub fn check_roots(roots: &Roots) -> Result<(), Error> {
    match roots {
        Roots::Pem(pem) => pem_store(pem).map(drop),
        _ => Ok(()),
    }
}

/// Builds the configuration. With platform roots this reads the system's store.
///
/// # Errors
/// The system has no usable store, or the PEM text is wrong.
pub fn tls_config(roots: &Roots) -> Result<ClientConfig, Error> {
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
            .map_err(|_| wrong("it holds a certificate that cannot be a root"))?;
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
            let error = check_roots(&Roots::Pem(pem.into())).unwrap_err();
            assert!(error.message().contains("roots"), "{pem}");
        }
    }

    #[cfg(feature = "bundled-roots")]
    #[test]
    fn bundled_roots_need_nothing_from_the_system() {
        assert!(bundled().len() > 50);
        tls_config(&Roots::Bundled).unwrap();
    }
}
