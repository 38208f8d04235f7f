//! Connections: verified when they are made, kept in a folder, and found again by their ids.
//!
//! ```no_run
//! # async fn example() -> Result<(), forcegrant::Error> {
//! use forcegrant::Client;
//! use forcegrant::connections::Connections;
//!
//! let acme = Connections::from_env()?
//!     .authorize("acme")
//!     .login_url("acme.my.salesforce.com")
//!     .client_id("3MVG9...")
//!     .client_secret(std::fs::read_to_string("secret.txt").unwrap_or_default())
//!     .verify_and_save()
//!     .await?;
//! println!("{} is saved, of the org {:?}", acme.id(), acme.org_id());
//!
//! // In any program of this user:
//! let token = Client::from_connection("acme")?.token().await?;
//! # Ok(())
//! # }
//! ```
//!
//! `forcegrant connect acme` of the command line makes one by a page in the browser or in a terminal.
//!
//! A connection can also lie in a database of yours: [`authorize`] verifies one that is saved in no folder, [`dump`]
//! gives its text with the secret sealed, and [`load`] reads it again.

mod authorization;
mod client;
mod command;
mod folder;
mod location;
mod secrets;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use self::authorization::{Authorization, authorize};
pub use self::client::client_builder;
pub(crate) use self::client::{InMemory, builder_in, connection_variable};
use self::folder::{ConnectionFolder, Existing};
pub use self::text::{dump, dump_plain, load};
pub(crate) use self::text::{dump_in, load_in};
use crate::environment::Environment;
pub use forcegrant_proto::connection::{Connection, SealingKeys};
use forcegrant_proto::connection::{ConnectionId, ConnectionProblem, nearest};
use forcegrant_proto::error::{Error, ErrorCode, Setting, invalid_option};

/// The connections of a folder.
///
/// Each is a file of its own, `acme.json` for the id `acme`. A folder of the user can be entered by its owner only
/// (0700 and 0600 on Unix); folders and files that others may enter, and symbolic links, are refused. A mounted folder
/// (on a read-only file system, root's, or in `/run/secrets`) is for reading: links are followed there, as Kubernetes
/// makes them.
#[derive(Clone)]
pub struct Connections {
    folder: ConnectionFolder,
    environment: Environment,
}

/// What [`Connections::list`] found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionList {
    /// The connections, by their ids.
    pub connections: Vec<Connection>,
    /// Why the other files cannot be used: each error names its file.
    pub unreadable: Vec<Error>,
}

/// What has to be there when a connection is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SaveOver {
    Nothing,
    Revision(u64),
    Anything,
}

/// How often a change is tried again that another process was quicker with.
const MAX_SAVES: usize = 100;

