//! The text of a connection: JSON of at most 64 KiB.
//!
//! A file written by hand needs `version`, `login_url`, `client_id` and `client_secret`. No error repeats a value: any
//! of them may be a secret in the wrong place.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::options::REFUSED;
use super::{
    Connection, ConnectionId, ConnectionProblem, NextCredentials, OrgOptions, SecretSource,
    timestamp,
};
use crate::error::{InputField, Setting};
use crate::grant::request::AuthStyle;
use crate::pasted_text;
use crate::secret::Secret;

/// No text of a connection is longer.
pub const MAX_CONNECTION_BYTES: usize = 64 * 1024;

const VERSION: u64 = 1;
const BY_HAND: &str = r#"A file written by hand needs these fields: {"version": 1, "login_url": "acme.my.salesforce.com", "client_id": "3MVG9...", "client_secret": "..."}"#;
const SECRET_FORMS: &str = r#"It is a text, {"file": "/run/secrets/sf"}, {"command": ["op", "read", "op://..."]} or {"sealed": "..."}."#;

type DocumentResult<T> = Result<T, ConnectionProblem>;

impl Connection {
    /// Reads a text. `id`: that of the place where it was found, which the text may leave out.
    #[doc(hidden)]
    pub fn parse(bytes: &[u8], id: Option<&ConnectionId>) -> DocumentResult<Self> {
        let mut fields = RemainingFields(object(bytes)?);
        version(&mut fields)?;
        if let Some(name) = REFUSED.iter().find(|name| fields.0.contains_key(**name)) {
            return Err(ConnectionProblem::new(
                format!("`{name}` may not stand in a connection"),
                "What leads requests elsewhere, or makes other certificates trusted, is an option of the client alone. Take it out.",
            ));
        }
        let written = fields
            .text("id")?
            .map(|text| ConnectionId::new(&text))
            .transpose();
        let written = written.map_err(ConnectionProblem::from)?;
        let id = match (written, id) {
            (Some(written), Some(place)) if written != *place => {
                return Err(ConnectionProblem::new(
                    format!(
                        "it says that its id is `{written}`, and it stands where `{place}` does"
                    ),
                    "Both must agree: rename the place after the id, or take the field `id` out.",
                ));
            }
            (Some(written), _) => written,
            (None, Some(place)) => place.clone(),
            (None, None) => return Err(missing("id")),
        };
        let login_url = fields.text("login_url")?;
        let (client_id, client_secret) = credentials(&mut fields)?;
        let options = options(&mut fields)?;
        // With the address of the token endpoint, the login URL may be left out.
        let login_url = match (login_url, &options.token_url) {
            (Some(url), _) => url,
            (None, Some(_)) => String::new(),
            (None, None) => return Err(missing("login_url").about(InputField::LoginUrl)),
        };
        Ok(Self {
            revision: fields.number("revision")?.unwrap_or(0),
            name: fields.text("name")?,
            labels: labels(&mut fields)?,
            next: next(&mut fields)?,
            org_id: fields.text("org_id")?,
            user_id: fields.text("user_id")?,
            created: fields.time("created")?,
            verified: fields.time("verified")?,
            unknown: fields.0,
            id,
            login_url,
            client_id,
            client_secret,
            options,
        })
    }

