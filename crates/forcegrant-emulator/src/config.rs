//! What the emulated orgs look like.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use crate::default_config::ConfigError;

/// The orgs that the emulator stands in for. Every field of every part has a default;
/// ids and credentials that are left out are derived from the My Domain, so
/// they are the same in every run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The first one is the default org of all control operations.
    pub orgs: Vec<OrgConfig>,
}

/// One Salesforce org.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgConfig {
    /// Host name of the org's My Domain, without scheme.
    pub my_domain: String,
    /// 18 characters with the right suffix; empty: derived from the My Domain.
    pub org_id: String,
    /// A locked org refuses every login.
    pub status: OrgStatus,
    /// `None`: `https://<my_domain>`.
    pub instance_url: Option<String>,
    /// Part of token responses only when set.
    pub api_instance_url: Option<String>,
    /// Idle time after which a session ends, 15 to 1440.
    pub session_timeout_minutes: u32,
    /// The org's users.
    pub users: Vec<UserConfig>,
    /// The org's connected or external client apps.
    pub apps: Vec<AppConfig>,
}

/// Whether an org accepts logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrgStatus {
    /// Logins work.
    Active,
    /// Every login is refused with `inactive_org`.
    Locked,
}

/// A user whom an app can run as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserConfig {
    /// Empty: `integration@<first label of the My Domain>.example`.
    pub username: String,
    /// 18 characters with the right suffix; empty: derived.
    pub user_id: String,
    /// An inactive user is refused with `inactive_user`.
    pub active: bool,
    /// Portal users are refused with `access_denied`.
    pub kind: UserKind,
    /// `false`: refused with `ip restricted`.
    pub ip_allowed: bool,
    /// `false`: refused with `invalid login hours`.
    pub login_hours: bool,
}

/// Which licence a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserKind {
    /// An internal user.
    Standard,
    /// A portal or community user.
    Portal,
}

/// A connected app or external client app.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in Setup"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppConfig {
    /// Part of `Sforce-Limit-Info`.
    pub name: String,
    /// Live key and secret pairs; empty: one derived pair.
    pub keys: Vec<AppKey>,
    /// Whether the client credentials flow is on.
    pub flow_enabled: bool,
    /// Username of the execution user; `None`: none is set; empty: the first user.
    pub run_as: Option<String>,
    /// Whether the execution user's profile or permission set is on the app's policies.
    pub approved: bool,
    /// Whether a packaged app is installed.
    pub installed: bool,
    /// `full`, `web` and `refresh_token` never reach a token of this grant.
    pub scopes: Vec<String>,
    /// Opaque session ids or signed JWTs.
    pub token_format: AccessTokenFormat,
    /// Absolute life of a JWT, 1 to 720.
    pub jwt_lifetime_minutes: u32,
    /// Seconds. When set, sessions end for good after it and token responses say how many are left.
    pub expires_in: Option<u64>,
    /// `true`: each login gets a session of its own.
    pub distinct_tokens: bool,
    /// Whether this app may introspect tokens.
    pub introspection: Introspection,
    /// Names of fields that are left out of token responses.
    pub omit: Vec<String>,
    /// More fields of token responses.
    pub extra: Map<String, Value>,
    /// Whether the `signature` of a token response is right.
    pub signature: Signature,
    /// Logins per hour and user.
    pub login_limit_per_hour: u32,
    /// The refusal of a login while the flow is off.
    pub flow_disabled_refusal: FlowDisabledRefusal,
    /// Every login of this app is refused with this.
    pub refuses_with: Option<AppRefusal>,
}

/// A consumer key and its secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppKey {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
}

/// What access tokens of an app look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A session id; repeated logins return the same one while it lives.
    Opaque,
    /// An RS256 JWT; each login signs a fresh one.
    Jwt,
}

/// Whether an app may introspect tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Introspection {
    /// It may.
    Allowed,
    /// It is refused.
    Forbidden,
}

/// Whether the `signature` of a token response is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signature {
    /// HMAC-SHA256 of `id` and `issued_at` under the consumer secret.
    Valid,
    /// The same under another key.
    Wrong,
}

/// The refusals that have been reported for a flow that is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowDisabledRefusal {
    /// `invalid_grant`, `client credentials flow not enabled`.
    FlowNotEnabled,
    /// `invalid_grant`, `no client credentials user enabled`.
    NoUser,
    /// `unsupported_grant_type`, `grant type not supported`.
    UnsupportedGrantType,
}

/// Refusals whose cause in the org is not known, and errors that ask for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppRefusal {
    /// `app_not_found`, `External client app is not installed in this org`.
    AppNotFound,
    /// `OAUTH_EC_APP_NOT_FOUND`.
    OauthEcAppNotFound,
    /// `OAUTH_APP_BLOCKED`.
    OauthAppBlocked,
    /// `invalid_grant`, `user hasn't approved this consumer`.
    NotPreAuthorized,
    /// `invalid_grant`, `authentication failure`.
    AuthenticationFailure,
    /// `unknown_error`, `retry your request`.
    UnknownError,
    /// `server_error` (RFC 6749).
    ServerError,
    /// `temporarily_unavailable` (RFC 6749).
    TemporarilyUnavailable,
}

impl OrgConfig {
    /// Where the org's APIs are, without trailing slash.
    pub(crate) fn instance_url(&self) -> String {
        self.instance_url
            .clone()
            .unwrap_or_else(|| format!("https://{}", self.my_domain))
    }

    /// The host that identity URLs of this org point to.
    pub(crate) fn login_host(&self) -> &'static str {
        if self.my_domain.contains("--") {
            "test.salesforce.com"
        } else {
            "login.salesforce.com"
        }
    }

    pub(crate) fn user(&self, username: &str) -> Option<&UserConfig> {
        self.users.iter().find(|user| user.username == username)
    }
}

impl UserConfig {
    pub(crate) fn identity_url(&self, org: &OrgConfig) -> String {
        format!(
            "https://{}/id/{}/{}",
            org.login_host(),
            org.org_id,
            self.user_id
        )
    }
}

impl AppConfig {
    /// The scopes that survive in a token of this grant.
    pub(crate) fn granted_scopes(&self) -> Vec<String> {
        let filtered = ["full", "web", "refresh_token"];
        let kept = self
            .scopes
            .iter()
            .filter(|scope| !filtered.contains(&scope.as_str()));
        kept.cloned().collect()
    }
}

impl std::fmt::Debug for AppKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AppKey")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
