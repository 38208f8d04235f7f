//! The steps about pools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant::{
    ClientCredentials, ClientPool, ClientPoolBuilder, CredentialSet, Error, OrgCredentials,
};
use serde_json::{Value, json};

use super::World;
use crate::Stage;
use crate::driver::Driver;
use crate::expect::{self, Checked, Saved};
use crate::options;
use crate::pool::Pool;
use crate::scenario::{
    Budget, Insert, Known, NewPool, OrgAnswer, Pair, PoolOptions, Refused, Step, Warmed,
};

const POOL: &str = "pool";

/// A pool, what its callback answers and was asked, and the secrets it was given.
pub(super) struct Kept<P> {
    pub(super) pool: P,
    tenants: Arc<Mutex<Tenants>>,
    pub(super) secrets: Vec<String>,
}

#[derive(Default)]
struct Tenants {
    orgs: BTreeMap<String, Result<OrgCredentials, String>>,
    asked: BTreeMap<String, u64>,
}

impl Tenants {
    fn answer(
        &mut self,
        key: &str,
    ) -> Result<OrgCredentials, Box<dyn std::error::Error + Send + Sync>> {
        *self.asked.entry(key.to_owned()).or_default() += 1;
        let org = self.orgs.get(key).cloned();
        let org = org.unwrap_or_else(|| Err(format!("there is no tenant {key}")));
        org.map_err(Into::into)
    }
}

