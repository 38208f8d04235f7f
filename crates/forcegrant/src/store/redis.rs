//! A token shared through Redis or Valkey: [`RedisStore`].

mod address;
mod fault;
mod limited;
mod links;
mod scripts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use tokio::time::{Instant, sleep, timeout};

use self::address::Address;
use self::links::{Links, Login};
use self::scripts::{Call, Script};
use crate::http::{Roots, check_roots};
use crate::store::{Acquired, Lease, POLL, Put, Store, StoreError, StoreFuture, Stored};
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::secret::Secret;
use forcegrant_proto::store::protocol::{LONGEST_LEASE, LONGEST_LIFE};

/// A store in Redis 6.2 or newer, or Valkey: one server, a master that Sentinels know, or a Cluster.
///
/// It is built without a connection, and connects when it is first used. Each step is one script,
/// which the server runs whole; the times are those of the server's clock. Keys start with a prefix
/// and keep the keys of one step in one slot of a Cluster; every key has a time to live. A connection
/// is kept as long as something is in flight, so an idle process has none.
///
/// Waiting is done by asking again, every 50 ms at first and every quarter of a second later, and
/// not by publishing: that needs a connection more for each who waits, and rights on channels.
///
/// Clones are one store: they share connections.
///
/// A user with an ACL needs `~forcegrant:*` (the prefix), and `+get +set +del +pttl +pexpire +time
/// +hincrby +hgetall +hdel +eval +evalsha`, with `+asking` in a Cluster.
#[derive(Clone)]
pub struct RedisStore {
    address: Address,
    prefix: String,
    roots: Roots,
    sentinel_login: Login,
    login: Login,
    links: Arc<Links>,
}

/// The longest wait for one step, should nobody else set a limit.
const STEP: Duration = Duration::from_secs(10);
/// The longest wait for one look of one who waits for a login.
const LOOK: Duration = Duration::from_secs(1);
/// How long looks may fail before the wait does.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks of one who waits for long.
const LONGEST_POLL: Duration = Duration::from_millis(250);

impl RedisStore {
    /// A store at these addresses:
    ///
    /// * `redis://[user:password@]host[:6379][/database]`
    /// * `redis+sentinel://[user:password@]host[:26379][,host[:port]…]/master[/database]`
    /// * `redis+cluster://[user:password@]host[:6379][,host[:port]…]`
    ///
    /// With `rediss` in place of `redis`, all connections use TLS. User and password are those of the
    /// servers that keep the entries, percent-encoded. Several URLs may be given for one set of
    /// Sentinels or one Cluster, separated by blanks.
    ///
    /// For settings that are text only, a query may follow, its values percent-encoded:
    /// `?prefix=acme:&roots=/etc/redis/ca.pem` ([`prefix`](Self::prefix); [`roots`](Self::roots):
    /// `platform`, `bundled`, or a file that is read now), and `sentinel_user` and
    /// `sentinel_password` ([`sentinel_credentials`](Self::sentinel_credentials)).
    ///
    /// # Errors
    /// An [`invalid_option`](forcegrant_proto::error) error, which does not repeat the URL: it is none of
    /// these.
    pub fn new(urls: &str) -> Result<Self, Error> {
        let (address, settings) = address::parse(urls)?;
        let store = Self {
            address,
            prefix: String::new(),
            roots: Roots::default(),
            sentinel_login: settings.sentinel_login.unwrap_or_default(),
            login: settings.login.unwrap_or_default(),
            links: Arc::default(),
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
                "it can not start a key",
                "Up to 64 bytes, without braces, blanks and control characters.",
            ));
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// Which authorities are trusted for TLS; by default the platform's.
    ///
    /// # Errors
    /// The PEM text holds no certificate, or one that can not be a root.
    pub fn roots(mut self, roots: Roots) -> Result<Self, Error> {
        check_roots(&roots)?;
        self.roots = roots;
        Ok(self)
    }

    /// The user and password, in place of those in the URL. Without a user, it is the default user's
    /// password.
    #[must_use]
    pub fn credentials(mut self, user: Option<&str>, password: impl Into<Secret>) -> Self {
        self.login = Login::new(user, Some(password.into()));
        self
    }

