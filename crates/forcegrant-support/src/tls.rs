//! The TLS configuration: an explicit provider (ring), TLS 1.2 and 1.3, and the chosen roots.
//!
//! It does not install a process-wide default provider, which is the host's decision.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forcegrant_proto::error::{Cause, Error, ErrorCode, invalid_option};
use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

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
    /// Only the certificates in this PEM file, which is read again when a server's issuer is unknown.
    File(PathBuf),
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

/// What a text means that is not the name of other roots: certificates, or the path of a file with them.
pub fn roots_by_text(text: &str) -> Roots {
    if text.contains("-----BEGIN") || text.trim().is_empty() {
        Roots::Pem(text.as_bytes().to_vec())
    } else {
        Roots::File(PathBuf::from(text))
    }
}

/// Checks a `roots` option without reading the system's store.
///
/// # Errors
/// The PEM text holds no certificate, or one that cannot be a root; the file cannot be read.
pub fn check_roots(roots: &Roots) -> Result<(), Error> {
    match roots {
        Roots::Pem(pem) => pem_store(pem).map(drop),
        Roots::File(path) => file_store(path).map(drop),
        _ => Ok(()),
    }
}

/// Whether reading the roots again can show others.
#[must_use]
pub fn may_change(roots: &Roots) -> bool {
    matches!(roots, Roots::Platform | Roots::File(_))
}

/// What these roots are, in words for a report: how many, and which variables say so.
#[must_use]
pub fn describe_roots(roots: &Roots) -> String {
    match roots {
        #[cfg(feature = "bundled-roots")]
        Roots::Bundled => "those that forcegrant brings".to_owned(),
        Roots::Platform => system::describe(),
        Roots::Pem(pem) => counted(pem_store(pem), "of the option"),
        Roots::File(path) => counted(file_store(path), &format!("in `{}`", path.display())),
    }
}

fn counted(store: Result<RootCertStore, Error>, place: &str) -> String {
    match store {
        Ok(store) if store.len() == 1 => format!("1 certificate {place}"),
        Ok(store) => format!("{} certificates {place}", store.len()),
        Err(error) => error.message().to_owned(),
    }
}

/// The variables that name the roots of this system, as they are set; an empty text if none is.
#[must_use]
pub fn roots_variables() -> String {
    let set = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter();
    let set = set.filter_map(|name| {
        let value = std::env::var_os(name)?;
        Some(format!("{name}={}", value.to_string_lossy()))
    });
    set.collect::<Vec<_>>().join(", ")
}

/// Builds the configuration. With platform roots this reads the system's store.
///
/// # Errors
/// The system has no usable store, or the PEM text is wrong. `worker_unavailable`: the store could be read in part
/// only, because the process is short of descriptors or memory.
pub fn tls_config(roots: &Roots) -> Result<ClientConfig, Error> {
    tls_config_with(roots, None)
}

/// The same; platform roots with the certificates of one more PEM file. One that cannot be read is left out, as Node
/// does with it.
///
/// # Errors
/// As [`tls_config`].
pub fn tls_config_with(roots: &Roots, extra: Option<&Path>) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unavailable(&error))?;
    let store = match roots {
        Roots::Platform => {
            let extra = extra.and_then(|path| std::fs::read(path).ok());
            return system::config(builder, extra.as_deref().map(certificates));
        }
        #[cfg(feature = "bundled-roots")]
        Roots::Bundled => bundled(),
        Roots::Pem(pem) => pem_store(pem)?,
        Roots::File(path) => file_store(path)?,
    };
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// Those that can be read.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .map(CertificateDer::into_owned)
        .collect()
}

/// The system's store: files, which say why they cannot be read.
#[cfg(all(unix, not(target_vendor = "apple"), not(target_os = "android")))]
mod system {
    use super::{
        CertificateDer, ClientConfig, Error, RootCertStore, counted, is_shortage, roots_variables,
        short_of_resources, unavailable,
    };
    use rustls::ConfigBuilder;
    use rustls_native_certs::{CertificateResult, ErrorKind, load_native_certs};

    type Builder = ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

    pub(super) fn config(
        builder: Builder,
        extra: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<ClientConfig, Error> {
        let store = store(load_native_certs(), extra.unwrap_or_default())?;
        Ok(builder.with_root_certificates(store).with_no_client_auth())
    }

    pub(super) fn describe() -> String {
        let variables = roots_variables();
        let place = if variables.is_empty() {
            "of the system".to_owned()
        } else {
            format!("of the system ({variables})")
        };
        counted(store(load_native_certs(), Vec::new()), &place)
    }

    /// One that was read in part is not used: it would be kept.
    pub(super) fn store(
        found: CertificateResult,
        extra: Vec<CertificateDer<'static>>,
    ) -> Result<RootCertStore, Error> {
        for error in &found.errors {
            if let ErrorKind::Io { inner, .. } = &error.kind
                && is_shortage(inner)
            {
                return Err(short_of_resources(inner));
            }
        }
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(found.certs);
        store.add_parsable_certificates(extra);
        if store.is_empty() {
            let error = found.errors.into_iter().next();
            let none = || rustls::Error::General("no certificate was found".to_owned());
            return Err(error.map_or_else(|| unavailable(&none()), |error| unavailable(&error)));
        }
        Ok(store)
    }
}

/// The system's own verifier.
#[cfg(not(all(unix, not(target_vendor = "apple"), not(target_os = "android"))))]
mod system {
    use super::{Arc, CertificateDer, ClientConfig, Error, ring, unavailable};
    use rustls::ConfigBuilder;
    use rustls_platform_verifier::Verifier;

