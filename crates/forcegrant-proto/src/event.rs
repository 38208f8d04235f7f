//! What happened in a client. No event holds a secret or a token.

use std::time::Duration;

use crate::error::Error;
use crate::expiry::Expiry;

/// Something that happened in a client. Tokens appear as fingerprints only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A login starts.
    #[non_exhaustive]
    LoginStarted {
        /// A usable token is served meanwhile, and no caller waits.
        background: bool,
    },
    /// One attempt of a login failed and another follows.
    #[non_exhaustive]
    LoginRetried {
        /// Why the attempt failed.
        error: Error,
        /// Attempts made so far.
        attempts: u32,
        /// The pause before the next.
        pause: Duration,
    },
    /// A login brought a token.
    #[non_exhaustive]
    LoginSucceeded {
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
    /// Another client's login brought a token that serves here too (option `store`).
    #[non_exhaustive]
    TokenAdopted {
        /// The token's fingerprint.
        fingerprint: String,
        /// When it ends.
        expiry: Expiry,
        /// What was left of its life when it was found.
        lifetime: Duration,
    },
    /// The store failed or was late. It is not used for a while, and logins go ahead without it.
    #[non_exhaustive]
    StoreFailed {
        /// Why; its `retry_after` says how long.
        error: Error,
    },
    /// A login failed, after all its attempts.
    #[non_exhaustive]
    LoginFailed {
        /// Why.
        error: Error,
        /// Attempts made.
        attempts: u32,
        /// From the first request to the failure.
        took: Duration,
    },
    /// A refresh of the token is due; it is served meanwhile. Once for each token.
    #[non_exhaustive]
    RefreshDue {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The token's estimated end has passed and refreshing it fails temporarily; it is still served. Once for each
    /// token.
    #[non_exhaustive]
    ServingStale {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The current token was reported as rejected and is no longer served.
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
    /// Introspection failed; the lifetime is estimated instead.
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
    /// A login succeeded with other client credentials than the one before.
    #[non_exhaustive]
    CredentialsRotated {
        /// The client id now in use.
        client_id: String,
        /// The pair's fingerprint.
        fingerprint: String,
    },
    /// The source of the credentials could not be read again; the previous ones are used.
    #[non_exhaustive]
    CredentialsReloadFailed {
        /// Why.
        error: Error,
    },
    /// The response's signature does not match the client secret. The token is still used: while two secrets are live,
    /// it is not documented which one signs.
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
            Self::LoginStarted { .. } => "login_started",
            Self::LoginRetried { .. } => "login_retried",
            Self::LoginSucceeded { .. } => "login_succeeded",
            Self::TokenAdopted { .. } => "token_adopted",
            Self::StoreFailed { .. } => "store_failed",
            Self::LoginFailed { .. } => "login_failed",
            Self::RefreshDue { .. } => "refresh_due",
            Self::ServingStale { .. } => "serving_stale",
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

/// The variants may get further fields, so other crates cannot build them: these functions do, for the
/// crates of this workspace.
impl Event {
    #[doc(hidden)]
    pub fn login_started(background: bool) -> Self {
        Self::LoginStarted { background }
    }

    #[doc(hidden)]
    pub fn login_retried(error: Error, attempts: u32, pause: Duration) -> Self {
        Self::LoginRetried {
            error,
            attempts,
            pause,
        }
    }

    #[doc(hidden)]
    pub fn login_succeeded(
        fingerprint: String,
        expiry: Expiry,
        lifetime: Duration,
        attempts: u32,
        took: Duration,
    ) -> Self {
        Self::LoginSucceeded {
            fingerprint,
            expiry,
            lifetime,
            attempts,
            took,
        }
    }

    #[doc(hidden)]
    pub fn token_adopted(fingerprint: String, expiry: Expiry, lifetime: Duration) -> Self {
        Self::TokenAdopted {
            fingerprint,
            expiry,
            lifetime,
        }
    }

    #[doc(hidden)]
    pub fn store_failed(error: Error) -> Self {
        Self::StoreFailed { error }
    }

    #[doc(hidden)]
    pub fn login_failed(error: Error, attempts: u32, took: Duration) -> Self {
        Self::LoginFailed {
            error,
            attempts,
            took,
        }
    }

    #[doc(hidden)]
    pub fn refresh_due(fingerprint: String) -> Self {
        Self::RefreshDue { fingerprint }
    }

    #[doc(hidden)]
    pub fn serving_stale(fingerprint: String) -> Self {
        Self::ServingStale { fingerprint }
    }

    #[doc(hidden)]
    pub fn invalidated(fingerprint: String, age: Duration) -> Self {
        Self::Invalidated { fingerprint, age }
    }

    #[doc(hidden)]
    pub fn same_token_returned(fingerprint: String) -> Self {
        Self::SameTokenReturned { fingerprint }
    }

    #[doc(hidden)]
    pub fn introspection_failed(error: Error) -> Self {
        Self::IntrospectionFailed { error }
    }

    #[doc(hidden)]
    pub fn login_budget_warning(used: u32, stop: u32) -> Self {
        Self::LoginBudgetWarning { used, stop }
    }

    #[doc(hidden)]
    pub fn credentials_rotated(client_id: String, fingerprint: String) -> Self {
        Self::CredentialsRotated {
            client_id,
            fingerprint,
        }
    }

    #[doc(hidden)]
    pub fn credentials_reload_failed(error: Error) -> Self {
        Self::CredentialsReloadFailed { error }
    }

    #[doc(hidden)]
    pub fn signature_mismatch(fingerprint: String) -> Self {
        Self::SignatureMismatch { fingerprint }
    }
}