    /// The text, fit to be read again.
    #[doc(hidden)]
    pub fn to_bytes(&self) -> DocumentResult<Zeroizing<Vec<u8>>> {
        // Of the full length at once: a buffer that grows leaves copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_CONNECTION_BYTES + 1));
        let is_written = serde_json::to_writer_pretty(Bounded(&mut bytes), self).is_ok();
        if !is_written || bytes.len() >= MAX_CONNECTION_BYTES {
            return Err(ConnectionProblem::too_large());
        }
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// Takes no more bytes than a text may have.
struct Bounded<'a>(&'a mut Vec<u8>);

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(MAX_CONNECTION_BYTES - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn object(bytes: &[u8]) -> DocumentResult<Map<String, Value>> {
    if bytes.len() > MAX_CONNECTION_BYTES {
        return Err(ConnectionProblem::too_large());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if std::str::from_utf8(bytes).is_err() || bytes.contains(&0) {
        return Err(ConnectionProblem::new(
            "it is not UTF-8",
            "Save the file as UTF-8.",
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(ConnectionProblem::new("it is not a JSON object", BY_HAND)),
        Err(error) => Err(ConnectionProblem::new(
            format!(
                "it is not JSON (line {}, column {})",
                error.line(),
                error.column()
            ),
            BY_HAND,
        )),
    }
}

fn version(fields: &mut RemainingFields) -> DocumentResult<()> {
    match fields.number("version")? {
        Some(VERSION) => Ok(()),
        Some(later) if later > VERSION => Err(ConnectionProblem::new(
            format!("it was made by a newer forcegrant (version {later})"),
            "Update forcegrant here, or authorize the connection again with this release.",
        )),
        Some(_) => Err(wrong("version", "is not 1")),
        None => Err(missing("version")),
    }
}

fn credentials(fields: &mut RemainingFields) -> DocumentResult<(String, SecretSource)> {
    let client_id = fields.text("client_id")?;
    let client_id = client_id.ok_or_else(|| missing("client_id").about(InputField::ClientId))?;
    let source = fields
        .0
        .remove("client_secret")
        .filter(|value| !value.is_null());
    let source = source.ok_or_else(|| missing("client_secret"));
    let source = source.and_then(secret_source);
    Ok((
        client_id,
        source.map_err(|problem| problem.about(InputField::ClientSecret))?,
    ))
}

fn secret_source(value: Value) -> DocumentResult<SecretSource> {
    let unknown =
        || ConnectionProblem::new("`client_secret` has a form that is not known", SECRET_FORMS);
    let mut fields = match value {
        Value::String(text) => return text_of_secret(text),
        Value::Object(fields) if fields.len() == 1 => RemainingFields(fields),
        _ => return Err(unknown()),
    };
    if let Some(path) = fields.text("file")? {
        return Ok(SecretSource::File(path));
    }
    if let Some(text) = fields.text("sealed")? {
        return Ok(SecretSource::Sealed(text));
    }
    match fields.texts("command")? {
        Some(command) if !command.is_empty() => Ok(SecretSource::Command(command)),
        _ => Err(unknown()),
    }
}

fn text_of_secret(text: String) -> DocumentResult<SecretSource> {
    let text = Secret::new(text);
    let meant = pasted_text::meant(text.expose());
    if meant.is_empty() {
        return Err(ConnectionProblem::new(
            "`client_secret` is empty",
            SECRET_FORMS,
        ));
    }
    pasted_text::check(Setting::Option("client_secret"), meant).map_err(ConnectionProblem::from)?;
    Ok(SecretSource::Text(text))
}

fn next(fields: &mut RemainingFields) -> DocumentResult<Option<NextCredentials>> {
    let mut next = match fields.0.remove("next") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(next)) => RemainingFields(next),
        Some(_) => {
            return Err(wrong(
                "next",
                "is not an object with `client_id` and `client_secret`",
            ));
        }
    };
    let (client_id, client_secret) = credentials(&mut next)?;
    Ok(Some(NextCredentials {
        client_id,
        client_secret,
        unknown: next.0,
    }))
}

fn labels(fields: &mut RemainingFields) -> DocumentResult<BTreeMap<String, String>> {
    let labels = match fields.0.remove("labels") {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(labels)) => labels,
        Some(_) => return Err(wrong("labels", "is not an object of texts")),
    };
    let label = |(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(wrong("labels", "is not an object of texts")),
    };
    labels.into_iter().map(label).collect()
}

fn options(fields: &mut RemainingFields) -> DocumentResult<OrgOptions> {
    let style = match fields.text("auth_style")?.as_deref() {
        None => None,
        Some("body") => Some(AuthStyle::Body),
        Some("basic") => Some(AuthStyle::Basic),
        Some(_) => return Err(wrong("auth_style", "is neither \"body\" nor \"basic\"")),
    };
    Ok(OrgOptions {
        token_url: fields.text("token_url")?,
        trusted_hosts: fields.texts("trusted_hosts")?.unwrap_or_default(),
        session_timeout: fields.number("session_timeout")?.map(Duration::from_secs),
        auth_style: style,
    })
}

/// The fields that were not taken yet.
struct RemainingFields(Map<String, Value>);

impl RemainingFields {
    fn take<T>(
        &mut self,
        name: &'static str,
        kind: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> DocumentResult<Option<T>> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(wrong(name, &format!("is not {kind}"))),
            },
        }
    }