impl<D: Driver> World<'_, D> {
    /// The steps that are about pools and nothing else.
    pub(super) fn pools(&mut self, step: Step) -> Checked {
        match step {
            Step::NewPool(step) => self.new_pool(*step),
            Step::Orgs { with, orgs, .. } => self.answer(with.as_deref(), orgs),
            Step::Insert(step) => {
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
                    OrgAnswer {
                        login_url,
                        client_id,
                        client_secret,
                        next_credentials,
                        fails: None,
                    },
                )?;
                let kept = self.kept(with.as_deref())?;
                let done = org.and_then(|org| kept.pool.insert(&key, org));
                must(done, expect.as_ref(), &self.saved, &kept.secrets)
            }
            Step::Remove {
                with, key, expect, ..
            } => {
                let removed = self.kept(with.as_deref())?.pool.remove(&key);
                equal("removed", &json!(removed), &json!(expect.removed))
            }
            Step::Prewarm {
                with, keys, expect, ..
            } => self.prewarm(with.as_deref(), &keys, &expect),
            Step::TakeClient {
                with,
                key,
                name,
                expect,
                ..
            } => self.take_client(with.as_deref(), &key, name, expect.as_ref()),
            Step::PoolStatus { with, expect, .. } => self.pool_status(with.as_deref(), &expect),
            Step::Asked { with, expect, .. } => {
                let asked = lock(&self.kept(with.as_deref())?.tenants).asked.clone();
                equal("asked", &json!(asked), &json!(expect))
            }
            _ => unreachable!("other steps are done elsewhere"),
        }
    }

    /// The pool of that name.
    pub(super) fn kept(&self, with: Option<&str>) -> Result<&Kept<D::Pool>, String> {
        let name = with.unwrap_or(POOL);
        let kept = self.pools.get(name);
        kept.ok_or_else(|| format!("there is no pool {name}"))
    }

    /// The org as the core takes it; what is not given is that of the emulator's org. Its secrets
    /// are noted.
    pub(super) fn org(
        &mut self,
        with: Option<&str>,
        given: OrgAnswer,
    ) -> Result<Result<OrgCredentials, Error>, String> {
        let Stage { org, sandbox, .. } = self.stage;
        let is_sandbox = given.login_url.as_ref() == Some(&sandbox.my_domain);
        let at = if is_sandbox { sandbox } else { org };
        let login_url = given.login_url.unwrap_or_else(|| org.my_domain.clone());
        let current = Pair {
            client_id: given.client_id.unwrap_or_else(|| at.client_id.clone()),
            client_secret: given
                .client_secret
                .unwrap_or_else(|| at.client_secret.clone()),
        };
        let name = with.unwrap_or(POOL);
        let kept = self.pools.get_mut(name);
        let kept = kept.ok_or_else(|| format!("there is no pool {name}"))?;
        let pairs = [Some(current), given.next_credentials];
        let pairs: Result<Vec<ClientCredentials>, Error> = pairs
            .into_iter()
            .flatten()
            .map(|pair| {
                kept.secrets.push(pair.client_secret.clone());
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

    fn new_pool(&mut self, step: NewPool) -> Checked {
        let name = step.name.unwrap_or_else(|| POOL.to_owned());
        let tenants = Arc::new(Mutex::new(Tenants::default()));
        let mut secrets = Vec::new();
        if let Some(next) = &step.client.next_credentials {
            secrets.push(next.client_secret.clone());
        }
        let mut builder = pool_options(ClientPool::builder(), &step.pool);
        let (hosts, clock) = (&self.hosts, self.clock.as_ref());
        let mut applied = Ok(());
        builder = builder.options(|client| {
            options::apply(client.clone(), step.client, hosts, clock, self.stage).unwrap_or_else(
                |problem| {
                    applied = Err(problem);
                    client
                },
            )
        });
        applied?;
        if step.orgs.is_some() {
            let tenants = Arc::clone(&tenants);
            builder = builder.credentials_callback(move |key| {
                let answer = lock(&tenants).answer(&key);
                async move { answer }
            });
        }
        if self.listens {
            let heard = self.heard.entry(name.clone()).or_default().clone();
            builder = builder.on_event(move |key, event| heard.hear(key, event));
        }
        let built = D::Pool::build(builder);
        let expected = step.build_error.map(|error| Refused { error });
        let built = match built {
            Ok(pool) if expected.is_none() => pool,
            other => return must(other.map(drop), expected.as_ref(), &self.saved, &secrets),
        };
        let kept = Kept {
            pool: built,
            tenants,
            secrets,
        };
        self.pools.insert(name.clone(), kept);
        self.answer(Some(&name), step.orgs.unwrap_or_default())
    }

    /// What the callback answers from now on.
    fn answer(&mut self, with: Option<&str>, orgs: BTreeMap<String, OrgAnswer>) -> Checked {
        for (key, given) in orgs {
            let answer = match given.fails {
                Some(fails) => Err(fails),
                None => Ok(self
                    .org(with, given)?
                    .map_err(|error| format!("{key}: {error}"))?),
            };
            let kept = self.kept(with)?;
            lock(&kept.tenants).orgs.insert(key, answer);
        }
        Ok(())
    }

    fn prewarm(&self, with: Option<&str>, keys: &[String], expected: &Warmed) -> Checked {
        let kept = self.kept(with)?;
        let warm = kept.pool.prewarm(keys);
        let failed: BTreeMap<_, _> = warm
            .failed
            .iter()
            .map(|(key, error)| (key, error.code()))
            .collect();
        if warm.ready != expected.ready || !failed.keys().copied().eq(expected.failed.keys()) {
            return Err(format!("{} are ready, and failed: {failed:?}", warm.ready));
        }
        warm.failed.iter().try_for_each(|(key, error)| {
            expect::error(error, &expected.failed[key], &self.saved, &kept.secrets)
                .map_err(|problem| format!("{key}: {problem}"))
        })
    }

    fn take_client(
        &mut self,
        with: Option<&str>,
        key: &str,
        name: Option<String>,
        expected: Option<&Refused>,
    ) -> Checked {
        let kept = self.kept(with)?;
        let (client, secrets) = (kept.pool.client(key), kept.secrets.clone());
        match (client, name) {
            (Ok(client), Some(name)) => {
                self.clients.insert(name, (client, secrets));
                Ok(())
            }
            (client, _) => must(client.map(drop), expected, &self.saved, &secrets),
        }
    }

    fn pool_status(&self, with: Option<&str>, expected: &Known) -> Checked {
        let pool = &self.kept(with)?.pool;
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

/// What was done; with an expectation it must have failed.
pub(super) fn must(
    done: Result<(), Error>,
    expected: Option<&Refused>,
    saved: &Saved,
    secrets: &[String],
) -> Checked {
    match (done, expected) {
        (Ok(()), None) => Ok(()),
        (Ok(()), Some(_)) => Err("it did not fail".to_owned()),
        (Err(error), Some(expected)) => expect::error(&error, &expected.error, saved, secrets),
        (Err(error), None) => Err(format!("{}: {error}", error.code())),
    }
}

fn pool_options(mut builder: ClientPoolBuilder, options: &PoolOptions) -> ClientPoolBuilder {
    let limit = |limit: &Budget| match limit {
        Budget::Logins(logins) => Some(*logins),
        Budget::Off(_) => None,
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

fn equal(what: &str, found: &Value, wanted: &Value) -> Checked {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: expected {wanted}, found {found}"))
    }
}

fn lock(tenants: &Mutex<Tenants>) -> MutexGuard<'_, Tenants> {
    tenants.lock().unwrap_or_else(PoisonError::into_inner)
}
