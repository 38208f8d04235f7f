//! From the forms of a connection's client secret to the secret, and the keys that open sealed ones.

use std::path::Path;

use super::command;
use crate::credentials::{ClientCredentials, CredentialSet};
use crate::environment::Environment;
use crate::secret_file::read_secret_file;
use forcegrant_proto::connection::{
    Connection, ConnectionProblem, NONCE_BYTES, SealingKeys, SecretSource,
};
use forcegrant_proto::error::{Error, InputField, Setting};
use forcegrant_proto::secret::Secret;

/// Holds keys.
pub(super) const KEY: &str = "FORCEGRANT_CONNECTIONS_KEY";
/// Names a file that holds keys.
pub(super) const KEY_FILE: &str = "FORCEGRANT_CONNECTIONS_KEY_FILE";

/// The keys that the environment gives, read anew each time. `None`: it gives none.
pub(super) fn sealing_keys(environment: &Environment) -> Result<Option<SealingKeys>, Error> {
    let (key, file) = (environment.read(KEY)?, environment.read(KEY_FILE)?);
    let (setting, text) = match (key, file) {
        (None, None) => return Ok(None),
        (Some(text), None) => (Setting::Variable(KEY), text),
        (None, Some(path)) => {
            let setting = Setting::Variable(KEY_FILE);
            (
                setting,
                read_secret_file(setting, Path::new(path.expose()))?,
            )
        }
        (Some(_), Some(_)) => {
            let problem = format!("{KEY_FILE} is set too");
            return Err(Setting::Variable(KEY).wrong(&problem, "Unset one of them."));
        }
    };
    SealingKeys::parse(setting, &text).map(Some)
}

/// The connection with its secrets sealed that are texts, by the first of these keys.
pub(super) fn sealed(
    connection: &Connection,
    keys: &SealingKeys,
) -> Result<Connection, ConnectionProblem> {
    connection.sealed(keys, || {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok().map(|()| nonce)
    })
}

/// The credentials of a connection. `None`: a command brings one of the secrets, and none may be run now.
pub(super) fn credential_set(
    connection: &Connection,
    keys: Option<&SealingKeys>,
    may_run: bool,
) -> Result<Option<CredentialSet>, ConnectionProblem> {
    let pair = |client_id: &str, source: &SecretSource| {
        let secret = read(connection, client_id, source, keys, may_run)?;
        let pair = secret.map(|secret| ClientCredentials::new(client_id, secret));
        pair.transpose().map_err(ConnectionProblem::from)
    };
    let Some(current) = pair(&connection.client_id, &connection.client_secret)? else {
        return Ok(None);
    };
    let set = CredentialSet::new(current);
    match &connection.next {
        None => Ok(Some(set)),
        Some(next) => {
            let next = pair(&next.client_id, &next.client_secret)?;
            Ok(next.map(|next| set.with_next(next)))
        }
    }
}

/// A secret in its place. `None`: a command brings it, and none may be run now.
fn read(
    connection: &Connection,
    client_id: &str,
    source: &SecretSource,
    keys: Option<&SealingKeys>,
    may_run: bool,
) -> Result<Option<Secret>, ConnectionProblem> {
    match source {
        SecretSource::Text(secret) => Ok(Some(secret.clone())),
        SecretSource::Sealed(text) => {
            let bound = connection.seal_binding(client_id)?;
            SealingKeys::open(keys, text, &bound).map(Some)
        }
        SecretSource::File(path) => {
            let path = Path::new(path);
            if !path.is_absolute() {
                return Err(ConnectionProblem::new(
                    "the path of the secret's file is not absolute",
                    "Name the file from the root: `/run/secrets/sf`.",
                )
                .about(InputField::ClientSecret));
            }
            let secret = read_secret_file(Setting::Option("client_secret"), path);
            secret.map(Some).map_err(ConnectionProblem::from)
        }
        SecretSource::Command(_) if !may_run => Ok(None),
        SecretSource::Command(command) => command::output(command)
            .map(Some)
            .map_err(|problem| problem.about(InputField::ClientSecret)),
    }
}

/// A sealed secret of a connection that is about to be changed, as a text: the seal is bound to what may change.
pub(super) fn unseal(
    connection: &mut Connection,
    keys: Option<&SealingKeys>,
) -> Result<(), ConnectionProblem> {
    let sealed = |source: &SecretSource| matches!(source, SecretSource::Sealed(_));
    if sealed(&connection.client_secret) {
        let source = &connection.client_secret;
        let secret = read(connection, &connection.client_id, source, keys, false)?;
        connection.client_secret = secret.map_or_else(|| source.clone(), SecretSource::Text);
    }
    if let Some(next) = connection
        .next
        .clone()
        .filter(|next| sealed(&next.client_secret))
    {
        let secret = read(
            connection,
            &next.client_id,
            &next.client_secret,
            keys,
            false,
        )?;
        if let (Some(next), Some(secret)) = (&mut connection.next, secret) {
            next.client_secret = SecretSource::Text(secret);
        }
    }
    Ok(())
}
