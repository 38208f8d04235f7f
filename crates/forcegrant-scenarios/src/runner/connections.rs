//! The steps about connections.

use forcegrant::connections::{self, Connection, Connections, SealingKeys};
use forcegrant::{ClientBuilder, Error, OrgCredentials};
use serde_json::json;

use super::scenario_run::ScenarioRun;
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult};
use crate::options;
use crate::scenario::{AuthorizeStep, ClientOptions, ExpectedConnection};

type ReachEmulator = Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// 32 bytes of 7.
const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

impl<D: ClientDriver> ScenarioRun<'_, D> {
    /// Those of the scenario's folder.
    pub(super) fn connections(&self) -> Result<Connections, String> {
        let connections = Connections::new(self.folder.path());
        let connections = connections.map_err(|error| error.to_string())?;
        Ok(connections.with_environment(self.environment.clone()))
    }

    pub(super) fn authorize(&mut self, step: AuthorizeStep) -> CheckResult {
        let mut authorization = self
            .connections()?
            .authorize(step.id)
            .replace(step.replace)
            .other_org(step.other_org)
            .options(self.login_options()?);
        let org = &self.env.org;
        let or_default = |given: Option<String>, default: &String| {
            given.or_else(|| (!step.replace).then(|| default.clone()))
        };
        if let Some(login_url) = or_default(step.login_url, &org.my_domain) {
            authorization = authorization.login_url(login_url);
        }
        if let Some(client_id) = or_default(step.client_id, &org.client_id) {
            authorization = authorization.client_id(client_id);
        }
        if let Some(client_secret) = or_default(step.client_secret, &org.client_secret) {
            self.connection_secrets.push(client_secret.clone());
            authorization = authorization.client_secret(client_secret);
        }
        if let Some(name) = step.name {
            authorization = authorization.name(name);
        }
        if let Some(labels) = step.labels {
            authorization = authorization.labels(labels);
        }
        self.connection(D::authorize(authorization), step.expect.as_ref())
    }

    pub(super) fn verify_connection(
        &self,
        id: &str,
        expected: Option<&ExpectedConnection>,
    ) -> CheckResult {
        let options = self.login_options()?;
        let verified = D::verify_connection(&self.connections()?, id, options);
        self.connection(verified, expected)
    }

    /// Compares a connection with what is expected of it.
    pub(super) fn connection(
        &self,
        result: Result<Connection, Error>,
        expected: Option<&ExpectedConnection>,
    ) -> CheckResult {
        let secrets = &self.connection_secrets;
        match (result, expected) {
            (Ok(connection), None) => check_secrecy(&connection, secrets),
            (Ok(connection), Some(ExpectedConnection::Connection(listed))) => {
                check_secrecy(&connection, secrets)?;
                let actual = json!({
                    "id": connection.id(),
                    "name": connection.name(),
                    "labels": connection.labels(),
                    "login_url": connection.login_url(),
                    "client_id": connection.client_id(),
                    "org_id": connection.org_id(),
                    "user_id": connection.user_id(),
                    "revision": connection.revision(),
                    "is_verified": connection.verified().is_some(),
                });
                expect::fields(&actual, listed)
            }
            (Ok(_), Some(ExpectedConnection::Error(_))) => Err("it did not fail".to_owned()),
            (Err(error), Some(ExpectedConnection::Error(listed))) => {
                expect::error(&error, listed, &self.saved, secrets)
            }
            (Err(error), _) => Err(format!("{}: {error}", error.code())),
        }
    }

    /// What a callback returns that keeps connections as texts.
    pub(super) fn dumped(
        &self,
        key: &str,
        login_url: String,
        client_id: String,
        client_secret: String,
    ) -> Result<OrgCredentials, String> {
        let authorization = connections::authorize(key)
            .login_url(login_url)
            .client_id(client_id)
            .client_secret(client_secret)
            .options(self.login_options()?);
        let org = || {
            let keys = SealingKeys::new(KEY)?;
            let connection = D::authorize_unsaved(authorization)?;
            let text = connections::dump(&connection, &keys)?;
            OrgCredentials::of_connection(connections::load(&text, key, Some(&keys))?)
        };
        org().map_err(|error| error.to_string())
    }

    /// How the client of one login reaches the emulator.
    fn login_options(&self) -> Result<ReachEmulator, String> {
        let (hosts, clock) = (&self.hosts, self.clock.as_ref());
        let set = options::reaching(&ClientOptions::default(), hosts, clock, self.env)?;
        Ok(Box::new(set))
    }
}

fn check_secrecy(connection: &Connection, secrets: &[String]) -> CheckResult {
    let shown = format!("{connection:?}");
    if secrets.iter().any(|secret| shown.contains(secret)) {
        return Err("the connection shows a secret".to_owned());
    }
    Ok(())
}
