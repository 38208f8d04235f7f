//! The scenario files as types. Unknown keys are errors.

mod pools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::pools::{
    Insert, Known, NewPool, OrgAnswer, PoolOptions, Refused, Removed, Warmed,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    _schema: String,
    #[serde(rename = "about")]
    _about: String,
    scenarios: Vec<Scenario>,
}

/// One case. Steps are kept as they were written: placeholders are filled in when a step is executed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    #[serde(rename = "about")]
    _about: String,
    #[serde(default)]
    pub(crate) emulator: Value,
    #[serde(default)]
    pub(crate) hosts: Vec<String>,
    #[serde(default)]
    pub(crate) clock: Option<ClockChoice>,
    #[serde(default)]
    pub(crate) environment: Option<Value>,
    #[serde(default)]
    pub(crate) client: Value,
    #[serde(default)]
    pub(crate) build_error: Option<Value>,
    #[serde(default)]
    pub(crate) steps: Vec<Value>,
    #[serde(default)]
    pub(crate) counters: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClockChoice {
    Test,
}

/// How the default org departs from its defaults.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setup {
    pub(crate) org: Option<Value>,
    pub(crate) app: Option<Value>,
    pub(crate) user: Option<Value>,
    pub(crate) faults: Vec<Map<String, Value>>,
}

/// Options of a client, durations in seconds.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Options {
    pub(crate) from_env: bool,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret: Option<String>,
    pub(crate) auth_style: Option<Style>,
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
    pub(crate) next_credentials: Option<Pair>,
    pub(crate) introspect: Option<bool>,
    pub(crate) introspection_timeout: Option<f64>,
    pub(crate) login_budget: Option<Budget>,
    pub(crate) store: Option<String>,
    pub(crate) store_timeout: Option<f64>,
    pub(crate) call_attempts: Option<u32>,
    pub(crate) call_backoff: Option<(f64, f64)>,
    pub(crate) call_retry_after_cap: Option<f64>,
}

/// A key and its secret.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pair {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
}

/// Logins an hour, or the word that switches the budget off.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Budget {
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
pub(crate) enum Style {
    Body,
    Basic,
}

/// What an expectation lists: names and values, compared in `expect.rs`.
pub(crate) type Listed = Map<String, Value>;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    Token {
        with: Option<String>,
        key: Option<String>,
        save: Option<String>,
        expect: Option<Outcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Cached {
        with: Option<String>,
        key: Option<String>,
        save: Option<String>,
        expect: Cached,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Herd {
        with: Option<String>,
        key: Option<String>,
        callers: usize,
        release_after_arrival: Option<u64>,
        save: Option<String>,
        expect: Option<Outcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Invalidate {
        with: Option<String>,
        key: Option<String>,
        token: String,
        times: Option<usize>,
        expect: Evicted,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Verify {
        with: Option<String>,
        save: Option<String>,
        expect: Option<Outcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Reset {
        with: Option<String>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Settle {
        with: Option<String>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Status {
        with: Option<String>,
        key: Option<String>,
        #[serde(deserialize_with = "Option::deserialize")]
        expect: Option<Listed>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    NewClient {
        #[serde(rename = "as")]
        name: String,
        client: Box<Options>,
        build_error: Option<Listed>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Advance {
        seconds: f64,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Control {
        request: Value,
        expect: Option<Value>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Requests {
        endpoint: String,
        count: Option<usize>,
        count_at_least: Option<usize>,
        count_at_most: Option<usize>,
        expect: Option<Vec<Listed>>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    SetCredentials(Box<SetCredentials>),
    Call {
        with: Option<String>,
        method: Option<String>,
        path: Option<String>,
        url: Option<String>,
        body: Option<CallBody>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        callers: Option<usize>,
        release_after_arrival: Option<u64>,
        expect: Option<CallOutcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Limits {
        with: Option<String>,
        expect: Limits,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Environment {
        variables: BTreeMap<String, String>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    DropRetired {
        with: Option<String>,
        expect: Dropped,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Start {
        with: Option<String>,
        key: Option<String>,
        #[serde(rename = "as")]
        name: String,
        callers: Option<usize>,
        until_arrival: Option<u64>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Finish {
        of: String,
        save: Option<String>,
        expect: Option<Outcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Events {
        with: Option<String>,
        expect: Vec<Listed>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    NewPool(Box<NewPool>),
    Orgs {
        with: Option<String>,
        orgs: BTreeMap<String, OrgAnswer>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Insert(Box<Insert>),
    Remove {
        with: Option<String>,
        key: String,
        expect: Removed,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Prewarm {
        with: Option<String>,
        keys: Vec<String>,
        expect: Warmed,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    TakeClient {
        with: Option<String>,
        key: String,
        #[serde(rename = "as")]
        name: Option<String>,
        expect: Option<Refused>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    PoolStatus {
        with: Option<String>,
        expect: Known,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Asked {
        with: Option<String>,
        expect: BTreeMap<String, u64>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
}

/// Key pairs for the next logins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetCredentials {
    pub(crate) with: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) next_credentials: Option<Pair>,
    pub(crate) expect: Option<Refused>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// What a call must come to.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Token(Listed),
    Verified(Listed),
    Error(Listed),
}

/// An API call.
#[derive(Clone)]
pub struct CallRequest {
    /// GET, if nothing is said.
    pub method: Option<String>,
    /// On the token's instance.
    pub path: Option<String>,
    /// In place of a path.
    pub url: Option<String>,
    /// What is sent along.
    pub body: Option<CallBody>,
    /// Headers of the caller's own.
    pub headers: BTreeMap<String, String>,
}

/// What is sent along.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBody {
    /// At hand, so that it can be sent twice.
    Bytes(String),
    /// To be read once.
    Stream(String),
}

/// What an API call must come to.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallOutcome {
    Response(Listed),
    Error(Listed),
}

/// The usage that the client knows.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Limits {
    Usage { used: u64, limit: u64 },
    None(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cached {
    Token(Listed),
    None(bool),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Evicted {
    pub(crate) evicted: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dropped {
    pub(crate) dropped: bool,
}

/// All scenarios of a folder, in the order of file names.
///
/// # Panics
///
/// When a file can not be read or does not follow the grammar.
pub(crate) fn load(folder: &Path) -> Vec<Scenario> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| path.file_name().is_some_and(|name| name != "schema.json"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<Scenario> {
    let wrong = |problem: &dyn std::fmt::Display| -> ! { panic!("{}: {problem}", path.display()) };
    let text = fs::read_to_string(path).unwrap_or_else(|error| wrong(&error));
    let file: File = serde_json::from_str(&text).unwrap_or_else(|error| wrong(&error));
    for scenario in &file.scenarios {
        let step = scenario
            .steps
            .iter()
            .find_map(|step| Step::deserialize(step).err());
        let setup = Option::<Setup>::deserialize(&scenario.emulator).err();
        let options = Option::<Options>::deserialize(&scenario.client).err();
        if let Some(error) = step.or(setup).or(options) {
            wrong(&format!("{}: {error}", scenario.id));
        }
        if scenario.steps.is_empty() == scenario.build_error.is_none() {
            wrong(&format!(
                "{}: give either `steps` or `build_error`",
                scenario.id
            ));
        }
    }
    file.scenarios
}
