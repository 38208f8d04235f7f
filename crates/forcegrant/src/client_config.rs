//! The options of a client, checked. The clients of a pool have one set in common.

use std::sync::Arc;
use std::time::Duration;

use crate::calls::CallSettings;
use crate::clock::Clock;
use crate::events::Events;
use crate::http::Transport;
use crate::login_permits::LoginPermits;
use crate::shared_logins::ProcessSharing;
use crate::store::SharedStore;
use forcegrant_proto::cache::budget::BudgetSettings;
use forcegrant_proto::cache::policy::{FailureSettings, LifetimeSettings};
use forcegrant_proto::connection::OrgOptions;
use forcegrant_proto::error::Error;
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::grant::retry::RetrySettings;
use forcegrant_proto::host::TrustPolicy;

/// Every option of a client but its credentials and where they go.
#[derive(Clone, Debug)]
pub(crate) struct ClientConfig {
    pub(crate) auth_style: AuthStyle,
    pub(crate) trust: TrustPolicy,
    pub(crate) retry: RetrySettings,
    pub(crate) attempt_timeout: Duration,
    pub(crate) lifetimes: LifetimeSettings,
    pub(crate) failures: FailureSettings,
    pub(crate) budget: BudgetSettings,
    /// The time for the introspection of a new token. `None`: new tokens are not introspected.
    pub(crate) introspection: Option<Duration>,
    pub(crate) clock: Clock,
    pub(crate) events: Events,
    pub(crate) transport: Arc<dyn Transport>,
    /// The store that tokens are shared through, if there is one.
    pub(crate) store: Option<SharedStore>,
    /// Shares logins with other clients of this process: without a store, and while the store fails.
    pub(crate) process: Option<Arc<ProcessSharing>>,
    /// Limits when logins start. `None`: they start at once.
    pub(crate) permits: Option<Arc<dyn LoginPermits>>,
    /// For the API calls through these clients.
    pub(crate) calls: Arc<CallSettings>,
}

impl ClientConfig {
    /// For the client of a pool whose connection has options of its own.
    pub(crate) fn for_org(self: &Arc<Self>, options: &OrgOptions) -> Result<Arc<Self>, Error> {
        // The endpoint belongs to the credentials.
        let OrgOptions {
            token_url: _,
            trusted_hosts,
            session_timeout,
            auth_style,
        } = options;
        if trusted_hosts.is_empty() && session_timeout.is_none() && auth_style.is_none() {
            return Ok(Arc::clone(self));
        }
        let mut config = Self::clone(self);
        let of_org = TrustPolicy::new(trusted_hosts.iter().cloned(), false)?;
        config.trust.trust_also(of_org);
        config.lifetimes.session_timeout = session_timeout.or(config.lifetimes.session_timeout);
        config.auth_style = auth_style.unwrap_or(config.auth_style);
        Ok(Arc::new(config))
    }
}
