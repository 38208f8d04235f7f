//! The option `store`, and calls of a store behind a time limit and a circuit breaker.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(feature = "store-file")]
use url::Url;

use crate::http::HttpSettings;
use crate::random;
#[cfg(feature = "store-redis")]
use crate::store::RedisStore;
#[cfg(feature = "store-file")]
use crate::store::file::FileStore;
use crate::store::{Acquired, Store, StoreError, StoreFuture};
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::store::breaker::Breaker;
use forcegrant_support::process::PerProcess;

/// The clients that a client shares its token with: the option `store`.
///
/// Clients that share a token share its logins: one client logs in, and the others use what it got. Only clients
/// with the same client id, client secret, token endpoint and route to it (proxy, `resolve`, `auth_style`)
/// share.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig(SharingScope);

#[derive(Clone, Debug, Default)]
enum SharingScope {
    Off,
    #[default]
    Process,
    Store(Arc<Guarded>),
}

impl StoreConfig {
    /// No other client.
    #[must_use]
    pub fn off() -> Self {
        Self(SharingScope::Off)
    }

    /// The clients of this process: the default. The shared token lives as long as one of them.
    #[must_use]
    pub fn process() -> Self {
        Self(SharingScope::Process)
    }

    /// All clients that use this store; while it fails, those of this process. Clones share its circuit breaker
    /// too.
    #[must_use]
    pub fn store(store: impl Store + 'static) -> Self {
        let store = Guarded::new(Box::new(store));
        Self(SharingScope::Store(Arc::new(store)))
    }

    /// Whether the token is shared within this process, without the store or while it fails.
    pub(crate) fn is_within_process(&self) -> bool {
        !matches!(self.0, SharingScope::Off)
    }

    /// The store, for clients with this [`route`].
    pub(crate) fn shared_store(&self, timeout: Duration, route: &str) -> Option<SharedStore> {
        let SharingScope::Store(store) = &self.0 else {
            return None;
        };
        Some(SharedStore {
            store: Arc::clone(store),
            timeout,
            route: route.to_owned(),
        })
    }
}

/// The text form, for settings that come from a file or another language: `off`, `process`, `file`
/// (in the user's cache folder), `file:///var/cache/my-service` (in this folder), and the URLs of
/// [`RedisStore`](crate::store::RedisStore), if the features are on.
///
/// # Errors
/// `invalid_option`, which says what there is.
impl FromStr for StoreConfig {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "off" => Ok(Self::off()),
            "process" => Ok(Self::process()),
            #[cfg(feature = "store-file")]
            "file" => FileStore::in_user_cache().map(Self::store),
            other => Self::from_url(other),
        }
    }
}

impl StoreConfig {
    fn from_url(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            #[cfg(feature = "store-file")]
            Some(("file", path)) if path.starts_with("//") => {
                let url = Url::parse(text).ok();
                let folder = url.and_then(|url| url.to_file_path().ok());
                // Without a path it is empty, which the store refuses.
                FileStore::new(folder.unwrap_or_default()).map(Self::store)
            }
            #[cfg(feature = "store-redis")]
            Some((scheme, _)) if scheme.starts_with("redis") || scheme.starts_with("valkey") => {
                RedisStore::new(text).map(Self::store)
            }
            _ => Err(invalid_option(
                "store",
                // The text may be a URL that holds a password.
                "unknown store",
                "Give \"off\", \"process\", \"file\", \"file:///an/absolute/folder\" or \"redis://host\".",
            )),
        }
    }
}

impl<S: Store + 'static> From<S> for StoreConfig {
    fn from(store: S) -> Self {
        Self::store(store)
    }
}

/// A store as one client uses it.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore {
    store: Arc<Guarded>,
    /// For each call.
    timeout: Duration,
    pub(crate) route: String,
}

impl SharedStore {
    /// The store, unless it failed recently. `now` is the boot time of the client's clock.
    pub(crate) fn open(&self, now: u64) -> Option<&dyn Store> {
        let may_call = self.store.with_breaker(|breaker| breaker.may_call(now));
        may_call.then_some(&*self.store.store)
    }

    /// Waits for a call of the store, which itself waits for up to `wait`.
    pub(crate) async fn call<T>(
        &self,
        wait: Duration,
        call: StoreFuture<'_, T>,
    ) -> Result<T, StoreError> {
        let limit = wait + self.timeout;
        let late = |_| StoreError::new(format!("no response within {} ms", limit.as_millis()));
        let value = tokio::time::timeout(limit, call).await.map_err(late)??;
        self.store.with_breaker(Breaker::worked);
        Ok(value)
    }

    /// Renews a lease. `None`: that failed or was late. It ignores the circuit breaker: a client that is logging in
    /// keeps its lease while others in this process do not use the store, and a lost lease costs only a login.
    pub(crate) async fn renew(&self, key: &str, owner: &str, time: Duration) -> Option<Acquired> {
        let call = self.store.store.acquire(key, owner, time);
        tokio::time::timeout(self.timeout, call).await.ok()?.ok()
    }

    /// A call failed: no client of this process uses the store for a while. Returns how long, in milliseconds.
    pub(crate) fn failed(&self, now: u64) -> u64 {
        self.store
            .with_breaker(|breaker| breaker.failed(now, random::unit()))
    }
}

/// Clients with the same credentials and token endpoint share a token only if they also have this in common: how
/// requests reach Salesforce, because an org may tie a session to the address that it was requested from.
pub(crate) fn route(http: &HttpSettings, style: AuthStyle) -> String {
    let mut resolve: Vec<_> = http
        .resolve
        .iter()
        .map(|(host, address)| format!("{host}={address}"))
        .collect();
    resolve.sort_unstable();
    let proxy = http.proxies.identity();
    format!("{}\0{}\0{proxy}", style.as_str(), resolve.join(","))
}

/// A store and its circuit breaker.
struct Guarded {
    store: Box<dyn Store>,
    breaker: PerProcess<Mutex<Breaker>>,
}

impl Guarded {
    fn new(store: Box<dyn Store>) -> Self {
        Self {
            store,
            breaker: PerProcess::default(),
        }
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let breaker = self.breaker.current();
        let mut breaker = breaker.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut breaker)
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_names_every_store() {
        let shown = |text: &str| format!("{:?}", text.parse::<StoreConfig>().unwrap().0);
        assert_eq!(shown("off"), "Off");
        assert_eq!(shown("process"), "Process");
        #[cfg(feature = "store-file")]
        assert!(shown("file:///var/cache/x").contains("/var/cache/x"));
        #[cfg(feature = "store-redis")]
        assert!(shown("rediss://u:hunter22@redis.test/1").contains("redis.test"));
        for text in ["", "files", "file:relative", "ftp://hunter22@x", "http://x"] {
            let error = text.parse::<StoreConfig>().unwrap_err();
            assert_eq!(error.code(), "invalid_option");
            assert!(!error.to_string().contains("hunter22"));
        }
    }
}
