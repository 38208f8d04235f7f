//! The steps that a client and a key of a pool have in common.

use forcegrant::{ClientCredentials, CredentialSet, Error, Token};

use super::pools::must;
use super::{MAIN, World};
use crate::driver::{CredentialsSource, Driver};
use crate::expect::{self, Checked};
use crate::pool::Pool;
use crate::scenario::{Cached, Listed, OrgAnswer, Pair, SetCredentials};

/// Whom a runner asks.
pub(super) type AskerOf<D> = CredentialsSource<<D as Driver>::Client, <D as Driver>::Pool>;

impl<D: Driver> World<'_, D> {
    /// The client of that name, or the key of a pool.
    pub(super) fn asker(
        &self,
        with: Option<&str>,
        key: Option<String>,
    ) -> Result<(AskerOf<D>, Vec<String>), String> {
        if let Some(key) = key {
            let kept = self.kept(with)?;
            return Ok((
                CredentialsSource::Key(kept.pool.clone(), key),
                kept.secrets.clone(),
            ));
        }
        let (client, secrets) = self.client(with)?;
        Ok((CredentialsSource::Client(client.clone()), secrets))
    }

    pub(super) fn cached(
        &mut self,
        with: Option<&str>,
        key: Option<String>,
        save: Option<String>,
        expected: &Cached,
    ) -> Checked {
        let token = match self.asker(with, key)?.0 {
            CredentialsSource::Client(client) => D::cached(&client),
            CredentialsSource::Key(pool, key) => pool.cached(&key),
        };
        match (token, expected) {
            (None, Cached::None(true)) => Ok(()),
            (Some(token), Cached::Token(listed)) => {
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
        asker: &AskerOf<D>,
        token: &str,
        times: usize,
        evicts: bool,
    ) -> Checked {
        let token = self
            .saved
            .get(token)
            .ok_or_else(|| format!("{token} was not saved"))?;
        let report = |_: &usize| match asker {
            CredentialsSource::Client(client) => D::invalidate(client, token),
            CredentialsSource::Key(pool, key) => pool.invalidate(key, token),
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
        expected: Option<&Listed>,
    ) -> Checked {
        let status = match self.asker(with, key)?.0 {
            CredentialsSource::Client(client) => Some(D::status(&client)),
            CredentialsSource::Key(pool, key) => pool.status(&key),
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
        asker: &AskerOf<D>,
        callers: usize,
        release_after_arrival: Option<u64>,
    ) -> Result<Vec<Result<Token, Error>>, String> {
        let mut released = Ok(());
        let outcomes = D::herd(asker, callers, &mut || {
            if let Some(count) = release_after_arrival {
                released = self.release_after("token", count);
            }
        });
        released?;
        Ok(outcomes)
    }

    pub(super) fn set_credentials(&mut self, step: SetCredentials) -> Checked {
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
                let current = Pair {
                    client_id,
                    client_secret,
                };
                self.set_pairs(with, current, next_credentials)
            }
            (Some(key), login_url, expect) => {
                let given = OrgAnswer {
                    login_url,
                    client_id: Some(client_id),
                    client_secret: Some(client_secret),
                    next_credentials,
                    fails: None,
                };
                let org = self.org(with, given)?;
                let kept = self.kept(with)?;
                let done = org.and_then(|org| kept.pool.set_credentials(&key, org));
                must(done, expect.as_ref(), &self.saved, &kept.secrets)
            }
            _ => Err("`login_url` and `expect` are for a key".to_owned()),
        }
    }

    fn set_pairs(&mut self, with: Option<&str>, current: Pair, next: Option<Pair>) -> Checked {
        let name = with.unwrap_or(MAIN);
        let (client, secrets) = self
            .clients
            .get_mut(name)
            .ok_or_else(|| format!("there is no client {name}"))?;
        let mut key_pair = |pair: Pair| {
            secrets.push(pair.client_secret.clone());
            ClientCredentials::new(pair.client_id, pair.client_secret)
                .map_err(|error| error.to_string())
        };
        let mut pairs = CredentialSet::new(key_pair(current)?);
        if let Some(next) = next {
            pairs = pairs.with_next(key_pair(next)?);
        }
        D::set_credentials(client, pairs);
        Ok(())
    }
}
