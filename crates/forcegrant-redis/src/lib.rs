//! A token of `forcegrant` shared through Redis or Valkey: [`RedisStore`], which is also
//! `forcegrant::store::RedisStore` with the feature `store-redis`.

#![forbid(unsafe_code)]

mod connections;
mod credentials;
mod entry;
mod reply_limit;
mod scripts;
mod server_error;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::secret::Secret;
use forcegrant_proto::store::protocol::{LONGEST_LEASE, LONGEST_LIFE};
use forcegrant_support::store::{
    Acquired, Lease, POLL_INTERVAL, Put, Store, StoreError, StoreFuture, Stored,
};
use forcegrant_support::tls::{Roots, check_roots};
use redis::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::connections::{ConnectionSettings, RedisConnections};
use crate::credentials::ServerCredentials;
use crate::scripts::{Script, ScriptCall};

/// A store in Redis 6.2 or newer, or Valkey: one server, a master that Sentinels know, or a Cluster.
///
/// It connects when it is first used. Each call is one script, which the server runs atomically; times are those of
/// the server's clock. Keys start with a prefix, the keys of one call are in one slot of a Cluster, and every key has
/// a time to live. A connection is kept as long as something is in flight, so an idle process has none.
///
/// Clients that wait for a login poll, every 50 ms at first and every 250 ms later. Publishing would need another
/// connection for each of them, and rights on channels.
///
/// Clones share their connections, unless one of them gets other settings.
///
/// A user with an ACL needs `~forcegrant:*` (the prefix), and `+get +set +del +pttl +pexpire +time
/// +hincrby +hgetall +hdel +eval +evalsha`, with `+asking` in a Cluster.
#[derive(Clone)]
pub struct RedisStore {
    prefix: String,
    settings: ConnectionSettings,
    connections: Arc<RedisConnections>,
}

/// For one call, if the caller sets no shorter limit.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// For one poll while waiting for a login.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long polls may fail before waiting fails: through a restart or a failover in the middle of a login, clients go
/// on waiting instead of logging in themselves.
const MAX_POLL_FAILURE: Duration = Duration::from_secs(2);
/// Between two polls, after a while.
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(250);

impl RedisStore {
    /// A store at these addresses:
    ///
    /// * `redis://[user:password@]host[:6379][/database]`
    /// * `redis+sentinel://[user:password@]host[:26379][,host[:port]…]/master[/database]`
    /// * `redis+cluster://[user:password@]host[:6379][,host[:port]…]`
    ///
    /// With `rediss` in place of `redis`, all connections use TLS. User and password are those of the
    /// servers that store the entries, percent-encoded. Several URLs may be given for one set of
    /// Sentinels or one Cluster, separated by spaces.
    ///
    /// For settings that are text only, a query may follow, its values percent-encoded:
    /// `?prefix=acme:&roots=/etc/redis/ca.pem` ([`prefix`](Self::prefix); [`roots`](Self::roots):
    /// `platform`, `bundled`, or a file that is read now), and `sentinel_user` and
    /// `sentinel_password` ([`sentinel_credentials`](Self::sentinel_credentials)).
    ///
    /// # Errors
    /// An `invalid_option` error, which does not repeat the URL: it has none of these forms.
    pub fn new(urls: &str) -> Result<Self, Error> {
        let (url, settings) = url::parse(urls)?;
        let store = Self {
            prefix: String::new(),
            settings: ConnectionSettings {
                url,
                roots: Roots::default(),
                credentials: settings.credentials.unwrap_or_default(),
                sentinel_credentials: settings.sentinel_credentials.unwrap_or_default(),
            },
            connections: Arc::default(),
        };
        store
            .prefix(settings.prefix.as_deref().unwrap_or("forcegrant:"))?
            .roots(settings.roots.unwrap_or_default())
    }

