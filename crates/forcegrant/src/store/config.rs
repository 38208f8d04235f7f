//! What a client shares its tokens through, and how a store that fails is kept out of the way.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

#[cfg(feature = "store-file")]
use url::Url;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::http::HttpSettings;
use crate::random;
#[cfg(feature = "store-redis")]
use crate::store::RedisStore;
#[cfg(feature = "store-file")]
use crate::store::file::FileStore;
use crate::store::process::ProcessStore;
use crate::store::{Acquired, Store, StoreError, StoreFuture};
use forcegrant_proto::error::{Error, ErrorCode, invalid_option};
use forcegrant_proto::event::Event;
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::redaction::Redactor;
use forcegrant_proto::store::breaker::Breaker;
use forcegrant_proto::token::Token;
use forcegrant_support::process::PerProcess;

/// Whom a client shares its token with: the option `store`.
///
/// Whoever shares a token shares its logins: one client logs in, and the others use what it got.
/// Only clients with the same client id, client secret, token endpoint and route to it (proxy,
/// `resolve`, `auth_style`) share.
#[derive(Clone, Debug, Default)]
pub struct StoreConfig(Choice);

#[derive(Clone, Debug, Default)]
enum Choice {
    Off,
    #[default]
    Process,
    Store(Arc<Guarded>, Otherwise),
}

/// With whom a client shares its token while its store fails.
#[derive(Clone, Copy, Debug)]
enum Otherwise {
    Nobody,
    /// With the clients of this process that have the same store, or another that fails.
    Process,
}

impl StoreConfig {
    /// With nobody.
    #[must_use]
    pub fn off() -> Self {
        Self(Choice::Off)
    }

    /// With the clients of this process: the default. The shared token lives as long as one of
    /// them.
    #[must_use]
    pub fn process() -> Self {
        Self(Choice::Process)
    }

    /// With everyone who uses this store. Clones share its circuit breaker too.
    #[must_use]
    pub fn store(store: impl Store + 'static) -> Self {
        let store = Guarded::new(Box::new(store));
        Self(Choice::Store(Arc::new(store), Otherwise::Process))
    }

    /// For clients that are many, each of another org: what is shared among the clients of the
    /// process is not.
    pub(crate) fn beyond_process(self) -> Self {
        match self.0 {
            Choice::Process => Self::off(),
            Choice::Store(store, _) => Self(Choice::Store(store, Otherwise::Nobody)),
            Choice::Off => self,
        }
    }

    /// The share of clients with one route: what beside the pair and the token endpoint tells
    /// whether two clients would get the same token.
    pub(crate) fn share(
        &self,
        timeout: Duration,
        route: String,
        clock: &Clock,
    ) -> Option<SharedStore> {
        // Clients of another clock live in another time.
        let within_process = || SharedStore {
            store: Arc::new(Guarded::new(Box::new(ProcessStore::default()))),
            timeout,
            route: format!("{route}\0{}", clock.identity()),
            counts: false,
            otherwise: None,
        };
        match &self.0 {
            Choice::Off => None,
            Choice::Process => Some(within_process()),
            Choice::Store(store, otherwise) => Some(SharedStore {
                store: Arc::clone(store),
                timeout,
                otherwise: match otherwise {
                    Otherwise::Nobody => None,
                    Otherwise::Process => Some(Arc::new(within_process())),
                },
                route,
                counts: true,
            }),
        }
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
                // What is no path is an empty one, which the store refuses.
                FileStore::new(folder.unwrap_or_default()).map(Self::store)
            }
            #[cfg(feature = "store-redis")]
            Some((scheme, _)) if scheme.starts_with("redis") || scheme.starts_with("valkey") => {
                RedisStore::new(text).map(Self::store)
            }
            _ => Err(invalid_option(
                "store",
                // The text may be a URL that holds a password.
                "this names no store",
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

/// A client's share in a store.
#[derive(Clone, Debug)]
pub(crate) struct SharedStore {
    store: Arc<Guarded>,
    /// For each step.
    timeout: Duration,
    pub(crate) route: String,
    /// Whether logins are counted in the store too. Those of one process are counted already.
    pub(crate) counts: bool,
    /// What serves while the store fails.
    pub(crate) otherwise: Option<Arc<SharedStore>>,
}

impl SharedStore {
    /// The store, if it is not out of the way.
    pub(crate) fn open(&self, engine: &Engine) -> Option<&dyn Store> {
        let boot = engine.profile.clock.now().boot;
        let may_ask = self.store.with_breaker(|breaker| breaker.may_ask(boot));
        may_ask.then_some(&*self.store.store)
    }

    /// Takes one step. `None`: it failed, or was late.
    pub(crate) async fn call<T>(&self, engine: &Engine, call: StoreFuture<'_, T>) -> Option<T> {
        self.call_within(self.timeout, engine, call).await
    }

    /// The same for a step that waits for `patience` on purpose.
    pub(crate) async fn wait<T>(
        &self,
        patience: Duration,
        engine: &Engine,
        call: StoreFuture<'_, T>,
    ) -> Option<T> {
        self.call_within(patience + self.timeout, engine, call)
            .await
    }

    /// Extends a lease that was granted. `None`: that failed, or was late. The breaker is not asked and
    /// not told: whoever logs in keeps the right to it while others in this process leave the store alone,
    /// and a lease that was lost costs no more than a login.
    pub(crate) async fn extend(&self, key: &str, owner: &str, time: Duration) -> Option<Acquired> {
        let call = self.store.store.acquire(key, owner, time);
        tokio::time::timeout(self.timeout, call).await.ok()?.ok()
    }

    async fn call_within<T>(
        &self,
        limit: Duration,
        engine: &Engine,
        call: StoreFuture<'_, T>,
    ) -> Option<T> {
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(value)) => {
                self.store.with_breaker(Breaker::worked);
                Some(value)
            }
            Ok(Err(error)) => {
                self.failed(engine, &error);
                None
            }
            Err(_) => {
                let late = format!("no answer within {} ms", limit.as_millis());
                self.failed(engine, &StoreError::new(late));
                None
            }
        }
    }

    /// Keeps the store out of the way for a while, and says so.
    pub(crate) fn failed(&self, engine: &Engine, error: &StoreError) {
        let boot = engine.profile.clock.now().boot;
        let pause = self
            .store
            .with_breaker(|breaker| breaker.failed(boot, random::unit()));
        // Its words are another library's, or a user's.
        let said = own_redactor(engine).clean(&error.to_string(), LONGEST_ERROR);
        let error = Error::new(
            ErrorCode::StoreFailed,
            format!("the store that tokens are shared through failed: {said}"),
        )
        .with_help("Logins go ahead without it, and it is asked again later.")
        .with_retry_after(Some(Duration::from_millis(pause)));
        engine.emit(&Event::store_failed(error));
    }
}

/// How much of a store's error is kept, in characters.
const LONGEST_ERROR: usize = 300;

/// Knows the credentials and the token at hand.
fn own_redactor(engine: &Engine) -> Redactor {
    let redactor = engine
        .provider
        .at_hand()
        .map_or_else(Redactor::new, |login| {
            Redactor::new().hide_credentials(
                login.credentials.client_id(),
                login.credentials.expose_client_secret(),
            )
        });
    match &engine.slot.state().cached {
        Some(lease) => redactor.hide(Token::of(lease).access_token()),
        None => redactor,
    }
}

/// What beside the pair and the token endpoint tells whether two clients would get the same token:
/// where the requests really go, as an org may tie a session to the address it was asked from.
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
            assert!(!format!("{error:?}").contains("hunter22"));
        }
    }
}
