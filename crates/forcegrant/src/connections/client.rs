//! Clients of saved connections: they read the file again when it has changed and when a login is refused.

use std::sync::Arc;

use super::{Connections, secrets};
use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::credentials::{
    CredentialsSource, CredentialsWithEndpoint, SavedCredentials, SavedSource, Stamp,
};
use crate::environment::{Environment, EnvironmentCredentials, Wanted};
use forcegrant_proto::connection::{Connection, ConnectionId, OrgOptions};
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::secret::Secret;

/// Names the connection that a client without arguments uses.
const CONNECTION: &str = "FORCEGRANT_CONNECTION";

impl Client {
    /// A client of the saved connection with this id: see [`ClientBuilder::from_connection`].
    ///
    /// # Errors
    /// As [`ClientBuilder::from_connection`]; for options see [`Connections::client_builder`].
    pub fn from_connection(id: &str) -> Result<Self, Error> {
        ClientBuilder::from_connection(id)?.build()
    }
}

impl ClientBuilder {
    /// The saved connection with this id, of the folder that [`Connections::from_env`] finds. None of the
    /// environment's credentials is read.
    ///
    /// The client reads the connection again when its file changes and when a login is refused. For the same login
    /// host the token stays; for another it starts afresh. If the connection is removed, the token at hand serves on,
    /// and the next login fails with `unknown_connection`.
    ///
    /// # Errors
    /// `unknown_connection` names the nearest ids; `connection_unreadable` says what is wrong with it.
    pub fn from_connection(id: &str) -> Result<Self, Error> {
        Connections::from_env()?.client_builder(id)
    }

    /// Reads the login URL, client id and client secret from the environment, now; and the
    /// credentials again when a login is refused for them or their file changes.
    ///
    /// `SALESFORCE_LOGIN_URL` (or `SALESFORCE_MY_DOMAIN`, `SALESFORCE_DOMAIN`,
    /// `SALESFORCE_INSTANCE_URL`), `SALESFORCE_CLIENT_ID` (or `SALESFORCE_CONSUMER_KEY`) and
    /// `SALESFORCE_CLIENT_SECRET` (or `SALESFORCE_CONSUMER_SECRET`, or a file that
    /// `SALESFORCE_CLIENT_SECRET_FILE` names); or, if none of these is set, `SF_LOGIN_URL`, `SF_CLIENT_ID`
    /// and `SF_CLIENT_SECRET`. Blanks, quotes and invisible characters around a value do not count.
    ///
    /// Or `FORCEGRANT_CONNECTION`, which names a saved connection. The client reads it again when its file changes.
    ///
    /// # Errors
    /// `missing_credentials` names the variable; `ambiguous_credentials` names two that may belong to
    /// different orgs; `invalid_option` says why a value or the file is of no use; `unknown_connection` and
    /// `connection_unreadable` are about a connection.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(Environment::process())
    }

    /// [`ClientBuilder::from_env`] with these variables in place of the process's; those of
    /// [`Proxy::Environment`](crate::Proxy::Environment) are taken from there too.
    ///
    /// # Errors
    /// As [`ClientBuilder::from_env`].
    pub fn from_environment(environment: Environment) -> Result<Self, Error> {
        if let Some(id) = connection_variable(&environment)? {
            return Connections::from_environment(environment)?.client_builder(id.expose());
        }
        let found = EnvironmentCredentials::read(&environment, Wanted::ALL);
        let login_url = found.login_url?.value.expose().to_owned();
        let client_id = found.client_id?.value.expose().to_owned();
        let builder = Self::new(login_url, client_id, found.client_secret?.value);
        let source = CredentialsSource::Environment(environment.clone());
        Ok(builder.with_source(source).environment(environment))
    }
}

impl Connections {
    /// A builder of clients for the connection with this id, as [`ClientBuilder::from_connection`] is.
    ///
    /// # Errors
    /// As [`ClientBuilder::from_connection`].
    pub fn client_builder(&self, id: &str) -> Result<ClientBuilder, Error> {
        let connection = self.get(id)?;
        let saved = InFolder {
            connections: self.clone(),
            id: connection.id.clone(),
        };
        Ok(builder(&connection, Arc::new(saved)).environment(self.environment.clone()))
    }

