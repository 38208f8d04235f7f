//! A connection as a text for a place of the user's own, such as a column of a database.

use super::secrets;
use crate::environment::Environment;
use forcegrant_proto::connection::{
    Connection, ConnectionId, ConnectionProblem, SealingKeys, SecretSource,
};
use forcegrant_proto::error::{Error, InputField, invalid_option};
use forcegrant_proto::secret::Secret;

/// The text of a connection for a place of your own, such as a column of a database. Its secrets are sealed with the
/// first of these keys (AES-256-GCM), bound to the id, the login host and the client id.
///
/// # Errors
/// `connection_unreadable`: a file or a command brings its secret, which only a connection in a folder may say; or its
/// secret is sealed with another key.
pub fn dump(connection: &Connection, keys: &SealingKeys) -> Result<String, Error> {
    let dumped = check_source(connection).and_then(|()| {
        let mut opened = connection.clone();
        secrets::unseal(&mut opened, Some(keys))?;
        text(&secrets::sealed(&opened, keys)?)
    });
    dumped.map_err(|problem| problem.at(&place(&connection.id)))
}

/// The same with the secret as it is, in clear: for a place that encrypts what it keeps.
///
/// # Errors
/// As [`dump`].
pub fn dump_plain(connection: &Connection) -> Result<Secret, Error> {
    let dumped = check_source(connection).and_then(|()| text(connection));
    dumped
        .map(Secret::new)
        .map_err(|problem| problem.at(&place(&connection.id)))
}

/// Reads a text that [`dump`] made. `id` is the one it was made for: a text that belongs to another row is refused.
/// The text may not name a file or a command: who can write to a database must not be able to run programs here.
///
/// # Errors
/// `connection_unreadable` says what is wrong with it: the field, the key, a seal that does not fit.
pub fn load(text: &str, id: &str, keys: Option<&SealingKeys>) -> Result<Connection, Error> {
    let id = ConnectionId::new(id)?;
    let loaded = Connection::parse(text.as_bytes(), Some(&id)).and_then(|mut connection| {
        check_source(&connection)?;
        secrets::unseal(&mut connection, keys)?;
        Ok(connection)
    });
    loaded.map_err(|problem| problem.at(&place(&id)))
}

/// [`dump`] with the key that is given, else with those of the environment; [`dump_plain`] if it is said so.
pub(crate) fn dump_in(
    connection: &Connection,
    key: Option<Secret>,
    plain: bool,
    environment: &Environment,
) -> Result<Secret, Error> {
    if plain {
        return match key {
            None => dump_plain(connection),
            Some(_) => Err(invalid_option(
                "plain",
                "there is a key, too",
                "Give the key, or say that the secret shall stand in clear.",
            )),
        };
    }
    let keys = keys_in(key, environment)?.ok_or_else(no_key)?;
    dump(connection, &keys).map(Secret::new)
}

/// [`load`] with the key that is given, else with those of the environment.
pub(crate) fn load_in(
    text: &str,
    id: &str,
    key: Option<Secret>,
    environment: &Environment,
) -> Result<Connection, Error> {
    let keys = keys_in(key, environment)?;
    load(text, id, keys.as_ref())
}

fn keys_in(key: Option<Secret>, environment: &Environment) -> Result<Option<SealingKeys>, Error> {
    match key {
        Some(key) => SealingKeys::new(key).map(Some),
        None => secrets::sealing_keys(environment),
    }
}

fn text(connection: &Connection) -> Result<String, ConnectionProblem> {
    let bytes = connection.to_bytes()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Nothing may be read or run for a connection of unknown origin.
fn check_source(connection: &Connection) -> Result<(), ConnectionProblem> {
    let next = connection.next.iter().map(|next| &next.client_secret);
    for source in std::iter::once(&connection.client_secret).chain(next) {
        if matches!(source, SecretSource::File(_) | SecretSource::Command(_)) {
            return Err(ConnectionProblem::new(
                format!("a {} brings its secret", source.as_str()),
                "Only a connection in a folder of this machine may name a file or a command: its text says what this machine reads and runs.\nFor a text elsewhere, give the secret itself and seal it with a key.",
            )
            .about(InputField::ClientSecret));
        }
    }
    Ok(())
}

fn place(id: &ConnectionId) -> String {
    format!("`{id}`")
}

fn no_key() -> Error {
    invalid_option(
        "key",
        "there is none, and none in the environment",
        "`forcegrant connections key` makes a key: give it here, or in FORCEGRANT_CONNECTIONS_KEY. Where the place of the text is\nencrypted itself, say that the secret shall stand in clear (`plain`).",
    )
}