impl Connections {
    /// The connections of this folder, which is made when one is saved. Nothing is read yet.
    ///
    /// # Errors
    /// `invalid_option`: the path is empty or relative.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        Self::in_folder(folder.into(), Environment::process())
    }

    /// Those of the folder that `FORCEGRANT_CONNECTIONS` names; or of `forcegrant/connections` in `$XDG_CONFIG_HOME` or
    /// `~/.config`, on macOS in `~/Library/Application Support`, on Windows in `%LOCALAPPDATA%`.
    ///
    /// # Errors
    /// `invalid_option`: the environment names no folder, as for users without a home.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_environment(Environment::process())
    }

    /// [`Connections::from_env`] with these variables in place of the process's; those with keys are taken from there
    /// too.
    ///
    /// # Errors
    /// As [`Connections::from_env`].
    pub fn from_environment(environment: Environment) -> Result<Self, Error> {
        let folder = location::folder(&environment)?;
        Self::in_folder(folder, environment)
    }

    pub(crate) fn in_folder(folder: PathBuf, environment: Environment) -> Result<Self, Error> {
        if !folder.is_absolute() {
            return Err(invalid_option(
                "connections",
                "the folder is not an absolute path",
                "Name the folder from the root: `/etc/my-service/connections`.",
            ));
        }
        Ok(Self {
            folder: ConnectionFolder::new(folder),
            environment,
        })
    }

    /// The same with these variables in place of the process's: keys are taken from there.
    #[must_use]
    #[doc(hidden)]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All connections that have these labels. A file that cannot be used does not hide the others.
    ///
    /// # Errors
    /// `connection_unreadable`: the folder itself cannot be read.
    pub fn list(&self, labels: &BTreeMap<String, String>) -> Result<ConnectionList, Error> {
        let mut list = ConnectionList {
            connections: Vec::new(),
            unreadable: Vec::new(),
        };
        for name in self.folder.names()? {
            match name.and_then(|id| self.read(&id)) {
                Ok(Some(connection)) if connection.has_labels(labels) => {
                    list.connections.push(connection);
                }
                // Of other labels, or removed meanwhile.
                Ok(_) => {}
                Err(error) => list.unreadable.push(error),
            }
        }
        Ok(list)
    }

    /// The connection with this id.
    ///
    /// # Errors
    /// `unknown_connection` names the nearest ids; `connection_unreadable` says what is wrong with it.
    pub fn get(&self, id: &str) -> Result<Connection, Error> {
        let id = ConnectionId::new(id)?;
        self.read(&id)?.ok_or_else(|| self.unknown(&id))
    }

    /// Replaces the labels of a connection. Returns it as it was saved.
    ///
    /// # Errors
    /// As [`Connections::get`]; `connection_unreadable` also where nothing can be written.
    pub fn set_labels(
        &self,
        id: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<Connection, Error> {
        for _ in 0..MAX_SAVES {
            let mut connection = self.get(id)?;
            let before = SaveOver::Revision(connection.revision);
            connection.labels.clone_from(labels);
            match self.save(connection, before) {
                Err(error) if error.code() == ErrorCode::ConnectionExists => {}
                result => return result,
            }
        }
        Err(changed_meanwhile(&ConnectionId::new(id)?))
    }

    /// Seals the secrets of a connection anew with the first key of the environment, those that are not sealed yet too.
    /// Returns the connection as it was saved.
    ///
    /// # Errors
    /// As [`Connections::set_labels`]; `invalid_option` if there is no key.
    pub fn reseal(&self, id: &str) -> Result<Connection, Error> {
        let keys = secrets::sealing_keys(&self.environment)?.ok_or_else(no_key)?;
        for _ in 0..MAX_SAVES {
            let mut connection = self.get(id)?;
            let before = SaveOver::Revision(connection.revision);
            let opened = secrets::unseal(&mut connection, Some(&keys));
            opened.map_err(|problem| self.at(&connection.id, problem))?;
            match self.save(connection, before) {
                Err(error) if error.code() == ErrorCode::ConnectionExists => {}
                result => return result,
            }
        }
        Err(changed_meanwhile(&ConnectionId::new(id)?))
    }

    /// Removes a connection. Nothing is told to Salesforce: sessions go on, and the client secret stays valid.
    ///
    /// # Errors
    /// `unknown_connection` names the nearest ids.
    pub fn remove(&self, id: &str) -> Result<(), Error> {
        let id = ConnectionId::new(id)?;
        if self.folder.remove(&id)? {
            Ok(())
        } else {
            Err(self.unknown(&id))
        }
    }

    /// `None`: there is none with this id.
    fn read(&self, id: &ConnectionId) -> Result<Option<Connection>, Error> {
        let Some(bytes) = self.folder.read(id)? else {
            return Ok(None);
        };
        let connection = Connection::parse(&bytes, Some(id));
        connection.map(Some).map_err(|problem| self.at(id, problem))
    }

    /// Writes a connection whole, its secrets sealed if there is a key, as the next revision. Returns it as it was
    /// saved.
    fn save(&self, connection: Connection, over: SaveOver) -> Result<Connection, Error> {
        let id = connection.id.clone();
        let keys = secrets::sealing_keys(&self.environment)?;
        let mut connection = match keys {
            Some(keys) => {
                secrets::sealed(&connection, &keys).map_err(|problem| self.at(&id, problem))?
            }
            None => connection,
        };
        connection.revision = connection.revision.saturating_add(1);
        connection.created = connection.created.or_else(|| Some(present()));
        let bytes = connection.to_bytes();
        let bytes = bytes.map_err(|problem| self.at(&id, problem))?;
        let is_as_expected = || match over {
            SaveOver::Revision(revision) => {
                let found = self.read(&id)?;
                Ok(found.is_some_and(|found| found.revision == revision))
            }
            SaveOver::Nothing | SaveOver::Anything => Ok(true),
        };
        let existing = match over {
            SaveOver::Nothing => Existing::Keep,
            SaveOver::Revision(_) | SaveOver::Anything => Existing::Replace,
        };
        if self.folder.write(&id, &bytes, existing, is_as_expected)? {
            return Ok(connection);
        }
        Err(match over {
            SaveOver::Nothing => exists(&id),
            SaveOver::Revision(_) | SaveOver::Anything => changed_meanwhile(&id),
        })
    }

    fn at(&self, id: &ConnectionId, problem: ConnectionProblem) -> Error {
        problem.at(&self.place(id))
    }

    /// Where a connection is, for errors.
    fn place(&self, id: &ConnectionId) -> String {
        format!("`{}`", self.folder.file(id).display())
    }

    fn unknown(&self, id: &ConnectionId) -> Error {
        let names = self.folder.names().unwrap_or_default();
        let ids: Vec<_> = names.into_iter().flatten().collect();
        let near = nearest(id.as_str(), ids.iter().map(ConnectionId::as_str));
        let saved = if near.is_empty() {
            "None is saved there: `forcegrant connect` makes one.".to_owned()
        } else {
            format!("Saved are: {}.", near.join(", "))
        };
        Error::new(
            ErrorCode::UnknownConnection,
            format!(
                "there is no connection `{id}` in `{}`",
                self.folder().display()
            ),
        )
        .with_help(saved)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("folder", &self.folder())
            .finish_non_exhaustive()
    }
}

/// The present as it is written: in whole seconds.
fn present() -> SystemTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn exists(id: &ConnectionId) -> Error {
    Error::new(
        ErrorCode::ConnectionExists,
        format!("a connection `{id}` is saved already"),
    )
    .with_help("Choose another id, or say that it may be replaced (`replace`).")
}

fn no_key() -> Error {
    Setting::Variable(secrets::KEY).wrong(
        "it is not set, and there is no other key to seal with",
        "`forcegrant connections key` makes a key. Give it in this variable, or name its file in FORCEGRANT_CONNECTIONS_KEY_FILE.",
    )
}

fn changed_meanwhile(id: &ConnectionId) -> Error {
    Error::new(
        ErrorCode::ConnectionExists,
        format!("the connection `{id}` was changed or removed meanwhile; nothing was saved"),
    )
    .with_help("Another process was quicker. Look at what it saved, and begin again.")
}

#[cfg(all(test, unix))]
mod tests;
