//! Which credentials a client uses, and how they rotate.

mod source;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::ArcSwap;

pub use self::source::LoadedCredentials;
pub(crate) use self::source::{
    CredentialsSource, CredentialsWithEndpoint, Load, LoadOrg, SavedCredentials, SavedSource,
    SecretFile, Stamp, callback_failed, load_saved,
};
use self::source::{LONGEST_CAUSE, in_time, unavailable};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::secret::CredentialsFingerprint;

pub use forcegrant_proto::credentials::{ClientCredentials, CredentialSet};

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
                let loaded = in_time(limit, load(key.to_owned())).await;
                self.forget_if_gone(&loaded);
                loaded.map_err(|error| self.clean(error))?
            }
            CredentialsSource::Saved(saved) => {
                let loaded = in_time(limit, load_saved(saved)).await;
                self.forget_if_gone(&loaded);
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

    /// If the source says that there are none any more, no login goes ahead with those that were read before.
    fn forget_if_gone<T>(&self, loaded: &Result<T, Error>) {
        let gone = [ErrorCode::UnknownConnection, ErrorCode::UnknownKey];
        if !loaded
            .as_ref()
            .is_err_and(|error| gone.contains(&error.code()))
        {
            return;
        }
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

/// Whether a refusal says that the credentials are wrong, so that others may be right.
pub(crate) fn is_about_the_credentials(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::InvalidClientId | ErrorCode::InvalidClientSecret
    )
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
