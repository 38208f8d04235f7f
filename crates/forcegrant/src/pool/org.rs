//! Where the clients of a pool get their credentials.

use std::fmt;
use std::sync::Arc;

use crate::client_config::ClientConfig;
use crate::connections::{Connection, Connections, InMemory};
use crate::credentials::{
    ClientCredentials, CredentialSet, CredentialsProvider, CredentialsSource,
    CredentialsWithEndpoint, SavedCredentials, SavedSource, load_saved,
};
use crate::environment::Environment;
use forcegrant_proto::connection::OrgOptions;
use forcegrant_proto::error::{Error, ErrorCode, invalid_option};
use forcegrant_proto::host::{LoginEndpoint, TrustPolicy};
use forcegrant_proto::pasted_text;
use forcegrant_proto::secret::Secret;

/// Where one org's credentials go and what they are: what a credentials callback returns.
#[derive(Clone)]
pub struct OrgCredentials(Given);

#[derive(Clone)]
enum Given {
    Values {
        login_url: String,
        credential_set: CredentialSet,
    },
    Connection(Arc<InMemory>),
}

impl OrgCredentials {
    /// The org's login URL, as for [`Client::builder`](crate::Client::builder), and its client credentials.
    #[must_use]
    pub fn new(login_url: impl Into<String>, credential_set: CredentialSet) -> Self {
        Self(Given::Values {
            login_url: pasted_text::meant(&login_url.into()).to_owned(),
            credential_set,
        })
    }

    /// One pair.
    ///
    /// # Errors
    /// As [`ClientCredentials::new`].
    pub fn of(
        login_url: impl Into<String>,
        client_id: impl AsRef<str>,
        client_secret: impl Into<Secret>,
    ) -> Result<Self, Error> {
        let credentials = ClientCredentials::new(client_id, client_secret)?;
        Ok(Self::new(login_url, CredentialSet::new(credentials)))
    }

    /// Those of a connection, such as [`load`](crate::connections::load) read from a database.
    ///
    /// # Errors
    /// `invalid_option`: the connection has options beside `token_url`, which a client of a pool cannot take over
    /// after it was made. Give them to the pool, or give it the folder of the connections.
    pub fn of_connection(connection: Connection) -> Result<Self, Error> {
        Self::of_connection_in(connection, Environment::process())
    }

    /// The same with the keys of this environment.
    pub(crate) fn of_connection_in(
        connection: Connection,
        environment: Environment,
    ) -> Result<Self, Error> {
        let OrgOptions {
            token_url: _,
            trusted_hosts,
            session_timeout,
            auth_style,
        } = &connection.options;
        let option = (!trusted_hosts.is_empty())
            .then_some("trusted_hosts")
            .or(session_timeout.map(|_| "session_timeout"))
            .or(auth_style.map(|_| "auth_style"));
        if let Some(option) = option {
            return Err(invalid_option(
                option,
                &format!(
                    "it stands in the connection `{}`, which is given to a pool by value",
                    connection.id()
                ),
                "Give this option to the pool, for all its clients; or give the pool the folder of the connections.",
            ));
        }
        Ok(Self(Given::Connection(Arc::new(InMemory::new(
            connection,
            environment,
        )))))
    }

    /// For [`ClientPool::insert_credentials`](crate::ClientPool::insert_credentials), which waits for nothing.
    pub(super) fn given(
        self,
        trust: &TrustPolicy,
    ) -> Result<(LoginEndpoint, CredentialSet), Error> {
        match self.0 {
            Given::Values {
                login_url,
                credential_set,
            } => {
                let endpoint = LoginEndpoint::from_login_url(&login_url, trust)?;
                Ok((endpoint, credential_set))
            }
            Given::Connection(saved) => {
                let loaded = saved.load(trust, false)?;
                let whole =
                    loaded.and_then(|loaded| Some((loaded.endpoint?, loaded.credential_set)));
                whole.ok_or_else(|| {
                    invalid_option(
                        "client_secret",
                        "a command brings it, and inserting waits for nothing",
                        "Give the pool the folder of the connections, or return this one from a credentials callback.",
                    )
                })
            }
        }
    }

    /// For a callback, which may wait.
    pub(super) async fn load(self, trust: &TrustPolicy) -> Result<CredentialsWithEndpoint, Error> {
        match self.0 {
            Given::Values { .. } => {
                let (endpoint, credential_set) = self.given(trust)?;
                Ok(CredentialsWithEndpoint {
                    endpoint: Some(endpoint),
                    credential_set,
                })
            }
            Given::Connection(saved) => {
                let mut source = SavedSource::new(saved, None);
                source.of_client(None, trust);
                load_saved(&source).await
            }
        }
    }
}

impl fmt::Debug for OrgCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Given::Values {
                login_url,
                credential_set,
            } => f
                .debug_struct("OrgCredentials")
                .field("login_url", login_url)
                .field("credential_set", credential_set)
                .finish(),
            Given::Connection(saved) => f.debug_tuple("OrgCredentials").field(saved).finish(),
        }
    }
}

/// What brings the credentials of keys that were not inserted.
#[derive(Clone)]
pub(super) enum OrgSource {
    /// One callback for all keys.
    Callback(Arc<CredentialsSource>),
    /// The keys are ids of connections.
    Connections(Connections),
}

impl OrgSource {
    /// The credentials of a new client, and its options. A connection is read for it; a callback is not called yet.
    pub(super) fn credentials_of(
        &self,
        key: &str,
        config: &Arc<ClientConfig>,
    ) -> Result<(CredentialsProvider, Arc<ClientConfig>), Error> {
        match self {
            Self::Callback(source) => {
                let credentials = CredentialsProvider::new(Arc::clone(source), None, None)?;
                Ok((credentials, Arc::clone(config)))
            }
            Self::Connections(connections) => {
                let (options, mut source) = connections.org(key)?;
                let config = config.for_org(&options)?;
                source.of_client(options.token_url.as_ref(), &config.trust);
                let source = Arc::new(CredentialsSource::Saved(Box::new(source)));
                Ok((CredentialsProvider::new(source, None, None)?, config))
            }
        }
    }
}

pub(super) fn unknown(key: &str) -> Error {
    no_credentials(
        key,
        "",
        "Insert them first. A full pool forgets the keys that were not used lately: raise `max_clients`,\nor give the pool a credentials callback, which is asked with the key whenever it is needed.",
    )
}

/// The callback knows no such key.
pub(super) fn unknown_to_callback(key: &str) -> Error {
    no_credentials(
        key,
        ": its credentials callback returned nothing",
        "The callback says that there is no such key. Look at the key; if it is new, save its credentials where the callback reads them.",
    )
}

fn no_credentials(key: &str, why: &str, help: &str) -> Error {
    let key = forcegrant_proto::redaction::printable(key, 100);
    Error::new(
        ErrorCode::UnknownKey,
        format!("the pool has no credentials for the key `{key}`{why}"),
    )
    .with_help(help)
}
