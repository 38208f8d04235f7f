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
use forcegrant_proto::grant::request::AuthStyle;
use forcegrant_proto::grant::retry::RetrySettings;
use forcegrant_proto::host::TrustPolicy;

/// Every option of a client but its credentials and where they go.
#[derive(Debug)]
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
    pub(crate) transport: Box<dyn Transport>,
    /// The store that tokens are shared through, if there is one.
    pub(crate) store: Option<SharedStore>,
    /// Shares logins with other clients of this process: without a store, and while the store fails.
    pub(crate) process: Option<ProcessSharing>,
    /// Limits when logins start. `None`: they start at once.
    pub(crate) permits: Option<Arc<dyn LoginPermits>>,
    /// For the API calls through these clients.
    pub(crate) calls: CallSettings,
}
