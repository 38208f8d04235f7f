//! Defaults, derived values and the checks that a configuration has to pass.

use crate::config::{
    AccessTokenFormat, AppConfig, AppKey, Config, FlowDisabledRefusal, Introspection, OrgConfig,
    OrgStatus, Signature, UserConfig, UserKind,
};
use crate::ids;

/// What is wrong with a configuration, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Default for Config {
    /// A production org, a sandbox and a developer edition.
    fn default() -> Self {
        let hosts = [
            "acme.my.salesforce.com",
            "acme--uat.sandbox.my.salesforce.com",
            "acme-dev-ed.develop.my.salesforce.com",
        ];
        let orgs = hosts.map(|host| OrgConfig {
            my_domain: host.to_owned(),
            ..OrgConfig::default()
        });
        let config = Self { orgs: orgs.into() };
        config
            .prepared()
            .expect("the default configuration is valid")
    }
}

impl Default for OrgConfig {
    fn default() -> Self {
        Self {
            my_domain: "acme.my.salesforce.com".to_owned(),
            org_id: String::new(),
            status: OrgStatus::Active,
            instance_url: None,
            api_instance_url: None,
            session_timeout_minutes: 120,
            users: vec![UserConfig::default()],
            apps: vec![AppConfig::default()],
        }
    }
}

impl Default for UserConfig {
    fn default() -> Self {
        Self {
            username: String::new(),
            user_id: String::new(),
            active: true,
            kind: UserKind::Standard,
            ip_allowed: true,
            login_hours: true,
        }
    }
}

impl Default for AppConfig {
    fn default() -> Self {
        Self {
            name: "Integration".to_owned(),
            keys: Vec::new(),
            flow_enabled: true,
            run_as: Some(String::new()),
            approved: true,
            installed: true,
            scopes: vec!["api".to_owned(), "id".to_owned()],
            token_format: AccessTokenFormat::Opaque,
            jwt_lifetime_minutes: 30,
            expires_in: None,
            distinct_tokens: false,
            introspection: Introspection::Allowed,
            omit: Vec::new(),
            extra: serde_json::Map::new(),
            signature: Signature::Valid,
            login_limit_per_hour: 3600,
            flow_disabled_refusal: FlowDisabledRefusal::FlowNotEnabled,
            refuses_with: None,
        }
    }
}

impl Config {
    /// The configuration with every derived value filled in, or what is wrong with it.
    pub(crate) fn prepared(mut self) -> Result<Self, ConfigError> {
        if self.orgs.is_empty() {
            return Err(wrong(
                "`orgs` is empty; give at least one org, for example `{}`",
            ));
        }
        for org in &mut self.orgs {
            fill_in(org);
            check_org(org)?;
        }
        let mut my_domains = Distinct::new("my_domain");
        let mut org_ids = Distinct::new("org_id");
        let mut client_ids = Distinct::new("client_id");
        for org in &self.orgs {
            my_domains.add(&org.my_domain)?;
            org_ids.add(&org.org_id)?;
            for key in org.apps.iter().flat_map(|app| &app.keys) {
                client_ids.add(&format!("{} in {}", key.client_id, org.my_domain))?;
            }
        }
        Ok(self)
    }
}

fn fill_in(org: &mut OrgConfig) {
    org.my_domain = org.my_domain.to_ascii_lowercase();
    let seed = org.my_domain.clone();
    if org.org_id.is_empty() {
        org.org_id = ids::record_id("00D", &seed);
    }
    let label = seed.split('.').next().unwrap_or_default();
    for (place, user) in org.users.iter_mut().enumerate() {
        if user.username.is_empty() {
            let number = if place == 0 {
                String::new()
            } else {
                format!("{}", place + 1)
            };
            user.username = format!("integration{number}@{label}.example");
        }
        if user.user_id.is_empty() {
            user.user_id = ids::record_id("005", &format!("{seed}/{}", user.username));
        }
    }
    for (place, app) in org.apps.iter_mut().enumerate() {
        if app.keys.is_empty() {
            let seed = format!("{seed}/{place}");
            app.keys.push(AppKey {
                client_id: ids::consumer_key(&seed),
                client_secret: ids::consumer_secret(&seed),
            });
        }
        if app.run_as.as_deref() == Some("") {
            app.run_as = org.users.first().map(|user| user.username.clone());
        }
    }
}