    /// What a client of a pool needs of the connection with this id.
    pub(crate) fn org(&self, id: &str) -> Result<(OrgOptions, SavedSource), Error> {
        let connection = self.get(id)?;
        let token_url = connection.options.token_url.clone();
        let saved = InFolder {
            connections: self.clone(),
            id: connection.id,
        };
        let source = SavedSource::new(Arc::new(saved), token_url);
        Ok((connection.options, source))
    }
}

/// A builder of clients for a connection that is saved in no folder, or as it was when it was read. The client does
/// not read it again.
///
/// # Errors
/// None yet; [`ClientBuilder::build`] says what is wrong with it.
pub fn client_builder(connection: &Connection) -> ClientBuilder {
    builder_in(connection, Environment::process())
}

/// The same with these variables: keys are taken from there.
pub(crate) fn builder_in(connection: &Connection, environment: Environment) -> ClientBuilder {
    let in_memory = InMemory::new(connection.clone(), environment.clone());
    builder(connection, Arc::new(in_memory)).environment(environment)
}

fn builder(connection: &Connection, saved: Arc<dyn SavedCredentials>) -> ClientBuilder {
    let options = &connection.options;
    let mut builder = ClientBuilder::new(
        connection.login_url.clone(),
        connection.client_id.clone(),
        Secret::new(""),
    )
    .trusted_hosts(options.trusted_hosts.iter().cloned());
    if let Some(url) = &options.token_url {
        builder = builder.token_url(url.clone());
    }
    if let Some(timeout) = options.session_timeout {
        builder = builder.session_timeout(timeout);
    }
    if let Some(style) = options.auth_style {
        builder = builder.auth_style(style);
    }
    let source = SavedSource::new(saved, options.token_url.clone());
    builder.with_source(CredentialsSource::Saved(Box::new(source)))
}

/// A connection in its file.
struct InFolder {
    connections: Connections,
    id: ConnectionId,
}

impl SavedCredentials for InFolder {
    fn stamp(&self) -> Option<Stamp> {
        self.connections.folder.stamp(&self.id)
    }

    fn load(
        &self,
        trust: &TrustPolicy,
        may_run: bool,
    ) -> Result<Option<CredentialsWithEndpoint>, Error> {
        let connection = self.connections.get(self.id.as_str())?;
        let place = self.connections.place(&self.id);
        load(
            &connection,
            &self.connections.environment,
            &place,
            trust,
            may_run,
        )
    }
}

/// A connection that is not read again: one that is being verified, or that lies where the user keeps it.
#[derive(Debug)]
pub(crate) struct InMemory {
    connection: Connection,
    environment: Environment,
}

impl InMemory {
    pub(crate) fn new(connection: Connection, environment: Environment) -> Self {
        Self {
            connection,
            environment,
        }
    }
}

impl SavedCredentials for InMemory {
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    fn load(
        &self,
        trust: &TrustPolicy,
        may_run: bool,
    ) -> Result<Option<CredentialsWithEndpoint>, Error> {
        let place = format!("`{}`", self.connection.id);
        load(&self.connection, &self.environment, &place, trust, may_run)
    }
}

/// What a login with a connection needs. `place`: where it is kept, for errors. `None`: a command brings a secret, and
/// none may be run now.
fn load(
    connection: &Connection,
    environment: &Environment,
    place: &str,
    trust: &TrustPolicy,
    may_run: bool,
) -> Result<Option<CredentialsWithEndpoint>, Error> {
    let keys = secrets::sealing_keys(environment)?;
    let set = secrets::credential_set(connection, keys.as_ref(), may_run);
    let Some(credential_set) = set.map_err(|problem| problem.at(place))? else {
        return Ok(None);
    };
    let endpoint = Some(connection.endpoint(trust)?);
    Ok(Some(CredentialsWithEndpoint {
        endpoint,
        credential_set,
    }))
}

/// The id of the connection that the environment names, if it does not name credentials beside it.
pub(crate) fn connection_variable(environment: &Environment) -> Result<Option<Secret>, Error> {
    let id = environment.read(CONNECTION)?;
    match environment.credentials_variable() {
        Some(other) if id.is_some() => Err(ambiguous(other)),
        _ => Ok(id),
    }
}

fn ambiguous(other: &str) -> Error {
    Error::new(
        ErrorCode::AmbiguousCredentials,
        format!("{CONNECTION} and {other} are both set, and may belong to different orgs"),
    )
    .with_help("Unset one of them: a connection brings its own credentials.")
}
