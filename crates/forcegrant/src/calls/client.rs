//! The calls of one client: the pure rooms beside this one, and what it remembers for them.

use std::sync::Arc;
#[cfg(feature = "http-client")]
use std::sync::OnceLock;

use arc_swap::ArcSwapOption;

use crate::calls::replay::{self, CallAnswer, Next};
use crate::calls::retry::CallRetry;
use crate::calls::target::Instances;
#[cfg(feature = "http-client")]
use crate::calls::threads::Connections;
use crate::calls::usage::LastUsage;
use crate::client::Client;
use crate::error::Error;
#[cfg(feature = "http-client")]
use crate::http::{self, HttpSettings};
#[cfg(feature = "http-client")]
use crate::process::PerProcess;
use crate::random;
use crate::token::Token;
use crate::verdict::{ApiAnswer, ApiUsage};

/// What a client remembers for its calls; one for all its clones.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    usage: LastUsage,
    instances: ArcSwapOption<Instances>,
}

/// What holds for the calls of all clients with the same options.
#[derive(Debug, Default)]
pub(crate) struct CallSettings {
    pub(crate) retry: CallRetry,
    #[cfg(feature = "http-client")]
    http: Http,
}

/// The HTTP clients of `Client::request` and of its blocking twin: made at the first call of each
/// process. Two, as connections belong to the event loop they were made in.
#[cfg(feature = "http-client")]
#[derive(Debug, Default)]
struct Http {
    settings: HttpSettings,
    client: PerProcess<OnceLock<reqwest::Client>>,
    connections: PerProcess<OnceLock<Arc<Connections>>>,
}

impl CallSettings {
    pub(crate) fn new(retry: CallRetry) -> Self {
        Self {
            retry,
            #[cfg(feature = "http-client")]
            http: Http::default(),
        }
    }

    /// With an HTTP client of these settings.
    #[cfg(feature = "http-client")]
    pub(crate) fn with_http(self, settings: HttpSettings) -> Self {
        let http = Http {
            settings,
            ..Http::default()
        };
        Self { http, ..self }
    }

    #[cfg(feature = "http-client")]
    pub(crate) fn http(&self) -> Result<reqwest::Client, Error> {
        let cell = self.http.client.current();
        if let Some(client) = cell.get() {
            return Ok(client.clone());
        }
        let client = http::for_calls(&self.http.settings, None)?;
        Ok(cell.get_or_init(|| client).clone())
    }

    #[cfg(feature = "http-client")]
    pub(crate) fn connections(&self) -> Result<Arc<Connections>, Error> {
        let cell = self.http.connections.current();
        if let Some(connections) = cell.get() {
            return Ok(Arc::clone(connections));
        }
        let connections = Arc::new(Connections::new(&self.http.settings)?);
        Ok(Arc::clone(cell.get_or_init(|| connections)))
    }
}

impl Calls {
    fn aim(&self, instance_url: &str, api: Option<&str>, url: &str) -> Result<String, Error> {
        let known = self.instances.load();
        if let Some(known) = known.as_ref()
            && known.with(instance_url, api).is_none()
        {
            return known.aim(instance_url, api, url);
        }
        // Of two threads that learn at once one may win; the other's is learned by the next call.
        let known = known.as_deref().cloned().unwrap_or_default();
        let known = known.with(instance_url, api).unwrap_or(known);
        let aimed = known.aim(instance_url, api, url);
        self.instances.store(Some(Arc::new(known)));
        aimed
    }
}

impl Client {
    /// Where a call with this token goes: a path to the token's instance; a URL that was made for an
    /// instance of an earlier token to where that is now; any other URL as it is. Ask
    /// [`Client::may_carry`] whether the token may go along.
    ///
    /// # Errors
    /// `invalid_option` for what is neither a URL nor a path on the instance.
    pub fn aim(&self, token: &Token, path_or_url: &str) -> Result<String, Error> {
        self.aim_for(token.instance_url(), token.api_instance_url(), path_or_url)
    }

    /// The same as [`Client::aim`] for bindings that keep the token in their own language.
    ///
    /// # Errors
    /// As [`Client::aim`].
    pub fn aim_for(
        &self,
        instance_url: &str,
        api_instance_url: Option<&str>,
        path_or_url: &str,
    ) -> Result<String, Error> {
        self.engine
            .calls()
            .aim(instance_url, api_instance_url, path_or_url)
    }

    /// Takes in the answer to a call that carried this token: notes the API usage, reports the token
    /// if its session is dead, and says what comes next. For adapters of HTTP clients; the steps are
    /// in [`calls`](crate::calls).
    pub fn judge(&self, access_token: &str, call: &CallAnswer<'_>) -> Next {
        if let Some(usage) = call.answer.api_usage() {
            self.note_usage(usage);
        }
        // Most answers are fine: no verdict, no randomness.
        if call.answer.status < 400 {
            return Next::Deliver;
        }
        let decision = replay::decide(call, &self.engine.profile.calls.retry, random::unit());
        if decision.drops_token {
            self.invalidate_access_token(access_token);
        }
        decision.next
    }

    /// The API requests of the org in the last 24 hours, as the last answer told that went through an
    /// adapter of this client. `None` before the first.
    #[must_use]
    pub fn limits(&self) -> Option<ApiUsage> {
        self.engine.calls().usage.last()
    }

    /// Notes what an answer told: for HTTP clients without an adapter.
    pub fn note_usage(&self, usage: ApiUsage) {
        self.engine.calls().usage.note(usage);
    }

    /// Notes a header `Sforce-Limit-Info`, as [`Client::note_usage`].
    pub fn note_limit_info(&self, header: &str) {
        let answer = ApiAnswer {
            limit_info: Some(header),
            ..ApiAnswer::default()
        };
        if let Some(usage) = answer.api_usage() {
            self.note_usage(usage);
        }
    }
}
