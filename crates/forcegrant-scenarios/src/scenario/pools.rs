//! What steps about pools are made of.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::client_options::{ClientOptions, CredentialPair, OptionalLimit};
use super::expectations::{Expectations, ExpectedError};

/// A pool to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPool {
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) pool: PoolOptions,
    #[serde(default)]
    pub(crate) client: ClientOptions,
    /// If present, the pool has a credentials callback.
    pub(crate) orgs: Option<BTreeMap<String, OrgEntry>>,
    /// Whether its keys are the ids of the saved connections.
    #[serde(default)]
    pub(crate) connections: bool,
    pub(crate) build_error: Option<Expectations>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// The options of a pool beside those of its clients.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolOptions {
    pub(crate) max_clients: Option<usize>,
    pub(crate) logins_per_second: Option<OptionalLimit>,
    pub(crate) concurrent_logins: Option<OptionalLimit>,
}

/// What a credentials callback returns for a key: credentials or an error.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrgEntry {
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) next_credentials: Option<CredentialPair>,
    pub(crate) fails: Option<String>,
    /// The callback returns nothing.
    pub(crate) none: bool,
    /// The callback returns a connection that was read from its text.
    pub(crate) dumped: bool,
}

/// Credentials given by value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Insert {
    pub(crate) with: Option<String>,
    pub(crate) key: String,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) next_credentials: Option<CredentialPair>,
    pub(crate) expect: Option<ExpectedError>,
    #[serde(rename = "note")]
    _note: Option<String>,
}