    /// What all keys start with: `forcegrant:` by default. Deployments that must not share tokens
    /// need no prefix of their own, as keys and entries differ with the org, the client id and the
    /// secret.
    ///
    /// # Errors
    /// It is longer than 64 bytes, or has braces, blanks or control characters.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, Error> {
        if prefix.len() > 64
            || prefix.contains(|c: char| "{}".contains(c) || c.is_whitespace() || c.is_control())
        {
            return Err(invalid_option(
                "prefix",
                "it is too long, or has characters that a key must not have",
                "Up to 64 bytes, without braces, blanks and control characters.",
            ));
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// Which authorities are trusted for TLS; by default the platform's.
    ///
    /// # Errors
    /// The PEM text holds no certificate, or one that cannot be a root.
    pub fn roots(mut self, roots: Roots) -> Result<Self, Error> {
        check_roots(&roots)?;
        self.change_settings(|settings| settings.roots = roots);
        Ok(self)
    }

    /// The user and password, in place of those in the URL. Without a user, it is the default user's
    /// password.
    #[must_use]
    pub fn credentials(mut self, user: Option<&str>, password: impl Into<Secret>) -> Self {
        let credentials = ServerCredentials::new(user, password);
        self.change_settings(|settings| settings.credentials = credentials);
        self
    }

    /// The user and password of the Sentinels, if they require any.
    #[must_use]
    pub fn sentinel_credentials(mut self, user: Option<&str>, password: impl Into<Secret>) -> Self {
        let credentials = ServerCredentials::new(user, password);
        self.change_settings(|settings| settings.sentinel_credentials = credentials);
        self
    }

    fn change_settings(&mut self, change: impl FnOnce(&mut ConnectionSettings)) {
        change(&mut self.settings);
        // A clone with the previous settings goes on with the previous connections.
        self.connections = Arc::default();
    }

    async fn run(
        &self,
        script: &'static Script,
        key: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let call = ScriptCall {
            script,
            // Only what is between the braces determines the slot.
            keys: (script.keys.iter())
                .map(|kind| format!("{}{{{key}}}:{kind}", self.prefix))
                .collect(),
            arguments,
            slot: url::slot(key),
        };
        let result = timeout(CALL_TIMEOUT, self.connections.run(&self.settings, &call)).await;
        result.unwrap_or_else(|_| Err(timed_out(CALL_TIMEOUT)))
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let found = self.run(&scripts::GET, key, &[]).await?;
            Ok(entry::parse(found))
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        entry: &'a [u8],
        time_to_live: Duration,
        lease: &'a Lease,
    ) -> StoreFuture<'a, Put> {
        Box::pin(async move {
            let fence = lease.fence.to_string();
            let mut value = entry::header(lease.fence, entry.len()).into_bytes();
            value.extend_from_slice(entry);
            let arguments = [
                lease.owner.as_bytes(),
                fence.as_bytes(),
                &millis(time_to_live.min(LONGEST_LIFE)),
                &value,
            ];
            match numbers(&self.run(&scripts::PUT, key, &arguments).await?)[..] {
                [1] => Ok(Put::Stored),
                [0] => Ok(Put::Outdated),
                _ => Err(unexpected("put")),
            }
        })
    }

    fn acquire<'a>(
        &'a self,
        key: &'a str,
        owner: &'a str,
        time: Duration,
    ) -> StoreFuture<'a, Acquired> {
        Box::pin(async move {
            let arguments = [owner.as_bytes(), &millis(time.min(LONGEST_LEASE))];
            match numbers(&self.run(&scripts::ACQUIRE, key, &arguments).await?)[..] {
                [1, fence] => Ok(Acquired::Granted { fence }),
                [0, fence, left] => Ok(Acquired::Held {
                    fence,
                    left: Duration::from_millis(left.max(1)),
                }),
                _ => Err(unexpected("acquire")),
            }
        })
    }

    fn release<'a>(&'a self, key: &'a str, lease: &'a Lease) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let arguments = [lease.owner.as_bytes()];
            self.run(&scripts::RELEASE, key, &arguments).await.map(drop)
        })
    }

    fn watch<'a>(&'a self, key: &'a str, fence: u64, limit: Duration) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let end = Instant::now() + limit;
            let (mut interval, mut failing_since) = (POLL_INTERVAL, None);
            loop {
                let poll = timeout(POLL_TIMEOUT, self.run(&scripts::HOLDER, key, &[])).await;
                let now = Instant::now();
                let left = end.saturating_duration_since(now);
                match poll.unwrap_or_else(|_| Err(timed_out(POLL_TIMEOUT))) {
                    Ok(held) if numbers(&held) != [fence] => return Ok(()),
                    Ok(_) => failing_since = None,
                    Err(error) => {
                        let since = *failing_since.get_or_insert(now);
                        if now.duration_since(since) >= MAX_POLL_FAILURE {
                            return Err(error);
                        }
                    }
                }
                if left.is_zero() {
                    return Ok(());
                }
                sleep(interval.min(left)).await;
                interval = (interval * 5 / 4).min(MAX_POLL_INTERVAL);
            }
        })
    }

    fn count<'a>(&'a self, key: &'a str, logins: u32) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let logins = logins.to_string();
            let sum = self.run(&scripts::COUNT, key, &[logins.as_bytes()]).await?;
            match numbers(&sum)[..] {
                [sum] => Ok(sum),
                _ => Err(unexpected("count")),
            }
        })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("url", &self.settings.url)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

fn numbers(value: &Value) -> Vec<u64> {
    let number = |value: &Value| match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().filter_map(number).collect(),
        value => number(value).into_iter().collect(),
    }
}

fn millis(time: Duration) -> Vec<u8> {
    time.as_millis().max(1).to_string().into_bytes()
}

fn timed_out(limit: Duration) -> StoreError {
    StoreError::new(format!("no reply from Redis within {limit:?}"))
}

fn unexpected(call: &str) -> StoreError {
    StoreError::new(format!("unexpected Redis reply to {call}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        let store = RedisStore::new("redis://me:c4n4ry@localhost:1/2").unwrap();
        let other = RedisStore::new("redis://localhost")
            .unwrap()
            .credentials(Some("me"), "c4n4ry")
            .sentinel_credentials(None, "c4n4ry");
        for text in [format!("{store:?}"), format!("{other:#?}")] {
            assert!(!text.contains("c4n4ry"), "{text}");
        }
    }

    #[test]
    fn a_prefix_must_not_decide_about_slots() {
        let store = || RedisStore::new("redis://localhost").unwrap();
        for prefix in ["{a}", "a b", "a\n", &"a".repeat(65)] {
            assert!(store().prefix(prefix).is_err(), "{prefix:?}");
        }
        store().prefix("acme:prod:").unwrap();
    }
}
