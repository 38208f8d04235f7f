//! Where the credentials of a client come from, which of them it uses, and how they rotate.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use crate::environment::{self, Environment, EnvironmentCredentials, Wanted};
use crate::secret_file::read_secret_file;
use forcegrant_proto::error::{Cause, Error, ErrorCode, Setting};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::secret::CredentialsFingerprint;

pub use forcegrant_proto::credentials::{ClientCredentials, CredentialSet};

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
    has_moved: Arc<AtomicBool>,
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

    fn load(&self, may_run: bool) -> Result<Option<CredentialsWithEndpoint>, Error> {
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

/// The current credentials and where they go. Plain data behind an atomic pointer, so a fork finds it whole.
#[derive(Debug)]
pub(crate) struct CredentialsProvider {
    /// The clients of a pool share it.
    source: Arc<CredentialsSource>,
    held: ArcSwap<HeldCredentials>,
}

/// Where to log in, and with which credentials. One value, so that credentials never go to another org's endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) endpoint: LoginEndpoint,
    pub(crate) credentials: ClientCredentials,
}

#[derive(Clone, Debug)]
struct HeldCredentials {
    /// `None` until a callback has returned it.
    endpoint: Option<LoginEndpoint>,
    /// `None` until a callback has returned them.
    credential_set: Option<CredentialSet>,
    /// The credentials that worked last.
    active: Option<CredentialsFingerprint>,
    /// The metadata of the secret's file when it was read.
    stamp: Option<Box<Stamp>>,
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

impl CredentialsProvider {
    /// Reads the source once if that needs no waiting, so that a mistake shows when the client is built. `given`: the
    /// credentials that the caller gave.
    pub(crate) fn new(
        source: Arc<CredentialsSource>,
        given: Option<CredentialSet>,
        endpoint: Option<LoginEndpoint>,
    ) -> Result<Self, Error> {
        let stamp = source.stamp();
        let (endpoint, credential_set) = match &*source {
            CredentialsSource::Callback(_)
            | CredentialsSource::Org(_)
            | CredentialsSource::Given => (endpoint, given),
            CredentialsSource::Saved(saved) => match saved.load(false)? {
                Some(loaded) => (loaded.endpoint.or(endpoint), Some(loaded.credential_set)),
                None => (endpoint, None),
            },
            other => (endpoint, Some(other.read()?)),
        };
        Ok(Self {
            source,
            held: ArcSwap::from_pointee(HeldCredentials {
                endpoint,
                credential_set,
                active: None,
                stamp,
            }),
        })
    }

    /// Where the credentials go. `None` until a callback has returned it.
    pub(crate) fn endpoint(&self) -> Option<LoginEndpoint> {
        self.held.load().endpoint.clone()
    }

    /// The credentials to log in with: those that worked last, otherwise the current ones. A file that has changed is
    /// read first; a callback is called the first time, a pool's with `key`.
    pub(crate) async fn login(&self, key: &str, limit: Duration) -> Result<Login, Error> {
        if self.held.load().credential_set.is_none() || self.has_changed() {
            self.reload(key, limit).await?;
        }
        self.at_hand()
            .ok_or_else(|| unavailable("the source has none"))
    }

    /// The credentials to log in with, without reading anything.
    pub(crate) fn at_hand(&self) -> Option<Login> {
        let held = self.held.load();
        let credential_set = held.credential_set.as_ref()?;
        let found = credential_set
            .iter()
            .find(|credentials| Some(credentials.mark()) == held.active);
        held.login(found.unwrap_or(&credential_set.current))
    }

    /// Credentials that were not tried yet.
    pub(crate) fn untried(&self, tried: &[CredentialsFingerprint]) -> Option<Login> {
        let held = self.held.load();
        let untried = |credentials: &&ClientCredentials| !tried.contains(&credentials.mark());
        held.login(held.credential_set.as_ref()?.iter().find(untried)?)
    }

