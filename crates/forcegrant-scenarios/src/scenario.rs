//! The scenario files as types. Unknown keys are errors.

mod client_options;
mod connections;
mod expectations;
mod pools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use self::client_options::{
    AuthStyleOption, ClientOptions, CredentialPair, OptionalLimit,
};
pub(crate) use self::connections::{AuthorizeStep, ExpectedConnection};
pub(crate) use self::expectations::{
    Expectations, ExpectedCached, ExpectedCall, ExpectedDrop, ExpectedError, ExpectedEviction,
    ExpectedOutcome, ExpectedPool, ExpectedPrewarm, ExpectedRemoval, ExpectedUsage,
};
pub(crate) use self::pools::{Insert, NewPool, OrgEntry, PoolOptions};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    _schema: String,
    #[serde(rename = "about")]
    _about: String,
    scenarios: Vec<Scenario>,
}

/// One case. Steps stay JSON: placeholders are filled in when a step is executed.
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

/// Changes to the default org.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct EmulatorSetup {
    pub(crate) org: Option<Value>,
    pub(crate) app: Option<Value>,
    pub(crate) user: Option<Value>,
    pub(crate) faults: Vec<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum ScenarioStep {
    Token {
        with: Option<String>,
        key: Option<String>,
        save: Option<String>,
        expect: Option<ExpectedOutcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Cached {
        with: Option<String>,
        key: Option<String>,
        save: Option<String>,
        expect: ExpectedCached,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Herd {
        with: Option<String>,
        key: Option<String>,
        callers: usize,
        release_after_arrival: Option<u64>,
        save: Option<String>,
        expect: Option<ExpectedOutcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Invalidate {
        with: Option<String>,
        key: Option<String>,
        token: String,
        times: Option<usize>,
        expect: ExpectedEviction,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Verify {
        with: Option<String>,
        save: Option<String>,
        expect: Option<ExpectedOutcome>,
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
        expect: Option<Expectations>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    NewClient {
        #[serde(rename = "as")]
        name: String,
        client: Box<ClientOptions>,
        build_error: Option<Expectations>,
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
        expect: Option<Vec<Expectations>>,
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
        expect: Option<ExpectedCall>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Limits {
        with: Option<String>,
        expect: ExpectedUsage,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Environment {
        variables: BTreeMap<String, String>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    InvalidateIfRotated {
        with: Option<String>,
        expect: ExpectedDrop,
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
        expect: Option<ExpectedOutcome>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Events {
        with: Option<String>,
        expect: Vec<Expectations>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    NewPool(Box<NewPool>),
    Orgs {
        with: Option<String>,
        orgs: BTreeMap<String, OrgEntry>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Insert(Box<Insert>),
    Remove {
        with: Option<String>,
        key: String,
        expect: ExpectedRemoval,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Prewarm {
        with: Option<String>,
        keys: Vec<String>,
        expect: ExpectedPrewarm,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    TakeClient {
        with: Option<String>,
        key: String,
        #[serde(rename = "as")]
        name: Option<String>,
        expect: Option<ExpectedError>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    PoolStatus {
        with: Option<String>,
        expect: ExpectedPool,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Asked {
        with: Option<String>,
        expect: BTreeMap<String, u64>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    Authorize(Box<AuthorizeStep>),
    VerifyConnection {
        id: String,
        expect: Option<ExpectedConnection>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    GetConnection {
        id: String,
        expect: Option<ExpectedConnection>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
    RemoveConnection {
        id: String,
        expect: Option<ExpectedError>,
        #[serde(rename = "note")]
        _note: Option<String>,
    },
}

/// Client credentials for the next logins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetCredentials {
    pub(crate) with: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) login_url: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) next_credentials: Option<CredentialPair>,
    pub(crate) expect: Option<ExpectedError>,
    #[serde(rename = "note")]
    _note: Option<String>,
}

/// An API call.
#[derive(Clone)]
pub struct CallRequest {
    /// GET if it is absent.
    pub method: Option<String>,
    /// On the token's instance.
    pub path: Option<String>,
    /// In place of a path.
    pub url: Option<String>,
    /// What is sent along.
    pub body: Option<CallBody>,
    /// Headers that the caller sets.
    pub headers: BTreeMap<String, String>,
}

/// What is sent along.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallBody {
    /// In memory, so that it can be sent twice.
    Bytes(String),
    /// Can be read only once.
    Stream(String),
}

/// All scenarios of a folder, in the order of file names.
///
/// # Panics
///
/// When a file cannot be read or does not follow the grammar.
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
            .find_map(|step| ScenarioStep::deserialize(step).err());
        let setup = Option::<EmulatorSetup>::deserialize(&scenario.emulator).err();
        let options = Option::<ClientOptions>::deserialize(&scenario.client).err();
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
