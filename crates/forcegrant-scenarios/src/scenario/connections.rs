//! What steps about connections are made of.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::expectations::Expectations;

/// A connection to be verified and saved. Without `replace`, what is absent is the default org's.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthorizeStep {
    pub(crate) id: String,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) replace: bool,
    #[serde(default)]
    pub(crate) other_org: bool,
    pub(crate) expect: Option<ExpectedConnection>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What a step about one connection returns.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectedConnection {
    Connection(Expectations),
    Error(Expectations),
}