fn check_org(org: &OrgConfig) -> Result<(), ConfigError> {
    let name = &org.my_domain;
    if name.is_empty() || name.contains(['/', ':', ' ', '@']) || !name.contains('.') {
        return Err(wrong(format!(
            "`my_domain` is {name:?}; give a bare host name such as \"acme.my.salesforce.com\""
        )));
    }
    if !ids::is_record_id(&org.org_id, "00D") {
        return Err(wrong(format!(
            "`org_id` of {name} is {:?}; give 18 characters that start with 00D and end with the \
             right checksum, or leave it out",
            org.org_id
        )));
    }
    in_range(
        "session_timeout_minutes",
        org.session_timeout_minutes,
        15,
        1440,
    )?;
    for url in [&org.instance_url, &org.api_instance_url]
        .into_iter()
        .flatten()
    {
        check_url(url)?;
    }
    for user in &org.users {
        if !ids::is_record_id(&user.user_id, "005") {
            return Err(wrong(format!(
                "`user_id` of {} is {:?}; give 18 characters that start with 005 and end with the \
                 right checksum, or leave it out",
                user.username, user.user_id
            )));
        }
    }
    for app in &org.apps {
        in_range("jwt_lifetime_minutes", app.jwt_lifetime_minutes, 1, 720)?;
        if let Some(username) = &app.run_as
            && org.user(username).is_none()
        {
            return Err(wrong(format!(
                "`run_as` of app {:?} names {username:?}, who is not among the `users` of {name}; \
                 give one of their usernames, or null for none",
                app.name
            )));
        }
    }
    Ok(())
}

pub(crate) fn check_url(url: &str) -> Result<(), ConfigError> {
    let host = url.strip_prefix("https://").unwrap_or_default();
    if host.is_empty() || host.ends_with('/') {
        return Err(wrong(format!(
            "the URL {url:?} is not of the form \"https://host\" without trailing slash"
        )));
    }
    Ok(())
}

fn in_range(field: &str, value: u32, least: u32, most: u32) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(wrong(format!(
        "`{field}` is {value}; give {least} to {most}"
    )))
}

fn wrong(text: impl Into<String>) -> ConfigError {
    ConfigError(text.into())
}

struct Distinct {
    field: &'static str,
    seen: std::collections::HashSet<String>,
}

impl Distinct {
    fn new(field: &'static str) -> Self {
        Self {
            field,
            seen: std::collections::HashSet::new(),
        }
    }

    fn add(&mut self, value: &str) -> Result<(), ConfigError> {
        if self.seen.insert(value.to_owned()) {
            return Ok(());
        }
        Err(wrong(format!(
            "`{}` {value:?} appears twice; give each a value of its own",
            self.field
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn prepared(config: Value) -> Result<Config, String> {
        let config: Config = from_value(config).map_err(|error| error.to_string())?;
        config.prepared().map_err(|error| error.to_string())
    }

    #[test]
    fn the_default_has_three_distinct_orgs() {
        let config = Config::default();
        assert_eq!(config.orgs.len(), 3);
        assert_eq!(config.orgs[0].my_domain, "acme.my.salesforce.com");
        assert_eq!(config.orgs[0].users[0].username, "integration@acme.example");
        assert_ne!(
            config.orgs[0].users[0].user_id,
            config.orgs[1].users[0].user_id
        );
        assert_ne!(config.orgs[0].apps[0].keys, config.orgs[1].apps[0].keys);
        assert_eq!(config, Config::default());
        assert_eq!(config.clone().prepared(), Ok(config));
    }

    #[test]
    fn null_means_no_execution_user_and_absent_means_the_first() {
        let config = prepared(json!({ "orgs": [{ "apps": [{ "run_as": null }, {}] }] })).unwrap();
        assert_eq!(config.orgs[0].apps[0].run_as, None);
        assert_eq!(
            config.orgs[0].apps[1].run_as.as_deref(),
            Some("integration@acme.example")
        );
    }

    #[test]
    fn wrong_values_are_named() {
        for (config, expected) in [
            (json!({ "orgs": [] }), "`orgs` is empty"),
            (json!({ "orgs": [{}, {}] }), "appears twice"),
            (
                json!({ "orgs": [{ "my_domain": "https://acme.my.salesforce.com" }] }),
                "bare host name",
            ),
            (
                json!({ "orgs": [{ "session_timeout_minutes": 14 }] }),
                "give 15 to 1440",
            ),
            (
                json!({ "orgs": [{ "apps": [{ "jwt_lifetime_minutes": 721 }] }] }),
                "give 1 to 720",
            ),
            (
                json!({ "orgs": [{ "apps": [{ "run_as": "who" }] }] }),
                "usernames, or null",
            ),
            (
                json!({ "orgs": [{ "org_id": "00D000000000000AAA" }] }),
                "checksum",
            ),
            (
                json!({ "orgs": [{ "instance_url": "http://x" }] }),
                "https://host",
            ),
            (
                json!({ "orgs": [{ "domain": "x" }] }),
                "unknown field `domain`",
            ),
        ] {
            let error = prepared(config).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
