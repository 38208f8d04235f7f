//! The steps about pools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forcegrant::{
    ClientCredentials, ClientPool, ClientPoolBuilder, CredentialSet, Error, OrgCredentials,
};
use serde_json::{Value, json};

use super::scenario_run::ScenarioRun;
use super::test_pool::{CallbackOrgs, TestPool, lock};
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult, SavedTokens};
use crate::options;
use crate::pool::PoolDriver;
use crate::scenario::{
    CredentialPair, ExpectedError, ExpectedPool, ExpectedPrewarm, Insert, NewPool, OptionalLimit,
    OrgEntry, PoolOptions, ScenarioStep,
};
use crate::test_environment::TestEnvironment;

const POOL: &str = "pool";

impl<D: ClientDriver> ScenarioRun<'_, D> {
    /// The steps that are about pools and nothing else.
    pub(super) fn pools(&mut self, step: ScenarioStep) -> CheckResult {
        match step {
            ScenarioStep::NewPool(step) => self.new_pool(*step),
            ScenarioStep::Orgs { with, orgs, .. } => self.set_callback_orgs(with.as_deref(), orgs),
            ScenarioStep::Insert(step) => {
                let Insert {
                    with,
                    key,
                    login_url,
                    client_id,
                    client_secret,
                    next_credentials,
                    expect,
                    ..
                } = *step;
                let org = self.org(
                    with.as_deref(),
                    OrgEntry {
                        login_url,
                        client_id,
                        client_secret,
                        next_credentials,
                        ..OrgEntry::default()
                    },
                )?;
                let pool = self.pool(with.as_deref())?;
                let done = org.and_then(|org| pool.handle.insert(&key, org));
                check_done(done, expect.as_ref(), &self.saved, &pool.secrets)
            }
            ScenarioStep::Remove {
                with, key, expect, ..
            } => {
                let removed = self.pool(with.as_deref())?.handle.remove(&key);
                equal("removed", &json!(removed), &json!(expect.removed))
            }
            ScenarioStep::Prewarm {
                with, keys, expect, ..
            } => self.prewarm(with.as_deref(), &keys, &expect),
            ScenarioStep::TakeClient {
                with,
                key,
                name,
                expect,
                ..
            } => self.take_client(with.as_deref(), &key, name, expect.as_ref()),
            ScenarioStep::PoolStatus { with, expect, .. } => {
                self.pool_status(with.as_deref(), &expect)
            }
            ScenarioStep::Asked { with, expect, .. } => {
                let asked = lock(&self.pool(with.as_deref())?.callback).asked.clone();
                equal("asked", &json!(asked), &json!(expect))
            }
            _ => unreachable!("other steps are done elsewhere"),
        }
    }

    /// The pool of that name.
    pub(super) fn pool(&self, with: Option<&str>) -> Result<&TestPool<D::Pool>, String> {
        let name = with.unwrap_or(POOL);
        let pool = self.pools.get(name);
        pool.ok_or_else(|| format!("there is no pool {name}"))
    }

    /// The credentials of an org for the core. Values that are not given are those of the emulator's org. The secrets are
    /// remembered, because no error may contain them.
    pub(super) fn org(
        &mut self,
        with: Option<&str>,
        given: OrgEntry,
    ) -> Result<Result<OrgCredentials, Error>, String> {
        let TestEnvironment { org, sandbox, .. } = self.env;
        let is_sandbox = given.login_url.as_ref() == Some(&sandbox.my_domain);
        let at = if is_sandbox { sandbox } else { org };
        let login_url = given.login_url.unwrap_or_else(|| org.my_domain.clone());
        let current = CredentialPair {
            client_id: given.client_id.unwrap_or_else(|| at.client_id.clone()),
            client_secret: given
                .client_secret
                .unwrap_or_else(|| at.client_secret.clone()),
        };
        let name = with.unwrap_or(POOL);
        let pool = self.pools.get_mut(name);
        let pool = pool.ok_or_else(|| format!("there is no pool {name}"))?;
        let pairs = [Some(current), given.next_credentials];
        let pairs: Result<Vec<ClientCredentials>, Error> = pairs
            .into_iter()
            .flatten()
            .map(|pair| {
                pool.secrets.push(pair.client_secret.clone());
                ClientCredentials::new(pair.client_id, pair.client_secret)
            })
            .collect();
        Ok(pairs.map(|pairs| {
            let mut pairs = pairs.into_iter();
            let first = CredentialSet::new(pairs.next().expect("the first is given"));
            let pairs = pairs.fold(first, CredentialSet::with_next);
            OrgCredentials::new(login_url, pairs)
        }))
    }

    fn new_pool(&mut self, step: NewPool) -> CheckResult {
        let name = step.name.unwrap_or_else(|| POOL.to_owned());
        let callback = Arc::new(Mutex::new(CallbackOrgs::default()));
        let mut secrets = Vec::new();
        if let Some(next) = &step.client.next_credentials {
            secrets.push(next.client_secret.clone());
        }
        let mut builder = pool_options(ClientPool::builder(), &step.pool);
        let (hosts, clock) = (&self.hosts, self.clock.as_ref());
        let mut applied = Ok(());
        builder = builder.options(|client| {
            options::apply(client.clone(), step.client, hosts, clock, self.env).unwrap_or_else(
                |problem| {
                    applied = Err(problem);
                    client
                },
            )
        });
        applied?;
        if step.connections {
            builder = builder.connections(self.connections()?);
        }
        if step.orgs.is_some() {
            let callback = Arc::clone(&callback);
            builder = builder.credentials_callback(move |key| {
                let credentials = lock(&callback).credentials(&key);
                async move { credentials }
            });
        }
        if self.listens {
            let recorded = self.recorded.entry(name.clone()).or_default().clone();
            builder = builder.on_event(move |key, event| recorded.record(key, event));
        }
        let built = D::Pool::build(builder);
        let expected = step.build_error.map(|error| ExpectedError { error });
        let built = match built {
            Ok(pool) if expected.is_none() => pool,
            other => return check_done(other.map(drop), expected.as_ref(), &self.saved, &secrets),
        };
        let pool = TestPool {
            handle: built,
            callback,
            secrets,
        };
        self.pools.insert(name.clone(), pool);
        self.set_callback_orgs(Some(&name), step.orgs.unwrap_or_default())
    }

    /// Changes what the callback returns.
    fn set_callback_orgs(
        &mut self,
        with: Option<&str>,
        orgs: BTreeMap<String, OrgEntry>,
    ) -> CheckResult {
        for (key, given) in orgs {
            let credentials = if let Some(fails) = given.fails {
                Err(fails)
            } else if given.none {
                Ok(None)
            } else if given.dumped {
                let org = &self.env.org;
                let secret = given
                    .client_secret
                    .unwrap_or_else(|| org.client_secret.clone());
                let id = given.client_id.unwrap_or_else(|| org.client_id.clone());
                let url = given.login_url.unwrap_or_else(|| org.my_domain.clone());
                Ok(Some(self.dumped(&key, url, id, secret)?))
            } else {
                let org = self.org(with, given)?;
                Ok(Some(org.map_err(|error| format!("{key}: {error}"))?))
            };
            let pool = self.pool(with)?;
            lock(&pool.callback).orgs.insert(key, credentials);
        }
        Ok(())
    }

    fn prewarm(
        &self,
        with: Option<&str>,
        keys: &[String],
        expected: &ExpectedPrewarm,
    ) -> CheckResult {
        let pool = self.pool(with)?;
        let warm = pool.handle.prewarm(keys);
        let failed: BTreeMap<_, _> = warm
            .failed
            .iter()
            .map(|(key, error)| (key, error.code()))
            .collect();
        if warm.ready != expected.ready || !failed.keys().copied().eq(expected.failed.keys()) {
            return Err(format!("{} are ready, and failed: {failed:?}", warm.ready));
        }
        warm.failed.iter().try_for_each(|(key, error)| {
            expect::error(error, &expected.failed[key], &self.saved, &pool.secrets)
                .map_err(|problem| format!("{key}: {problem}"))
        })
    }

    fn take_client(
        &mut self,
        with: Option<&str>,
        key: &str,
        name: Option<String>,
        expected: Option<&ExpectedError>,
    ) -> CheckResult {
        let pool = self.pool(with)?;
        let (client, secrets) = (pool.handle.client(key), pool.secrets.clone());
        match (client, name) {
            (Ok(client), Some(name)) => {
                self.clients.insert(name, (client, secrets));
                Ok(())
            }
            (client, _) => check_done(client.map(drop), expected, &self.saved, &secrets),
        }
    }

    fn pool_status(&self, with: Option<&str>, expected: &ExpectedPool) -> CheckResult {
        let pool = &self.pool(with)?.handle;
        if let Some(size) = expected.size {
            equal("size", &json!(pool.size()), &json!(size))?;
        }
        for (key, known) in &expected.has {
            equal(key, &json!(pool.contains(key)), &json!(known))?;
        }
        let Some(expected) = &expected.statuses else {
            return Ok(());
        };
        let statuses: BTreeMap<_, _> = pool.statuses().into_iter().collect();
        let keys = |of: Vec<&String>| json!(of);
        equal(
            "statuses",
            &keys(statuses.keys().collect()),
            &keys(expected.keys().collect()),
        )?;
        statuses.iter().try_for_each(|(key, status)| {
            expect::status(status, &expected[key], &self.saved, self.now())
                .map_err(|problem| format!("{key}: {problem}"))
        })
    }
}

/// `done` must be an error if one is expected, and a success otherwise.
pub(super) fn check_done(
    done: Result<(), Error>,
    expected: Option<&ExpectedError>,
    saved: &SavedTokens,
    secrets: &[String],
) -> CheckResult {
    match (done, expected) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err("it did not fail".to_owned()),
        (Err(error), Some(expected)) => expect::error(&error, &expected.error, saved, secrets),
        (Err(error), None) => Err(format!("{}: {error}", error.code())),
    }
}

fn pool_options(mut builder: ClientPoolBuilder, options: &PoolOptions) -> ClientPoolBuilder {
    let limit = |limit: &OptionalLimit| match limit {
        OptionalLimit::Logins(logins) => Some(*logins),
        OptionalLimit::Off(_) => None,
    };
    if let Some(most) = options.max_clients {
        builder = builder.max_clients(most);
    }
    if let Some(rate) = &options.logins_per_second {
        builder = builder.logins_per_second(limit(rate));
    }
    if let Some(most) = &options.concurrent_logins {
        builder = builder.concurrent_logins(limit(most));
    }
    builder
}

fn equal(what: &str, found: &Value, wanted: &Value) -> CheckResult {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: expected {wanted}, found {found}"))
    }
}
