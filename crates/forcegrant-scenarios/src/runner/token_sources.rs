//! The steps that a client and a key of a pool have in common.

use forcegrant::{ClientCredentials, CredentialSet, Error, Token};

use super::pools::check_done;
use super::scenario_run::{MAIN_CLIENT, ScenarioRun};
use crate::driver::{ClientDriver, TokenSource};
use crate::expect::{self, CheckResult};
use crate::pool::PoolDriver;
use crate::scenario::{CredentialPair, Expectations, ExpectedCached, OrgEntry, SetCredentials};

/// The client or the key of a pool that a step names.
pub(super) type TokenSourceOf<D> =
    TokenSource<<D as ClientDriver>::Client, <D as ClientDriver>::Pool>;

impl<D: ClientDriver> ScenarioRun<'_, D> {
    /// The client of that name, or the key of a pool.
    pub(super) fn source(
        &self,
        with: Option<&str>,
        key: Option<String>,
    ) -> Result<(TokenSourceOf<D>, Vec<String>), String> {
        if let Some(key) = key {
            let pool = self.pool(with)?;
            return Ok((
                TokenSource::Key(pool.handle.clone(), key),
                pool.secrets.clone(),
            ));
        }
        let (client, secrets) = self.client(with)?;
        Ok((TokenSource::Client(client.clone()), secrets))
    }

    pub(super) fn cached(
        &mut self,
        with: Option<&str>,
        key: Option<String>,
        save: Option<String>,
        expected: &ExpectedCached,
    ) -> CheckResult {
        let token = match self.source(with, key)?.0 {
            TokenSource::Client(client) => D::cached(&client),
            TokenSource::Key(pool, key) => pool.cached(&key),
        };
        match (token, expected) {
            (None, ExpectedCached::None(true)) => Ok(()),
            (Some(token), ExpectedCached::Token(listed)) => {
                expect::token(&token, listed, &self.saved, self.now())?;
                self.save(save, token);
                Ok(())
            }
            (None, _) => Err("nothing is cached".to_owned()),
            (Some(_), _) => Err("a token is cached".to_owned()),
        }
    }

    pub(super) fn invalidate(
        &self,
        source: &TokenSourceOf<D>,
        token: &str,
        times: usize,
        evicts: bool,
    ) -> CheckResult {
        let token = self
            .saved
            .get(token)
            .ok_or_else(|| format!("{token} was not saved"))?;
        let report = |_: &usize| match source {
            TokenSource::Client(client) => D::invalidate(client, token),
            TokenSource::Key(pool, key) => pool.invalidate(key, token),
        };
        let evicted = (0..times).filter(report).count();
        if evicted == usize::from(evicts) {
            Ok(())
        } else {
            Err(format!("{evicted} of {times} reports evicted the token"))
        }
    }

    pub(super) fn status(
        &self,
        with: Option<&str>,
        key: Option<String>,
        expected: Option<&Expectations>,
    ) -> CheckResult {
        let status = match self.source(with, key)?.0 {
            TokenSource::Client(client) => Some(D::status(&client)),
            TokenSource::Key(pool, key) => pool.status(&key),
        };
        match (status, expected) {
            (Some(status), Some(expect)) => {
                expect::status(&status, expect, &self.saved, self.now())
            }
            (None, None) => Ok(()),
            (Some(_), None) => Err("the pool knows the key".to_owned()),
            (None, Some(_)) => Err("the pool does not know the key".to_owned()),
        }
    }

    pub(super) fn herd(
        &self,
        source: &TokenSourceOf<D>,
        callers: usize,
        release_after_arrival: Option<u64>,
    ) -> Result<Vec<Result<Token, Error>>, String> {
        let mut released = Ok(());
        let outcomes = D::herd(source, callers, &mut || {
            if let Some(count) = release_after_arrival {
                released = self.release_after("token", count);
            }
        });
        released?;
        Ok(outcomes)
    }

    pub(super) fn set_credentials(&mut self, step: SetCredentials) -> CheckResult {
        let SetCredentials {
            with,
            key,
            login_url,
            client_id,
            client_secret,
            next_credentials,
            expect,
            ..
        } = step;
        let with = with.as_deref();
        match (key, login_url, expect) {
            (None, None, None) => {
                let current = CredentialPair {
                    client_id,
                    client_secret,
                };
                self.set_pairs(with, current, next_credentials)
            }
            (Some(key), login_url, expect) => {
                let given = OrgEntry {
                    login_url,
                    client_id: Some(client_id),
                    client_secret: Some(client_secret),
                    next_credentials,
                    ..OrgEntry::default()
                };
                let org = self.org(with, given)?;
                let pool = self.pool(with)?;
                let done = org.and_then(|org| pool.handle.set_credentials(&key, org));
                check_done(done, expect.as_ref(), &self.saved, &pool.secrets)
            }
            _ => Err("`login_url` and `expect` need a `key`".to_owned()),
        }
    }

    fn set_pairs(
        &mut self,
        with: Option<&str>,
        current: CredentialPair,
        next: Option<CredentialPair>,
    ) -> CheckResult {
        let name = with.unwrap_or(MAIN_CLIENT);
        let (client, secrets) = self
            .clients
            .get_mut(name)
            .ok_or_else(|| format!("there is no client {name}"))?;
        let mut credentials = |pair: CredentialPair| {
            secrets.push(pair.client_secret.clone());
            ClientCredentials::new(pair.client_id, pair.client_secret)
                .map_err(|error| error.to_string())
        };
        let mut pairs = CredentialSet::new(credentials(current)?);
        if let Some(next) = next {
            pairs = pairs.with_next(credentials(next)?);
        }
        D::set_credentials(client, pairs);
        Ok(())
    }
}
