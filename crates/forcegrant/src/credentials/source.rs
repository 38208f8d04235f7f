//! Where credentials come from, and how they are read there.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use crate::environment::{self, Environment, EnvironmentCredentials, Wanted};
use crate::secret_file::read_secret_file;
use forcegrant_proto::credentials::{ClientCredentials, CredentialSet};
use forcegrant_proto::error::{Cause, Error, ErrorCode, Setting};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::redaction::Redactor;

/// What a credentials callback returns.
pub type LoadedCredentials = Pin<
    Box<
        dyn Future<Output = Result<CredentialSet, Box<dyn std::error::Error + Send + Sync>>> + Send,
    >,
>;

/// A callback that returns credentials.
pub(crate) type Load = Arc<dyn Fn() -> Loading + Send + Sync>;

/// A callback of a pool, called with a key.
pub(crate) type LoadOrg = Arc<dyn Fn(String) -> Loading + Send + Sync>;

type Loading = Pin<Box<dyn Future<Output = Result<CredentialsWithEndpoint, Error>> + Send>>;

/// What a callback returned.
#[derive(Clone, Debug)]
pub(crate) struct CredentialsWithEndpoint {
    /// Where the credentials go, if the callback says that too.
    pub(crate) endpoint: Option<LoginEndpoint>,
    pub(crate) credential_set: CredentialSet,
}

impl CredentialsWithEndpoint {
    /// What a user's callback returned.
    pub(crate) fn of(
        result: Result<CredentialSet, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<Self, Error> {
        match result {
            Ok(credential_set) => Ok(Self {
                endpoint: None,
                credential_set,
            }),
            Err(error) => Err(callback_failed(error.as_ref())),
        }
    }
}

/// Where credentials come from.
#[derive(Clone)]
pub(crate) enum CredentialsSource {
    /// The caller gave them, and replaces them.
    Given,
    /// The environment, and a file for the secret that it may name.
    Environment(Environment),
    /// A file that holds the secret, as container secrets are mounted.
    SecretFile(Box<SecretFile>),
    /// A callback.
    Callback(Load),
    /// A pool's callback, called with the client's key.
    Org(LoadOrg),
    /// Credentials that are saved together with where they go.
    Saved(Box<SavedSource>),
}

/// Credentials that are saved together with where they go.
pub(crate) trait SavedCredentials: Send + Sync {
    /// What changes with them. `None`: they are gone, or do not change.
    fn stamp(&self) -> Option<Stamp>;

    /// Reads them. `None`: a command has to be run for it, and `may_run` says no.
    fn load(
        &self,
        trust: &TrustPolicy,
        may_run: bool,
    ) -> Result<Option<CredentialsWithEndpoint>, Error>;
}

/// Saved credentials, and what a client made of them.
#[derive(Clone)]
pub(crate) struct SavedSource {
    saved: Arc<dyn SavedCredentials>,
    /// The token URL that was saved, when the client was made.
    token_url: Option<String>,
    /// The hosts that the client trusts.
    trust: TrustPolicy,
    /// The client was given another token URL than the saved one.
    is_endpoint_given: bool,
    /// They went to another endpoint when they were read again.
    pub(super) has_moved: Arc<AtomicBool>,
}

impl SavedSource {
    pub(crate) fn new(saved: Arc<dyn SavedCredentials>, token_url: Option<String>) -> Self {
        Self {
            saved,
            token_url,
            trust: TrustPolicy::default(),
            is_endpoint_given: false,
            has_moved: Arc::default(),
        }
    }

    /// For a client with these options.
    pub(crate) fn of_client(&mut self, token_url: Option<&String>, trust: &TrustPolicy) {
        self.is_endpoint_given = token_url != self.token_url.as_ref();
        self.trust = trust.clone();
    }

    pub(super) fn load(&self, may_run: bool) -> Result<Option<CredentialsWithEndpoint>, Error> {
        let loaded = self.saved.load(&self.trust, may_run)?;
        Ok(loaded.map(|loaded| CredentialsWithEndpoint {
            endpoint: loaded.endpoint.filter(|_| !self.is_endpoint_given),
            ..loaded
        }))
    }
}

/// A client id beside the file of its secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    pub(crate) client_id: String,
    pub(crate) path: PathBuf,
}

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Given => "Given",
            Self::Environment(_) => "Environment",
            Self::SecretFile(_) => "SecretFile",
            Self::Callback(_) | Self::Org(_) => "Callback",
            Self::Saved(_) => "Saved",
        })
    }
}

/// What tells two states of a file apart, by its metadata only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: SystemTime,
    length: u64,
    /// A file that was replaced within a tick of the clock is another one.
    #[cfg(unix)]
    number: u64,
}

impl Stamp {
    /// `None`: it is not there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: found.modified().ok()?,
            length: found.len(),
            #[cfg(unix)]
            number: std::os::unix::fs::MetadataExt::ino(&found),
        })
    }
}

impl CredentialsSource {
    pub(super) fn read(&self) -> Result<CredentialSet, Error> {
        match self {
            Self::Environment(environment) => {
                let found = EnvironmentCredentials::read(environment, Wanted::ALL);
                let client_id = found.client_id?.value;
                ClientCredentials::new(client_id.expose(), found.client_secret?.value)
                    .map(CredentialSet::new)
            }
            Self::SecretFile(file) => {
                let setting = Setting::Option("client_secret_file");
                let secret = read_secret_file(setting, &file.path)?;
                ClientCredentials::new(&file.client_id, secret).map(CredentialSet::new)
            }
            Self::Given | Self::Callback(_) | Self::Org(_) | Self::Saved(_) => {
                Err(unavailable("there is nothing to read"))
            }
        }
    }

    pub(super) fn stamp(&self) -> Option<Box<Stamp>> {
        let path = match self {
            Self::SecretFile(file) => file.path.clone(),
            Self::Environment(environment) => environment::secret_file(environment)?,
            Self::Saved(saved) => return saved.saved.stamp().map(Box::new),
            Self::Given | Self::Callback(_) | Self::Org(_) => return None,
        };
        Stamp::of(&path).map(Box::new)
    }
}

/// On a thread that may block, as a command may have to be run.
pub(crate) fn load_saved(saved: &SavedSource) -> Loading {
    let saved = saved.clone();
    let loading = tokio::task::spawn_blocking(move || saved.load(true));
    Box::pin(async move {
        match loading.await {
            Ok(loaded) => loaded?.ok_or_else(|| unavailable("there is nothing to read")),
            Err(_) => Err(unavailable("reading them ended by a defect")),
        }
    })
}

pub(super) async fn in_time(
    limit: Duration,
    loading: Loading,
) -> Result<CredentialsWithEndpoint, Error> {
    let loaded = tokio::time::timeout(limit, loading).await;
    loaded.unwrap_or_else(|_| Err(unavailable("the callback did not return in time")))
}

/// How much of another library's error is kept, in characters.
pub(super) const LONGEST_CAUSE: usize = 300;

pub(crate) fn callback_failed(error: &(dyn std::error::Error + 'static)) -> Error {
    let cause = Cause::of(error, &|text| Redactor::new().clean(text, LONGEST_CAUSE));
    unavailable("the callback failed").with_cause(cause)
}

pub(super) fn unavailable(problem: &str) -> Error {
    Error::new(
        ErrorCode::CredentialsUnavailable,
        format!("the credentials are unavailable: {problem}"),
    )
    .with_help("The source of the credentials failed. The cause of this error says why.")
}
