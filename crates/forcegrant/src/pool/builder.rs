//! The options of a pool.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::ClientPool;
use super::clients::Clients;
use super::limiter::LoginLimiter;
use super::login_queue::PacingSettings;
use super::org::{OrgCredentials, OrgSource, unknown_to_callback};
use crate::builder::ClientBuilder;
use crate::connections::Connections;
use crate::credentials::{CredentialsSource, LoadOrg, callback_failed};
use crate::events::Events;
use forcegrant_proto::error::{Error, invalid_option};
use forcegrant_proto::event::Event;
use forcegrant_proto::host::TrustPolicy;
use forcegrant_proto::secret::Secret;

type UserError = Box<dyn std::error::Error + Send + Sync>;

type LoadingOrg = Pin<Box<dyn Future<Output = Result<Option<OrgCredentials>, UserError>> + Send>>;

/// A user's callback, whatever its own type.
type OrgCallback = Arc<dyn Fn(String) -> LoadingOrg + Send + Sync>;

/// Collects the options of a [`ClientPool`]. Nothing is checked, read or started before
/// [`ClientPoolBuilder::build`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `build`"]
pub struct ClientPoolBuilder {
    options: ClientBuilder,
    max_clients: usize,
    pub(super) pacing: PacingSettings,
    callback: Option<OrgCallback>,
    connections: Option<Connections>,
}

/// More would not fit into the memory of today's machines.
const MAX_CLIENTS: usize = 10_000_000;

/// Orgs that logged in together are refreshed over half a window, not over a fifth as one client is.
pub(super) const SPREAD: u8 = 50;

impl ClientPool {
    /// A pool with its options.
    pub fn builder() -> ClientPoolBuilder {
        ClientPoolBuilder::new()
    }
}

impl ClientPoolBuilder {
    fn new() -> Self {
        Self {
            options: ClientBuilder::new(String::new(), String::new(), Secret::new("")),
            max_clients: 10_000,
            pacing: PacingSettings::default(),
            callback: None,
            connections: None,
        }
    }

    /// Sets the options that all clients share, by the methods of [`ClientBuilder`]; those about the
    /// credentials and the token URL of one org are refused by [`ClientPoolBuilder::build`].
    pub fn options(mut self, set: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        self.options = set(self.options);
        self
    }

    /// How many clients the pool holds at most, 1 to 10,000,000. Default 10,000.
    pub fn max_clients(mut self, most: usize) -> Self {
        self.max_clients = most;
        self
    }

    /// How many logins of the pool start within a second, 1 to 100,000; up to a tenth of that may
    /// start together. Retries within a login are not counted. Default 100; `None`: no limit.
    pub fn logins_per_second(mut self, rate: Option<u32>) -> Self {
        self.pacing.per_second = rate;
        self
    }

    /// How many logins of the pool are in flight at once, 1 to 10,000. One that takes longer than
    /// two seconds is not counted, up to four times as many, so that orgs which do not respond delay
    /// no others. Default 64; `None`: no limit.
    pub fn concurrent_logins(mut self, most: Option<u32>) -> Self {
        self.pacing.at_once = most;
        self
    }

    /// A callback that brings the credentials of a key that was not inserted: from a database or a
    /// vault. It is asked at the first login of a key and when a login is refused for its
    /// credentials; callers of one key share the question. It runs on the worker's runtime, so it
    /// must not block; `total_timeout` bounds it.
    ///
    /// It returns [`OrgCredentials`], or an `Option` of them: with `None` there is no such key, and its callers get
    /// `unknown_key`. A failure is remembered as a passing one is.
    pub fn credentials_callback<F, L, R>(mut self, load: F) -> Self
    where
        F: Fn(String) -> L + Send + Sync + 'static,
        L: Future<Output = Result<R, UserError>> + Send + 'static,
        R: Into<Option<OrgCredentials>>,
    {
        self.callback = Some(Arc::new(move |key| {
            let loading = load(key);
            Box::pin(async move { loading.await.map(Into::into) })
        }));
        self
    }

    /// The saved connections of a folder: the keys of the pool are their ids. Each is read at the first use of its
    /// key, and again when its file changes and when a login is refused, as a client of its own does it. The options in
    /// a connection hold for its client, before those of the pool.
    pub fn connections(mut self, connections: Connections) -> Self {
        self.connections = Some(connections);
        self
    }

    /// Calls `listener` with a key and what happened to it: see [`ClientBuilder::on_event`].
    pub fn on_event(self, listener: impl Fn(&str, &Event) + Send + Sync + 'static) -> Self {
        self.with_events(Events::apart(move |_, key, event| listener(key, event)))
    }

    pub(crate) fn with_events(mut self, events: Events) -> Self {
        self.options = self.options.with_events(events);
        self
    }

    /// Checks every option and makes the pool. Sends nothing and starts nothing.
    ///
    /// # Errors
    /// `invalid_option`; it names the option and a right value.
    pub fn build(self) -> Result<ClientPool, Error> {
        let within = |name: &str, value: usize, most: usize, none: &str| {
            if (1..=most).contains(&value) {
                return Ok(());
            }
            Err(invalid_option(
                name,
                &format!("{value} is out of range"),
                &format!("Give a number from 1 to {most}{none}."),
            ))
        };
        within("max_clients", self.max_clients, MAX_CLIENTS, "")?;
        let (rate, at_once) = (self.pacing.per_second, self.pacing.at_once);
        let none = ", or none for no limit";
        within("logins_per_second", rate.map_or(1, whole), 100_000, none)?;
        within("concurrent_logins", at_once.map_or(1, whole), 10_000, none)?;
        let mut config = self.options.common_config()?;
        config.lifetimes.spread = SPREAD;
        if rate.is_some() || at_once.is_some() {
            let limiter = LoginLimiter::new(self.pacing, config.clock.clone());
            config.permits = Some(Arc::new(limiter));
        }
        let source = match (self.callback, self.connections) {
            (None, None) => None,
            (Some(callback), None) => Some(OrgSource::Callback(asking(callback, &config.trust))),
            (None, Some(connections)) => Some(OrgSource::Connections(connections)),
            (Some(_), Some(_)) => {
                return Err(invalid_option(
                    "connections",
                    "there is a credentials callback, too",
                    "Give the one or the other. A callback may read connections and return them.",
                ));
            }
        };
        Ok(ClientPool {
            clients: Arc::new(Clients::new(config, self.max_clients)),
            source,
        })
    }
}

/// A source that calls the callback.
fn asking(callback: OrgCallback, trust: &TrustPolicy) -> Arc<CredentialsSource> {
    let trust = Arc::new(trust.clone());
    let load: LoadOrg = Arc::new(move |key| {
        let (loading, trust) = (callback(key.clone()), Arc::clone(&trust));
        Box::pin(async move {
            let found = loading
                .await
                .map_err(|error| callback_failed(error.as_ref()))?;
            let found = found.ok_or_else(|| unknown_to_callback(&key))?;
            found.load(&trust).await
        })
    });
    Arc::new(CredentialsSource::Org(load))
}

fn whole(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl fmt::Debug for ClientPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientPoolBuilder")
            .field("options", &self.options)
            .field("max_clients", &self.max_clients)
            .field("pacing", &self.pacing)
            .field("has_callback", &self.callback.is_some())
            .field("connections", &self.connections)
            .finish()
    }
}