    /// Reads the source again. A callback has time until `limit`; a pool's is called with `key`.
    pub(crate) async fn reload(&self, key: &str, limit: Duration) -> Result<(), Error> {
        let stamp = self.source.stamp();
        let loaded = match &*self.source {
            CredentialsSource::Given => return Ok(()),
            CredentialsSource::Callback(load) => {
                let loading = in_time(limit, load()).await;
                loading.map_err(|error| self.clean(error))?
            }
            CredentialsSource::Org(load) => {
                let loading = in_time(limit, load(key.to_owned())).await;
                loading.map_err(|error| self.clean(error))?
            }
            CredentialsSource::Saved(saved) => {
                let loaded = in_time(limit, load_saved(saved)).await;
                if let Err(error) = &loaded
                    && error.code() == ErrorCode::UnknownConnection
                {
                    self.forget();
                }
                loaded?
            }
            other => CredentialsWithEndpoint {
                endpoint: None,
                credential_set: other.read()?,
            },
        };
        self.hold(loaded, stamp);
        Ok(())
    }

    /// The error of a callback, without the current secrets.
    fn clean(&self, error: Error) -> Error {
        let held = self.held.load();
        let credential_set = held.credential_set.iter().flat_map(CredentialSet::iter);
        let redactor = credential_set.fold(Redactor::new(), |redactor, credentials| {
            redactor.hide_credentials(credentials.client_id(), credentials.expose_client_secret())
        });
        error.with_clean_cause(&|text| redactor.clean(text, LONGEST_CAUSE))
    }

    /// Replaces the credentials, and the endpoint if one is given.
    pub(crate) fn replace(&self, credential_set: CredentialSet, endpoint: Option<LoginEndpoint>) {
        self.hold(
            CredentialsWithEndpoint {
                endpoint,
                credential_set,
            },
            self.source.stamp(),
        );
    }

    /// Reads saved credentials if they have changed. `true`: they go to another endpoint than before.
    pub(crate) async fn follow(&self, key: &str, limit: Duration) -> bool {
        let CredentialsSource::Saved(saved) = &*self.source else {
            return false;
        };
        if self.has_changed() {
            // The login reads them again, and says what is wrong with them.
            let _ = self.reload(key, limit).await;
        }
        saved.has_moved.swap(false, Ordering::Relaxed)
    }

    /// The saved credentials are gone, and no login goes ahead with those that were read before.
    fn forget(&self) {
        let held = self.held.load();
        self.held.store(Arc::new(HeldCredentials {
            credential_set: None,
            stamp: None,
            ..HeldCredentials::clone(&held)
        }));
    }

    fn hold(&self, loaded: CredentialsWithEndpoint, stamp: Option<Box<Stamp>>) {
        let held = self.held.load();
        if let CredentialsSource::Saved(saved) = &*self.source
            && let (Some(before), Some(now)) = (&held.endpoint, &loaded.endpoint)
            && before != now
        {
            saved.has_moved.store(true, Ordering::Relaxed);
        }
        self.held.store(Arc::new(HeldCredentials {
            endpoint: loaded.endpoint.or_else(|| held.endpoint.clone()),
            credential_set: Some(loaded.credential_set),
            active: held.active,
            stamp,
        }));
    }

    /// Notes the credentials that worked. `true`: they are not the ones from before.
    pub(crate) fn worked(&self, credentials: &ClientCredentials) -> bool {
        let held = self.held.load();
        let Some(credential_set) = &held.credential_set else {
            return false;
        };
        let mark = credentials.mark();
        if held.active == Some(mark) {
            return false;
        }
        let rotated = held.active.is_some() || mark != credential_set.current.mark();
        self.held.store(Arc::new(HeldCredentials {
            active: Some(mark),
            ..HeldCredentials::clone(&held)
        }));
        rotated
    }

    /// Whether these are the current credentials.
    pub(crate) fn is_held(&self, credential_set: &CredentialSet) -> bool {
        let held = self.held.load();
        let held = held.credential_set.as_ref();
        held.is_some_and(|held| {
            held.iter()
                .map(ClientCredentials::mark)
                .eq(credential_set.iter().map(ClientCredentials::mark))
        })
    }

    /// Whether these credentials are still in the current set.
    pub(crate) fn holds(&self, mark: CredentialsFingerprint) -> bool {
        let held = self.held.load();
        let mut credential_set = held.credential_set.iter().flat_map(CredentialSet::iter);
        credential_set.any(|credentials| credentials.mark() == mark)
    }