    /// The user and password of the Sentinels, if they want any.
    #[must_use]
    pub fn sentinel_credentials(mut self, user: Option<&str>, password: impl Into<Secret>) -> Self {
        self.sentinel_login = Login::new(user, Some(password.into()));
        self
    }

    async fn run(
        &self,
        script: &'static Script,
        key: &str,
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let call = Call {
            script,
            // Braces: only what is between them decides about the slot.
            keys: (script.keys.iter())
                .map(|kind| format!("{}{{{key}}}:{kind}", self.prefix))
                .collect(),
            arguments,
            slot: address::slot(key),
        };
        let answer = timeout(STEP, self.links.run(self, &call)).await;
        answer.unwrap_or_else(|_| Err(late(STEP)))
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(async move {
            let found = self.run(&scripts::GET, key, &[]).await?;
            Ok(stored(found))
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
            let mut whole = header(lease.fence, entry.len()).into_bytes();
            whole.extend_from_slice(entry);
            let arguments = [
                lease.owner.as_bytes(),
                fence.as_bytes(),
                &millis(time_to_live.min(LONGEST_LIFE)),
                &whole,
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
            let (mut pause, mut failing_since) = (POLL, None);
            loop {
                let look = timeout(LOOK, self.run(&scripts::HOLDER, key, &[])).await;
                let now = Instant::now();
                let left = end.saturating_duration_since(now);
                match look.unwrap_or_else(|_| Err(late(LOOK))) {
                    Ok(held) if numbers(&held) != [fence] => return Ok(()),
                    Ok(_) => failing_since = None,
                    // A restart or a failover in the middle of a login must not send all who wait
                    // for it to log in themselves.
                    Err(error) => {
                        let since = *failing_since.get_or_insert(now);
                        if now.duration_since(since) >= PATIENCE {
                            return Err(error);
                        }
                    }
                }
                if left.is_zero() {
                    return Ok(());
                }
                sleep(pause.min(left)).await;
                pause = (pause * 5 / 4).min(LONGEST_POLL);
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
            .field("address", &self.address)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The header before an entry is no longer, in bytes: the script of `get` has this number.
#[cfg(test)]
const LONGEST_HEADER: usize = 64;

/// What stands before an entry: the version of the layout, the fence and the length, so that one that
/// was cut or is not ours is noticed. The script of `put` reads the fence.
fn header(fence: u64, length: usize) -> String {
    format!("1 {fence} {length}\n")
}

/// An entry with its header and what is left of its time; none if anything about it is not as it was
/// put.
fn stored(found: Value) -> Option<Stored> {
    let Value::Array(parts) = found else {
        return None;
    };
    let [Value::BulkString(whole), Value::Int(left)] = &parts[..] else {
        return None;
    };
    let end = whole.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&whole[..end]).ok()?.split(' ');
    let entry = &whole[end + 1..];
    if words.next() != Some("1") || words.nth(1)?.parse() != Ok(entry.len()) {
        return None;
    }
    Some(Stored {
        entry: entry.to_vec(),
        // Negative: somebody took the time to live from it.
        left: u64::try_from(*left).ok().map(Duration::from_millis),
    })
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

fn late(limit: Duration) -> StoreError {
    StoreError::new(format!("Redis did not answer within {limit:?}"))
}

fn unexpected(step: &str) -> StoreError {
    StoreError::new(format!("Redis answered {step} in a way that it does not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_not_as_it_was_put_is_none() {
        let answer = |whole: &[u8]| {
            let parts = vec![Value::BulkString(whole.to_vec()), Value::Int(1500)];
            stored(Value::Array(parts)).map(|stored| stored.entry)
        };
        let whole = [header(7, 5).as_bytes(), b"entry"].concat();
        assert_eq!(answer(&whole).as_deref(), Some(&b"entry"[..]));
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut]), None, "cut at {cut}");
        }
        for foreign in [
            &b""[..],
            b"x",
            b"\n",
            b"2 7 5\nentry",
            b"1 7\nentry",
            b"1 7 5 \xff\nentry",
            b"1 7 6\nentry",
        ] {
            assert_eq!(answer(foreign), None, "{foreign:?}");
        }
        assert_eq!(stored(Value::Nil), None);
    }

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
