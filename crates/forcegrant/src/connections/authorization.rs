//! Authorizing and verifying a connection: log in and call an API first, and save last.

use std::collections::BTreeMap;
use std::fmt;

use super::client::builder_in;
use super::{Connections, SaveOver, exists, present, secrets};
use crate::builder::ClientBuilder;
use crate::client::Client;
use crate::credentials::ClientCredentials;
use crate::environment::Environment;
use crate::store::StoreConfig;
use crate::verified::Verified;
use crate::wait::{self, Pending, Promise};
use crate::worker;
use forcegrant_proto::connection::{Connection, ConnectionId, ConnectionProblem, SecretSource};
use forcegrant_proto::error::{Error, ErrorCode, InputField, invalid_option};
use forcegrant_proto::host::LoginEndpoint;
use forcegrant_proto::secret::Secret;

type SetOptions = Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// Collects what a connection shall be. Nothing is read or sent before [`Authorization::verify_and_save`] or
/// [`Authorization::verify`].
#[must_use = "nothing happens until `verify_and_save` or `verify`"]
pub struct Authorization {
    /// The folder to save it in. `None`: it is saved in none.
    connections: Option<Connections>,
    environment: Environment,
    id: String,
    login_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    name: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    replace: bool,
    other_org: bool,
    options: SetOptions,
}

/// Begins to make a connection that is saved in no folder: [`Authorization::verify`] returns it, and
/// [`dump`](super::dump) gives its text.
pub fn authorize(id: impl Into<String>) -> Authorization {
    Authorization::new(id.into(), None, Environment::process())
}

impl Connections {
    /// Begins to make a connection with this id, or to authorize one anew.
    pub fn authorize(&self, id: impl Into<String>) -> Authorization {
        Authorization::new(id.into(), Some(self.clone()), self.environment.clone())
    }

    /// Logs in with a saved connection, whatever is cached, and makes one harmless API call. In a folder of the user's
    /// own, the time and the user are saved, unless the connection was changed meanwhile. Returns the connection.
    ///
    /// # Errors
    /// `other_org`: the login reached another org than the connection was saved for; else as
    /// [`Connections::get`] and [`Client::verify`](crate::Client::verify).
    pub async fn verify(&self, id: &str) -> Result<Connection, Error> {
        self.verify_with(id, |builder| builder).await
    }

    /// The same for threads.
    ///
    /// # Errors
    /// As [`Connections::verify`].
    pub fn blocking_verify(&self, id: &str) -> Result<Connection, Error> {
        self.blocking_verify_with(id, |builder| builder)
    }

    /// [`Connections::verify_with`] for threads.
    ///
    /// # Errors
    /// As [`Connections::verify`].
    pub fn blocking_verify_with(
        &self,
        id: &str,
        options: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
    ) -> Result<Connection, Error> {
        self.start_verify(id.to_owned(), options).wait()
    }

    /// The same for callers that wait in their own way.
    pub(crate) fn start_verify(
        &self,
        id: String,
        options: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
    ) -> Pending<Connection> {
        let connections = self.clone();
        start(async move { connections.verify_with(&id, options).await })
    }

    /// Work on the files, on a thread that may block, for callers that wait in their own way.
    pub(crate) fn start_work<T: Clone + Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Pending<T> {
        let connections = self.clone();
        start(async move {
            let done = tokio::task::spawn_blocking(move || work(&connections)).await;
            done.unwrap_or_else(|_| Err(wait::lost()))
        })
    }

    /// [`Connections::verify`] with options of the client.
    ///
    /// # Errors
    /// As [`Connections::verify`].
    pub async fn verify_with(
        &self,
        id: &str,
        options: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Connection, Error> {
        let saved = self.get(id)?;
        let verified = for_one_use(options(self.client_builder(id)?))?
            .verify()
            .await?;
        let mut connection = saved.clone();
        take_in(&mut connection, &verified);
        check_org(&saved, &connection, false)?;
        if !self.folder.is_writable() {
            return Ok(connection);
        }
        match self.save(connection.clone(), SaveOver::Revision(saved.revision)) {
            Err(error) if error.code() == ErrorCode::ConnectionExists => Ok(connection),
            result => result,
        }
    }
}

impl Authorization {
    fn new(id: String, connections: Option<Connections>, environment: Environment) -> Self {
        Self {
            connections,
            environment,
            id,
            login_url: None,
            client_id: None,
            client_secret: None,
            name: None,
            labels: None,
            replace: false,
            other_org: false,
            options: Box::new(|builder| builder),
        }
    }

    /// With these variables in place of the process's.
    pub(crate) fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The org's My Domain. If it is not given, a saved one stays.
    pub fn login_url(mut self, login_url: impl Into<String>) -> Self {
        self.login_url = Some(login_url.into());
        self
    }