    pub(super) fn config(
        builder: ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        extra: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<ClientConfig, Error> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Verifier::new_with_extra_roots(extra.unwrap_or_default(), provider)
            .map_err(|error| unavailable(&error))?;
        let builder = builder.dangerous();
        let builder = builder.with_custom_certificate_verifier(Arc::new(verifier));
        Ok(builder.with_no_client_auth())
    }

    pub(super) fn describe() -> String {
        "of the system".to_owned()
    }
}

/// Too few descriptors or too little memory, for now.
#[must_use]
pub fn is_shortage(error: &io::Error) -> bool {
    // ENFILE, EMFILE, ENOMEM, EAGAIN; on Windows other numbers, which `kind` knows.
    let is_numbered = cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24 | 12 | 11 | 35));
    is_numbered || error.kind() == io::ErrorKind::OutOfMemory
}

fn short_of_resources(error: &io::Error) -> Error {
    Error::new(
        ErrorCode::WorkerUnavailable,
        format!("the certificates of this system could be read in part only: {error}"),
    )
    .with_help("The process has too many open files or too little memory. The next login reads them again.\nRaise the limit of open files, or look for what leaves them open.")
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
            "Give one or more certificates in PEM form (`-----BEGIN CERTIFICATE-----`), the path of a file with them, `platform` or `bundled`.",
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

/// A file that cannot be read, or has no certificate, is a wrong option: it was named on purpose.
fn file_store(path: &Path) -> Result<RootCertStore, Error> {
    let pem = std::fs::read(path).map_err(|error| {
        if is_shortage(&error) {
            return short_of_resources(&error);
        }
        invalid_option(
            "roots",
            &format!("the file `{}` cannot be read: {error}", path.display()),
            "Give the path of a PEM file that this user can read, the text of the certificates, `platform` or `bundled`.",
        )
    })?;
    pem_store(&pem)
}

fn unavailable(error: &(dyn std::error::Error + 'static)) -> Error {
    let variables = roots_variables();
    let named = if variables.is_empty() {
        String::new()
    } else {
        format!("The variables that name other certificates are set: {variables}.\n")
    };
    let help = format!(
        "{named}Install the system's CA certificates (Debian, Ubuntu, Alpine: the package ca-certificates),\nor choose the roots that forcegrant brings with the option `roots`: bundled."
    );
    Error::new(
        ErrorCode::TlsRootsUnavailable,
        "this system has no usable certificate store, so no server can be verified",
    )
    .with_help(help)
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

    #[test]
    fn a_text_is_a_path_unless_it_holds_certificates() {
        let pem = "# of the company\n-----BEGIN CERTIFICATE-----\n";
        assert_eq!(roots_by_text(pem), Roots::Pem(pem.into()));
        assert_eq!(roots_by_text(""), Roots::Pem(Vec::new()));
        let path = "/etc/ssl/corp.pem";
        assert_eq!(roots_by_text(path), Roots::File(path.into()));
        let error = check_roots(&Roots::File("/no/such/corp.pem".into())).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidOption);
        assert!(error.message().contains("/no/such/corp.pem"), "{error}");
    }

    #[cfg(all(unix, not(target_vendor = "apple"), feature = "bundled-roots"))]
    #[test]
    fn a_store_that_was_read_in_part_is_not_kept() {
        use rustls_native_certs::{CertificateResult, Error as LoadError, ErrorKind};
        let found = |number: i32| {
            let mut found = CertificateResult::default();
            found.certs = webpki_root_certs::TLS_SERVER_ROOT_CERTS[..1].to_vec();
            let inner = io::Error::from_raw_os_error(number);
            let path = PathBuf::from("/etc/ssl/certs/x.pem");
            found.errors.push(LoadError {
                context: "failed to open",
                kind: ErrorKind::Io { inner, path },
            });
            system::store(found, Vec::new())
        };
        for shortage in [11, 12, 23, 24] {
            let error = found(shortage).unwrap_err();
            assert_eq!(error.code(), ErrorCode::WorkerUnavailable);
            assert!(error.is_retryable(), "{error}");
        }
        // One file that this user may not read is no shortage.
        assert_eq!(found(13).unwrap().len(), 1);
    }

    #[cfg(feature = "bundled-roots")]
    #[test]
    fn bundled_roots_need_nothing_from_the_system() {
        assert!(bundled().len() > 50);
        tls_config(&Roots::Bundled).unwrap();
    }
}
