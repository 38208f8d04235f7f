//! One attempt to make a connection: what was entered goes to the core, and what comes back to the person.

use std::collections::BTreeMap;

use forcegrant::connections::{Connection, Connections};
use forcegrant::{Error, ErrorCode};

use super::{CompletedConnection, ConnectionEntries, RefusedAttempt};
use crate::configuration::NetworkOptions;
use crate::problem::Problem;

/// A new app is not known everywhere at once.
const NEW_APP: &str =
    "A new app takes 2 to 10 minutes. Your entries are kept: press Authorize again.";

/// What all attempts of one `connect` have in common.
pub(super) struct ConnectAttempts {
    pub(super) connections: Connections,
    pub(super) network: NetworkOptions,
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// Empty: those that are saved stay.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) replace: bool,
    pub(super) other_org: bool,
    /// The connection that would be replaced.
    pub(super) saved: Option<Connection>,
}

impl ConnectAttempts {
    /// Logs in, makes one API call, and saves the connection.
    pub(super) fn verify_and_save(
        &self,
        entries: &ConnectionEntries,
    ) -> Result<CompletedConnection, Error> {
        let network = self.network.clone();
        let mut authorization = self
            .connections
            .authorize(&self.id)
            .replace(self.replace)
            .other_org(self.other_org || entries.other_org)
            .options(move |builder| network.apply(builder));
        if !entries.login_url.is_empty() {
            authorization = authorization.login_url(&entries.login_url);
        }
        if !entries.client_id.is_empty() {
            authorization = authorization.client_id(&entries.client_id);
        }
        if let Some(secret) = &entries.client_secret {
            authorization = authorization.client_secret(secret.clone());
        }
        if let Some(name) = &self.name {
            authorization = authorization.name(name);
        }
        if !self.labels.is_empty() {
            authorization = authorization.labels(self.labels.clone());
        }
        let connection = authorization.blocking_verify_and_save()?;
        Ok(self.completed(&connection))
    }

    /// The same for the page.
    pub(super) fn for_page(
        &self,
        entries: &ConnectionEntries,
    ) -> Result<CompletedConnection, RefusedAttempt> {
        self.verify_and_save(entries)
            .map_err(|error| refused(&error))
    }

    fn completed(&self, connection: &Connection) -> CompletedConnection {
        let text = |text: Option<&str>| text.unwrap_or("not stated").to_owned();
        let before = self.saved.as_ref().and_then(Connection::user_id);
        let changed_user = before
            .filter(|before| connection.user_id().is_some_and(|after| after != *before))
            .map(|before| format!("The app runs as another user than before, who was {before}."));
        CompletedConnection {
            id: connection.id().to_owned(),
            login_host: connection.login_url().to_owned(),
            org_id: text(connection.org_id()),
            user_id: text(connection.user_id()),
            notes: changed_user.into_iter().collect(),
        }
    }
}

fn refused(error: &Error) -> RefusedAttempt {
    let problem = Problem::from(error);
    let other_org = error.code() == ErrorCode::OtherOrg;
    let mut help = problem.help;
    if other_org {
        "If it shall take the place of the first, as after a refresh of a sandbox, press Replace it."
            .clone_into(&mut help);
    }
    if error.code() == ErrorCode::InvalidClientId {
        help = format!("{help}\n{NEW_APP}");
    }
    RefusedAttempt {
        code: error.code().to_string(),
        message: problem.message,
        help,
        field: error.field(),
        step: problem.step,
        other_org,
    }
}