    /// The consumer key. If it is not given, a saved one stays.
    pub fn client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// The consumer secret. If it is not given, a saved one stays.
    pub fn client_secret(mut self, client_secret: impl Into<Secret>) -> Self {
        self.client_secret = Some(client_secret.into());
        self
    }

    /// A name in any characters. If it is not given, a saved one stays.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Labels. If they are not given, saved ones stay.
    pub fn labels(mut self, labels: BTreeMap<String, String>) -> Self {
        self.labels = Some(labels);
        self
    }

    /// Whether a connection with this id may be there already. Default: no.
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Whether a saved connection may become one of another org. Default: no.
    pub fn other_org(mut self, other_org: bool) -> Self {
        self.other_org = other_org;
        self
    }

    /// Sets options of the client that verifies the connection, by the methods of [`ClientBuilder`]. They are not
    /// saved.
    pub fn options(
        mut self,
        set: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.options = Box::new(set);
        self
    }

    /// Logs in afresh, makes one harmless API call, and then saves the connection. If anything fails, what was saved
    /// before stays as it was. Returns the connection as it was saved.
    ///
    /// # Errors
    /// `connection_exists` without `replace`; `other_org` without `other_org`; `missing_credentials` names the value
    /// that is missing; else the error of the login or of the API call. [`Error::field`] says which value is wrong.
    /// `invalid_option`: there is no folder to save it in, see [`authorize`].
    pub async fn verify_and_save(self) -> Result<Connection, Error> {
        let Some(connections) = &self.connections else {
            return Err(invalid_option(
                "connections",
                "there is no folder to save the connection in",
                "Begin with `Connections::authorize`; or use `verify`, and keep the text that `dump` gives.",
            ));
        };
        let (connection, over) = self.verified().await?;
        connections.save(connection, over)
    }

    /// Logs in afresh and makes one harmless API call. Returns the connection, and saves nothing.
    ///
    /// # Errors
    /// As [`Authorization::verify_and_save`].
    pub async fn verify(self) -> Result<Connection, Error> {
        let (mut connection, _) = self.verified().await?;
        connection.created = connection.created.or(connection.verified);
        Ok(connection)
    }

    /// [`Authorization::verify_and_save`] for threads: waits until the connection is saved.
    ///
    /// # Errors
    /// As [`Authorization::verify_and_save`].
    pub fn blocking_verify_and_save(self) -> Result<Connection, Error> {
        start(self.verify_and_save()).wait()
    }

    /// [`Authorization::verify`] for threads.
    ///
    /// # Errors
    /// As [`Authorization::verify`].
    pub fn blocking_verify(self) -> Result<Connection, Error> {
        start(self.verify()).wait()
    }

    /// Verifies, and saves if there is a folder, for callers that wait in their own way. Nobody needs to wait for it: it
    /// runs to its end.
    pub(crate) fn start(self) -> Pending<Connection> {
        match self.connections {
            Some(_) => start(self.verify_and_save()),
            None => start(self.verify()),
        }
    }

    /// The connection with what the login and the API call showed, and what has to be there when it is saved.
    async fn verified(&self) -> Result<(Connection, SaveOver), Error> {
        let id = ConnectionId::new(&self.id)?;
        let (saved, over) = self.saved(&id)?;
        let mut connection = self.candidate(id, saved.clone())?;
        let builder = builder_in(&connection, self.environment.clone());
        let client = for_one_use((self.options)(builder))?;
        let verified = client.verify().await?;
        take_in(&mut connection, &verified);
        // Of the address that was pasted, the host alone.
        if is_login_url_of(&client, &client.login_host()) && connection.options.token_url.is_none()
        {
            connection.login_url = client.login_host();
        }
        if let Some(saved) = &saved {
            check_org(saved, &connection, self.other_org)?;
        }
        Ok((connection, over))
    }

    /// The connection that is there, and what has to be there still when the new one is saved.
    fn saved(&self, id: &ConnectionId) -> Result<(Option<Connection>, SaveOver), Error> {
        let is_whole =
            self.login_url.is_some() && self.client_id.is_some() && self.client_secret.is_some();
        let Some(connections) = &self.connections else {
            return Ok((None, SaveOver::Nothing));
        };
        match connections.read(id) {
            Ok(None) => Ok((None, SaveOver::Nothing)),
            Ok(Some(_)) if !self.replace => Err(exists(id)),
            Ok(Some(saved)) => {
                let over = SaveOver::Revision(saved.revision);
                Ok((Some(saved), over))
            }
            // A file that cannot be used is replaced, if nothing is needed of it.
            Err(error)
                if self.replace && is_whole && error.code() == ErrorCode::ConnectionUnreadable =>
            {
                Ok((None, SaveOver::Anything))
            }
            Err(error) => Err(error),
        }
    }

