//! What happened, for logs, metrics and callbacks. No event holds a secret or a token.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::token::Expiry;

/// Something that happened in a client. Tokens appear as fingerprints only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A login starts. `background`: a usable token is served meanwhile.
    #[non_exhaustive]
    MintStarted {
        /// Nobody waits for it.
        background: bool,
    },
    /// One attempt of a login failed and another follows.
    #[non_exhaustive]
    MintRetried {
        /// What the attempt met.
        error: Error,
        /// Attempts made so far.
        attempts: u32,
        /// The pause before the next.
        pause: Duration,
    },
    /// A login brought a token.
    #[non_exhaustive]
    MintSucceeded {
        /// The token's fingerprint.
        fingerprint: String,
        /// When it ends.
        expiry: Expiry,
        /// What was left of its life when it arrived.
        lifetime: Duration,
        /// Attempts made.
        attempts: u32,
        /// From the first request to the token.
        took: Duration,
    },
    /// A login failed for good.
    #[non_exhaustive]
    MintFailed {
        /// Why.
        error: Error,
        /// Attempts made.
        attempts: u32,
        /// From the first request to the failure.
        took: Duration,
    },
    /// A refresh of the token is due; it is served meanwhile. Once for each token.
    #[non_exhaustive]
    LeaseAged {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The token's estimated end has passed and refreshing it fails for a passing reason; it is
    /// served all the same. Once for each token.
    #[non_exhaustive]
    LeaseLapsed {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The current token was reported as rejected and is not served any more.
    #[non_exhaustive]
    Invalidated {
        /// The token's fingerprint.
        fingerprint: String,
        /// How long ago it was requested.
        age: Duration,
    },
    /// A new login returned the token that had been reported as rejected.
    #[non_exhaustive]
    SameTokenReturned {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// Introspection told nothing; the lifetime is estimated instead.
    #[non_exhaustive]
    IntrospectionFailed {
        /// Why.
        error: Error,
    },
    /// Three fifths of `login_budget` are used up: half of Salesforce's limit with the default.
    /// Once for each crossing.
    #[non_exhaustive]
    LoginBudgetWarning {
        /// Logins of this process in the last hour.
        used: u32,
        /// None is started from here on.
        stop: u32,
    },
    /// A login succeeded with another key pair than the one before.
    #[non_exhaustive]
    CredentialsRotated {
        /// The client id now in use.
        client_id: String,
        /// The pair's fingerprint.
        fingerprint: String,
    },
    /// The source of the credentials could not be read again; those at hand are used.
    #[non_exhaustive]
    CredentialsReloadFailed {
        /// Why.
        error: Error,
    },
    /// The answer's signature does not fit the client secret. The token is used all the same:
    /// which secret signs while two are live is not documented.
    #[non_exhaustive]
    SignatureMismatch {
        /// The token's fingerprint.
        fingerprint: String,
    },
}

impl Event {
    /// A stable word for the kind of event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MintStarted { .. } => "mint_started",
            Self::MintRetried { .. } => "mint_retried",
            Self::MintSucceeded { .. } => "mint_succeeded",
            Self::MintFailed { .. } => "mint_failed",
            Self::LeaseAged { .. } => "lease_aged",
            Self::LeaseLapsed { .. } => "lease_lapsed",
            Self::Invalidated { .. } => "invalidated",
            Self::SameTokenReturned { .. } => "same_token_returned",
            Self::IntrospectionFailed { .. } => "introspection_failed",
            Self::LoginBudgetWarning { .. } => "login_budget_warning",
            Self::CredentialsRotated { .. } => "credentials_rotated",
            Self::CredentialsReloadFailed { .. } => "credentials_reload_failed",
            Self::SignatureMismatch { .. } => "signature_mismatch",
        }
    }
}

type Listener = Arc<dyn Fn(&Event) + Send + Sync>;

/// Delivers events to the user's callback and, with the feature, to `tracing`.
#[derive(Clone, Default)]
pub(crate) struct Events(Option<Listener>);

impl Events {
    pub(crate) fn to(listener: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Delivers one event. A callback that panics harms nothing but itself.
    pub(crate) fn emit(&self, host: &str, event: &Event) {
        trace(host, event);
        if let Some(listener) = &self.0 {
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| listener(event)));
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.0.is_some()).finish()
    }
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &str, _: &Event) {}

#[cfg(feature = "tracing")]
fn trace(host: &str, event: &Event) {
    use tracing::{debug, info, warn};
    let name = event.name();
    match event {
        Event::MintStarted { background } => {
            debug!(target: "forcegrant", host, background, "{name}");
        }
        Event::MintRetried {
            error,
            attempts,
            pause,
        } => {
            warn!(target: "forcegrant", host, code = error.code(), attempts, ?pause, "{name}");
        }
        Event::MintSucceeded {
            fingerprint,
            expiry,
            attempts,
            took,
            ..
        } => {
            info!(target: "forcegrant", host, %fingerprint, source = expiry.source().as_str(), attempts, ?took, "{name}");
        }
        Event::MintFailed {
            error,
            attempts,
            took,
        } => {
            warn!(target: "forcegrant", host, code = error.code(), attempts, ?took, message = error.message(), "{name}");
        }
        Event::Invalidated { fingerprint, age } => {
            info!(target: "forcegrant", host, %fingerprint, ?age, "{name}");
        }
        Event::LeaseAged { fingerprint } => {
            debug!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        Event::LoginBudgetWarning { used, stop } => {
            warn!(target: "forcegrant", host, used, stop, "{name}");
        }
        Event::CredentialsRotated { fingerprint, .. } => {
            info!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        Event::IntrospectionFailed { error } | Event::CredentialsReloadFailed { error } => {
            warn!(target: "forcegrant", host, code = error.code(), message = error.message(), "{name}");
        }
        Event::LeaseLapsed { fingerprint }
        | Event::SameTokenReturned { fingerprint }
        | Event::SignatureMismatch { fingerprint } => {
            warn!(target: "forcegrant", host, %fingerprint, "{name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panicking_callback_harms_nothing() {
        let events = Events::to(|_| panic!("a callback that panics, on purpose"));
        events.emit(
            "acme.my.salesforce.com",
            &Event::MintStarted { background: false },
        );
    }
}