    fn text(&mut self, name: &'static str) -> DocumentResult<Option<String>> {
        self.take(name, "a text", into_text)
    }

    fn texts(&mut self, name: &'static str) -> DocumentResult<Option<Vec<String>>> {
        self.take(name, "a list of texts", |value| match value {
            Value::Array(values) => values.into_iter().map(into_text).collect(),
            _ => None,
        })
    }

    fn number(&mut self, name: &'static str) -> DocumentResult<Option<u64>> {
        self.take(name, "a whole number", |value| value.as_u64())
    }

    fn time(&mut self, name: &'static str) -> DocumentResult<Option<SystemTime>> {
        self.take(name, "a time such as 2026-11-29T14:46:26Z", |value| {
            timestamp::parse(value.as_str()?)
        })
    }
}

fn into_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn missing(name: &str) -> ConnectionProblem {
    ConnectionProblem::new(format!("`{name}` is missing"), BY_HAND)
}

fn wrong(name: &str, problem: &str) -> ConnectionProblem {
    let found = ConnectionProblem::new(format!("`{name}` {problem}"), BY_HAND);
    ConnectionProblem {
        field: InputField::of_option(name),
        ..found
    }
}

impl Serialize for Connection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &VERSION)?;
        let mut text = |name: &str, value: Option<&str>| match value {
            Some(value) => map.serialize_entry(name, value),
            None => Ok(()),
        };
        let time = |time: Option<SystemTime>| time.and_then(timestamp::format);
        let (created, verified) = (time(self.created), time(self.verified));
        let OrgOptions {
            token_url,
            trusted_hosts,
            session_timeout,
            auth_style,
        } = &self.options;
        text("id", Some(self.id.as_str()))?;
        text("name", self.name.as_deref())?;
        text("login_url", Some(&self.login_url))?;
        text("token_url", token_url.as_deref())?;
        text("auth_style", auth_style.map(AuthStyle::as_str))?;
        text("client_id", Some(&self.client_id))?;
        text("org_id", self.org_id.as_deref())?;
        text("user_id", self.user_id.as_deref())?;
        text("created", created.as_deref())?;
        text("verified", verified.as_deref())?;
        map.serialize_entry("revision", &self.revision)?;
        map.serialize_entry("client_secret", &self.client_secret)?;
        if let Some(next) = &self.next {
            map.serialize_entry("next", next)?;
        }
        if !self.labels.is_empty() {
            map.serialize_entry("labels", &self.labels)?;
        }
        if !trusted_hosts.is_empty() {
            map.serialize_entry("trusted_hosts", trusted_hosts)?;
        }
        if let Some(timeout) = session_timeout {
            map.serialize_entry("session_timeout", &timeout.as_secs())?;
        }
        for (name, value) in &self.unknown {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for NextCredentials {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("client_id", &self.client_id)?;
        map.serialize_entry("client_secret", &self.client_secret)?;
        for (name, value) in &self.unknown {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Self::Text(secret) = self {
            return serializer.serialize_str(secret.expose());
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(_) => {}
            Self::File(text) | Self::Sealed(text) => map.serialize_entry(self.as_str(), text)?,
            Self::Command(command) => map.serialize_entry(self.as_str(), command)?,
        }
        map.end()
    }
}