    /// The connection to verify: what was given, and of what is not given, what is saved.
    fn candidate(&self, id: ConnectionId, saved: Option<Connection>) -> Result<Connection, Error> {
        let mut connection = if let Some(mut saved) = saved {
            // A secret that is replaced need not be opened.
            if self.client_secret.is_none() {
                let keys = secrets::sealing_keys(&self.environment)?;
                let opened = secrets::unseal(&mut saved, keys.as_ref());
                opened.map_err(|problem| self.at(&id, problem))?;
            } else {
                self.check_key(&saved)?;
            }
            saved
        } else {
            let secret = self.client_secret.clone();
            let secret = secret.ok_or_else(|| missing(InputField::ClientSecret))?;
            let text = |value: &Option<String>, field| value.clone().ok_or_else(|| missing(field));
            let login_url = text(&self.login_url, InputField::LoginUrl)?;
            let client_id = text(&self.client_id, InputField::ClientId)?;
            Connection::new(id, login_url, client_id, SecretSource::Text(secret))
        };
        if self.client_id.is_some() || self.client_secret.is_some() {
            // It was to replace the credentials that are replaced now.
            connection.next = None;
        }
        let given = |value: &Option<String>, field: &mut String| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        given(&self.login_url, &mut connection.login_url);
        given(&self.client_id, &mut connection.client_id);
        if let Some(secret) = &self.client_secret {
            // What is wrong with it is about what was given, not about a saved connection.
            let pair = ClientCredentials::new(&connection.client_id, secret.clone())?;
            pair.client_id().clone_into(&mut connection.client_id);
            connection.client_secret = SecretSource::Text(Secret::new(pair.expose_client_secret()));
        }
        if let Some(name) = &self.name {
            connection.name = Some(name.clone());
        }
        if let Some(labels) = &self.labels {
            connection.labels.clone_from(labels);
        }
        Ok(connection)
    }

    /// A sealed secret is not replaced by one that everybody can read.
    fn check_key(&self, saved: &Connection) -> Result<(), Error> {
        let is_sealed = matches!(saved.client_secret, SecretSource::Sealed(_));
        if !is_sealed || secrets::sealing_keys(&self.environment)?.is_some() {
            return Ok(());
        }
        let problem = ConnectionProblem::new(
            "its secret is sealed, and there is no key to seal the new one with",
            "Give the key in FORCEGRANT_CONNECTIONS_KEY, or name its file in FORCEGRANT_CONNECTIONS_KEY_FILE.",
        );
        Err(self.at(&saved.id, problem))
    }

    fn at(&self, id: &ConnectionId, problem: ConnectionProblem) -> Error {
        match &self.connections {
            Some(connections) => connections.at(id, problem),
            None => problem.at(&format!("`{id}`")),
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization")
            .field("connections", &self.connections)
            .field("replace", &self.replace)
            .field("other_org", &self.other_org)
            .finish_non_exhaustive()
    }
}

/// Runs it on the worker.
fn start<T: Clone + Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Pending<T> {
    let promise = Promise::new();
    let pending = promise.pending();
    match worker::spawn(async move { promise.keep(&work.await) }) {
        Ok(()) => pending,
        Err(error) => Pending::ready(Err(error)),
    }
}

/// A client that shares its token with no other.
fn for_one_use(builder: ClientBuilder) -> Result<Client, Error> {
    builder.store(StoreConfig::off()).build()
}

/// Whether this text names the endpoint of the client.
fn is_login_url_of(client: &Client, text: &str) -> bool {
    let endpoint = LoginEndpoint::from_login_url(text, &client.inner.config.trust).ok();
    endpoint.is_some() && endpoint == client.inner.credentials.endpoint()
}

fn take_in(connection: &mut Connection, verified: &Verified) {
    let text = |text: Option<&str>| text.map(str::to_owned);
    connection.org_id = text(verified.token.org_id());
    connection.user_id = text(verified.token.user_id());
    connection.verified = Some(present());
}

/// Whether the login reached the org that it reached before, if both are known.
fn check_org(saved: &Connection, now: &Connection, may_differ: bool) -> Result<(), Error> {
    let (Some(before), Some(after)) = (saved.org_id(), now.org_id()) else {
        return Ok(());
    };
    if before == after || may_differ {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::OtherOrg,
        format!(
            "the connection `{}` is of the org {before}, and the login reached the org {after}; nothing was saved",
            saved.id()
        ),
    )
    .with_help("Choose another id for the other org. If it shall take the place of the first, as after a refresh of a sandbox,\nauthorize the connection again and say so (`other_org`)."))
}

fn missing(field: InputField) -> Error {
    Error::new(
        ErrorCode::MissingCredentials,
        format!("`{}` is missing", field.as_str()),
    )
    .with_field(Some(field))
    .with_help("A new connection needs a login URL, a client id and a client secret.")
}
