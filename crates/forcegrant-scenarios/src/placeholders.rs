//! `$name` in the strings of a scenario.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::test_environment::TestEnvironment;

/// Names and what they stand for.
pub(crate) struct Placeholders(BTreeMap<String, String>);

impl Placeholders {
    pub(crate) fn of(
        TestEnvironment {
            emulator,
            org,
            sandbox,
            ..
        }: &TestEnvironment,
    ) -> Self {
        let (https, http) = (emulator.https_addr(), emulator.http_addr());
        let known = [
            ("my_domain", org.my_domain.clone()),
            ("client_id", org.client_id.clone()),
            ("client_secret", org.client_secret.clone()),
            ("org_id", org.org_id.clone()),
            ("user_id", org.user_id.clone()),
            ("username", org.username.clone()),
            ("instance_url", org.instance_url.clone()),
            ("sandbox_my_domain", sandbox.my_domain.clone()),
            ("sandbox_client_id", sandbox.client_id.clone()),
            ("sandbox_client_secret", sandbox.client_secret.clone()),
            ("sandbox_org_id", sandbox.org_id.clone()),
            ("https", https.to_string()),
            ("http", http.to_string()),
            ("https_port", https.port().to_string()),
            ("http_port", http.port().to_string()),
            ("proxy", format!("http://{}", emulator.proxy_addr())),
            ("proxy_address", emulator.proxy_addr().to_string()),
        ];
        Self(known.map(|(name, value)| (name.to_owned(), value)).into())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn text(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            filled.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                filled.push('$');
                rest = after;
                continue;
            }
            let end = after
                .find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_')
                .unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let value = self
                .0
                .get(name)
                .ok_or_else(|| format!("there is no placeholder ${name}"))?;
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Fills in every string below `value`, and the keys of a `resolve` object.
    pub(crate) fn fill(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| self.fill(item))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(entries) => {
                let mut filled = serde_json::Map::new();
                for (key, value) in entries {
                    let value = match (key.as_str(), value) {
                        ("resolve", Value::Object(hosts)) => Value::Object(
                            hosts
                                .iter()
                                .map(|(host, at)| Ok((self.text(host)?, self.fill(at)?)))
                                .collect::<Result<_, String>>()?,
                        ),
                        _ => self.fill(value)?,
                    };
                    filled.insert(key.clone(), value);
                }
                Value::Object(filled)
            }
            other => other.clone(),
        })
    }
}
