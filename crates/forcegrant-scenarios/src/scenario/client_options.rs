//! The options of a client in a scenario, and what they are made of.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Options of a client, durations in seconds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientOptions {
    pub(crate) from_env: bool,
    /// The id of a saved connection.
    pub(crate) from_connection: Option<String>,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) auth_style: Option<AuthStyleOption>,
    pub(crate) token_url: Option<String>,
    pub(crate) trusted_hosts: Option<Vec<String>>,
    pub(crate) allow_http_loopback: Option<bool>,
    pub(crate) resolve: BTreeMap<String, String>,
    pub(crate) roots: Option<String>,
    pub(crate) proxy: Option<String>,
    pub(crate) connect_timeout: Option<f64>,
    pub(crate) attempt_timeout: Option<f64>,
    pub(crate) total_timeout: Option<f64>,
    pub(crate) max_attempts: Option<u32>,
    pub(crate) retry_backoff: Option<f64>,
    pub(crate) retry_after_cap: Option<f64>,
    pub(crate) session_timeout: Option<f64>,
    pub(crate) refresh_window: Option<f64>,
    pub(crate) safety_margin: Option<f64>,
    pub(crate) max_stale: Option<f64>,
    pub(crate) refusal_backoff: Option<(f64, f64)>,
    pub(crate) transient_backoff: Option<(f64, f64)>,
    pub(crate) next_credentials: Option<CredentialPair>,
    pub(crate) introspect: Option<bool>,
    pub(crate) introspection_timeout: Option<f64>,
    pub(crate) login_budget: Option<OptionalLimit>,
    pub(crate) store: Option<String>,
    pub(crate) store_timeout: Option<f64>,
    pub(crate) call_attempts: Option<u32>,
    pub(crate) call_backoff: Option<(f64, f64)>,
    pub(crate) call_retry_after_cap: Option<f64>,
}

/// A key and its secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialPair {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// A number of logins, or `none` for no limit.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum OptionalLimit {
    Logins(u32),
    Off(Off),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Off {
    None,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuthStyleOption {
    Body,
    Basic,
}
