//! What steps about pools are made of.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Budget, Listed, Options, Pair};

/// A pool to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPool {
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) pool: PoolOptions,
    #[serde(default)]
    pub(crate) client: Options,
    /// With them it has a credentials callback.
    pub(crate) orgs: Option<BTreeMap<String, OrgAnswer>>,
    pub(crate) build_error: Option<Listed>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// The options of a pool beside those of its clients.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolOptions {
    pub(crate) max_clients: Option<usize>,
    pub(crate) logins_per_second: Option<Budget>,
    pub(crate) concurrent_logins: Option<Budget>,
}

/// What a credentials callback answers.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OrgAnswer {
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) next_credentials: Option<Pair>,
    pub(crate) fails: Option<String>,
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
    pub(crate) next_credentials: Option<Pair>,
    pub(crate) expect: Option<Refused>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What is expected to fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) error: Listed,
}

/// What logging in ahead must come to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Warmed {
    pub(crate) ready: usize,
    pub(crate) failed: BTreeMap<String, Listed>,
}

/// What a pool must know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    pub(crate) size: Option<usize>,
    #[serde(default)]
    pub(crate) has: BTreeMap<String, bool>,
    pub(crate) statuses: Option<BTreeMap<String, Listed>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removed {
    pub(crate) removed: bool,
}
