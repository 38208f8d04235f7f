//! What a step of a scenario is expected to do.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What an expectation lists: names and values, compared in `expect.rs`.
pub(crate) type Expectations = Map<String, Value>;

/// The expected result of a step.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectedOutcome {
    Token(Expectations),
    Verified(Expectations),
    Error(Expectations),
}

/// The expected result of an API call.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectedCall {
    Response(Expectations),
    Error(Expectations),
}

/// The usage that the client knows.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ExpectedUsage {
    Usage { used: u64, limit: u64 },
    None(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ExpectedCached {
    Token(Expectations),
    None(bool),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedEviction {
    pub(crate) evicted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedDrop {
    pub(crate) dropped: bool,
}

/// A step that is expected to fail.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedError {
    pub(crate) error: Expectations,
}

/// The expected result of `prewarm`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedPrewarm {
    pub(crate) ready: usize,
    pub(crate) failed: BTreeMap<String, Expectations>,
}

/// The expected keys of a pool.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedPool {
    pub(crate) size: Option<usize>,
    #[serde(default)]
    pub(crate) has: BTreeMap<String, bool>,
    pub(crate) statuses: Option<BTreeMap<String, Expectations>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedRemoval {
    pub(crate) removed: bool,
}
