//! A connection: where to log in and with which credentials, under an id, as one JSON text that can lie in a file, a
//! mounted secret or a column of a database.

mod document;
mod id;
mod nearest;
mod options;
mod problem;
mod sealing;
mod secret_source;
mod timestamp;

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

pub use self::document::MAX_CONNECTION_BYTES;
pub use self::id::ConnectionId;
pub use self::nearest::nearest;
pub use self::options::OrgOptions;
pub use self::problem::ConnectionProblem;
pub use self::sealing::{KEY_BYTES, NONCE_BYTES, SealedTo, SealingKeys};
pub use self::secret_source::SecretSource;
use crate::error::Error;
use crate::host::{LoginEndpoint, TrustPolicy};
use crate::pasted_text;
use crate::redaction::{HIDDEN, looks_random};

/// One saved connection. Its `Debug` form shows no secret.
#[derive(Clone)]
pub struct Connection {
    #[doc(hidden)]
    pub id: ConnectionId,
    #[doc(hidden)]
    pub revision: u64,
    #[doc(hidden)]
    pub name: Option<String>,
    #[doc(hidden)]
    pub labels: BTreeMap<String, String>,
    #[doc(hidden)]
    pub login_url: String,
    #[doc(hidden)]
    pub client_id: String,
    #[doc(hidden)]
    pub client_secret: SecretSource,
    /// The credentials that replace these, while both are live.
    #[doc(hidden)]
    pub next: Option<NextCredentials>,
    #[doc(hidden)]
    pub options: OrgOptions,
    #[doc(hidden)]
    pub org_id: Option<String>,
    #[doc(hidden)]
    pub user_id: Option<String>,
    #[doc(hidden)]
    pub created: Option<SystemTime>,
    #[doc(hidden)]
    pub verified: Option<SystemTime>,
    /// Fields of a later release or of the user, which survive a rewrite.
    unknown: Map<String, Value>,
}

/// The second pair of a [`Connection`], as a [`CredentialSet`](crate::credentials::CredentialSet) has one.
#[derive(Clone)]
pub struct NextCredentials {
    pub client_id: String,
    pub client_secret: SecretSource,
    unknown: Map<String, Value>,
}

impl Connection {
    /// A connection that was not saved yet.
    #[doc(hidden)]
    pub fn new(
        id: ConnectionId,
        login_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: SecretSource,
    ) -> Self {
        Self {
            id,
            revision: 0,
            name: None,
            labels: BTreeMap::new(),
            login_url: login_url.into(),
            client_id: client_id.into(),
            client_secret,
            next: None,
            options: OrgOptions::default(),
            org_id: None,
            user_id: None,
            created: None,
            verified: None,
            unknown: Map::new(),
        }
    }

    /// The id, under which it is found.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// How often it was saved. A file written by hand may say nothing: 0.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The user's own name for it, in any characters.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The user's own labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// The login URL: the org's My Domain.
    #[must_use]
    pub fn login_url(&self) -> &str {
        &self.login_url
    }

    /// The client id (consumer key).
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The org that the last verification reached.
    #[must_use]
    pub fn org_id(&self) -> Option<&str> {
        self.org_id.as_deref()
    }

    /// The user that the app ran as at the last verification.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.as_deref()
    }

    /// When it was saved for the first time.
    #[must_use]
    pub fn created(&self) -> Option<SystemTime> {
        self.created
    }

    /// When a login and an API call succeeded last with these very values.
    #[must_use]
    pub fn verified(&self) -> Option<SystemTime> {
        self.verified
    }

    /// Whether it has all of these labels.
    #[must_use]
    pub fn has_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(name, value)| self.labels.get(name) == Some(value);
        labels.iter().all(has)
    }

    /// Where its credentials go, by its own options and this policy.
    #[doc(hidden)]
    pub fn endpoint(&self, trust: &TrustPolicy) -> Result<LoginEndpoint, Error> {
        match &self.options.token_url {
            None => LoginEndpoint::from_login_url(pasted_text::meant(&self.login_url), trust),
            Some(url) => LoginEndpoint::from_token_url(url, &mut trust.clone()),
        }
    }

    /// The same with every secret sealed that stands in it as a text, by the first of these keys.
    #[doc(hidden)]
    pub fn sealed(
        &self,
        keys: &SealingKeys,
        mut nonce: impl FnMut() -> Option<[u8; NONCE_BYTES]>,
    ) -> Result<Self, ConnectionProblem> {
        let mut sealed = self.clone();
        let current = (&self.client_id, &mut sealed.client_secret);
        let next = self.next.as_ref().zip(sealed.next.as_mut());
        let next = next.map(|(old, new)| (&old.client_id, &mut new.client_secret));
        for (client_id, source) in std::iter::once(current).chain(next) {
            if let SecretSource::Text(secret) = source {
                let nonce = nonce().ok_or_else(ConnectionProblem::no_randomness)?;
                let text = keys.seal(secret, &self.seal_binding(client_id)?, nonce);
                *source = SecretSource::Sealed(text.ok_or_else(ConnectionProblem::too_large)?);
            }
        }
        Ok(sealed)
    }

    /// What the seal of a secret of this connection is bound to.
    #[doc(hidden)]
    pub fn seal_binding<'a>(
        &'a self,
        client_id: &'a str,
    ) -> Result<SealedTo<'a>, ConnectionProblem> {
        let hosts = self.options.trusted_hosts.iter().cloned();
        let endpoint = TrustPolicy::new(hosts, true).and_then(|trust| self.endpoint(&trust));
        let endpoint = endpoint.map_err(ConnectionProblem::from)?;
        Ok(SealedTo {
            id: self.id.as_str(),
            token_url: endpoint.token_url().to_owned(),
            client_id,
        })
    }
}

impl NextCredentials {
    pub fn new(client_id: impl Into<String>, client_secret: SecretSource) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            unknown: Map::new(),
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.id())
            .field("revision", &self.revision)
            .field("name", &self.name)
            .field("labels", &self.labels)
            .field("login_url", &crate::host::printable(&self.login_url))
            .field("client_id", &shown_client_id(&self.client_id))
            .field("client_secret", &self.client_secret)
            .field("org_id", &self.org_id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NextCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NextCredentials")
            .field("client_id", &shown_client_id(&self.client_id))
            .field("client_secret", &self.client_secret)
            .finish_non_exhaustive()
    }
}

/// Id and secret are exchanged at times.
fn shown_client_id(client_id: &str) -> &str {
    Some(client_id)
        .filter(|id| !looks_random(id))
        .unwrap_or(HIDDEN)
}

#[cfg(test)]
mod tests;