    /// Whether the secret's file is another than the one that was read, or the file of a connection, which may also
    /// be gone. Looks at the file's metadata only.
    pub(crate) fn has_changed(&self) -> bool {
        let stamp = self.source.stamp();
        let may_be_gone = matches!(&*self.source, CredentialsSource::Saved(_));
        (stamp.is_some() || may_be_gone) && self.held.load().stamp != stamp
    }
}

impl HeldCredentials {
    fn login(&self, credentials: &ClientCredentials) -> Option<Login> {
        Some(Login {
            endpoint: self.endpoint.clone()?,
            credentials: credentials.clone(),
        })
    }
}

impl CredentialsSource {
    fn read(&self) -> Result<CredentialSet, Error> {
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

    fn stamp(&self) -> Option<Box<Stamp>> {
        let path = match self {
            Self::SecretFile(file) => file.path.clone(),
            Self::Environment(environment) => environment::secret_file(environment)?,
            Self::Saved(saved) => return saved.saved.stamp().map(Box::new),
            Self::Given | Self::Callback(_) | Self::Org(_) => return None,
        };
        Stamp::of(&path).map(Box::new)
    }
}

/// Whether a refusal says that the credentials are wrong, so that others may be right.
pub(crate) fn is_about_the_credentials(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::InvalidClientId | ErrorCode::InvalidClientSecret
    )
}

/// On a thread that may block, as a command may have to be run.
fn load_saved(saved: &SavedSource) -> Loading {
    let saved = saved.clone();
    let loading = tokio::task::spawn_blocking(move || saved.load(true));
    Box::pin(async move {
        match loading.await {
            Ok(loaded) => loaded?.ok_or_else(|| unavailable("there is nothing to read")),
            Err(_) => Err(unavailable("reading them ended by a defect")),
        }
    })
}

async fn in_time(limit: Duration, loading: Loading) -> Result<CredentialsWithEndpoint, Error> {
    let loaded = tokio::time::timeout(limit, loading).await;
    loaded.unwrap_or_else(|_| Err(unavailable("the callback did not return in time")))
}

/// How much of another library's error is kept, in characters.
const LONGEST_CAUSE: usize = 300;

pub(crate) fn callback_failed(error: &(dyn std::error::Error + 'static)) -> Error {
    let cause = Cause::of(error, &|text| Redactor::new().clean(text, LONGEST_CAUSE));
    unavailable("the callback failed").with_cause(cause)
}

fn unavailable(problem: &str) -> Error {
    Error::new(
        ErrorCode::CredentialsUnavailable,
        format!("the credentials are unavailable: {problem}"),
    )
    .with_help("The source of the credentials failed. The cause of this error says why.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(id: &str, secret: &str) -> ClientCredentials {
        ClientCredentials::new(id, secret).unwrap()
    }

    #[test]
    fn the_credentials_that_worked_last_come_first() {
        let (one, two) = (credentials("a", "1"), credentials("a", "2"));
        let credential_set = CredentialSet::new(one.clone()).with_next(two.clone());
        let trust = forcegrant_proto::host::TrustPolicy::default();
        let endpoint = LoginEndpoint::from_login_url("acme.my.salesforce.com", &trust).unwrap();
        let provider = CredentialsProvider::new(
            Arc::new(CredentialsSource::Given),
            Some(credential_set),
            Some(endpoint),
        )
        .unwrap();
        let at_hand = || provider.at_hand().unwrap().credentials.mark();
        assert_eq!(at_hand(), one.mark());
        assert!(!provider.worked(&one), "the first success is no rotation");
        assert_eq!(
            provider.untried(&[one.mark()]).unwrap().credentials.mark(),
            two.mark()
        );
        assert!(provider.worked(&two));
        assert_eq!(at_hand(), two.mark());
        assert!(provider.untried(&[one.mark(), two.mark()]).is_none());
        // Once the old pair is gone, the new one is the current one.
        provider.replace(CredentialSet::new(two.clone()), None);
        assert!(provider.holds(two.mark()) && !provider.holds(one.mark()));
        assert_eq!(at_hand(), two.mark());
    }
}
