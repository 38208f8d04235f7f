//! What a test has to know about an org to log in to it.

use serde::Serialize;

use crate::config::OrgConfig;

/// An org, with what a client needs to log in through its first app. Parts
/// that the org lacks are empty.
#[derive(Clone, Serialize)]
#[non_exhaustive]
pub struct OrgDetails {
    /// Host name of the My Domain.
    pub my_domain: String,
    /// Consumer key.
    pub client_id: String,
    /// Consumer secret.
    pub client_secret: String,
    /// 18-character org id.
    pub org_id: String,
    /// 18-character id of the execution user.
    pub user_id: String,
    /// Name of the execution user.
    pub username: String,
    /// Where the APIs are.
    pub instance_url: String,
}

impl OrgDetails {
    pub(crate) fn of(org: &OrgConfig) -> Self {
        let app = org.apps.first();
        let key = app.and_then(|app| app.keys.first()).cloned();
        let (client_id, client_secret) = key
            .map(|key| (key.client_id, key.client_secret))
            .unwrap_or_default();
        let run_as = app.and_then(|app| app.run_as.as_deref());
        let user = run_as
            .and_then(|username| org.user(username))
            .or(org.users.first());
        Self {
            my_domain: org.my_domain.clone(),
            client_id,
            client_secret,
            org_id: org.org_id.clone(),
            user_id: user.map(|user| user.user_id.clone()).unwrap_or_default(),
            username: user.map(|user| user.username.clone()).unwrap_or_default(),
            instance_url: org.instance_url(),
        }
    }
}

impl std::fmt::Debug for OrgDetails {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OrgDetails")
            .field("my_domain", &self.my_domain)
            .field("client_id", &self.client_id)
            .field("org_id", &self.org_id)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
