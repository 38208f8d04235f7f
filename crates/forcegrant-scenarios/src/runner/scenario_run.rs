//! The state of a scenario that is being executed.

use std::collections::BTreeMap;
use std::time::SystemTime;

use forcegrant::{Environment, TestClock};
use forcegrant_emulator::Emulator;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::recorded_events::RecordedEvents;
use super::temporary_folder::TemporaryFolder;
use super::test_pool::TestPool;
use crate::driver::{ClientDriver, Finish};
use crate::expect::SavedTokens;
use crate::placeholders::Placeholders;
use crate::test_environment::TestEnvironment;

pub(super) const MAIN_CLIENT: &str = "main";

/// A scenario that is being executed: what its steps share.
pub(super) struct ScenarioRun<'a, D: ClientDriver> {
    pub(super) env: &'a TestEnvironment,
    pub(super) placeholders: Placeholders,
    pub(super) hosts: Vec<String>,
    pub(super) clock: Option<TestClock>,
    pub(super) environment: Environment,
    /// For saved connections.
    pub(super) folder: TemporaryFolder,
    /// The secrets that went into them.
    pub(super) connection_secrets: Vec<String>,
    /// By name, each with the secrets it was given.
    pub(super) clients: BTreeMap<String, (D::Client, Vec<String>)>,
    pub(super) pools: BTreeMap<String, TestPool<D::Pool>>,
    /// Callers that wait for a token, by name, each with the secrets of the client or pool.
    pub(super) started: BTreeMap<String, (Finish, Vec<String>)>,
    /// The events of clients and pools, if a step of the scenario checks them.
    pub(super) recorded: BTreeMap<String, RecordedEvents>,
    pub(super) listens: bool,
    pub(super) saved: SavedTokens,
}

impl<D: ClientDriver> ScenarioRun<'_, D> {
    pub(super) fn client(&self, with: Option<&str>) -> Result<(&D::Client, Vec<String>), String> {
        let name = with.unwrap_or(MAIN_CLIENT);
        let (client, secrets) = self
            .clients
            .get(name)
            .ok_or_else(|| format!("there is no client {name}"))?;
        Ok((client, secrets.clone()))
    }

    pub(super) fn log(&self, endpoint: &str) -> Result<Vec<Value>, String> {
        let response = control(
            &self.env.emulator,
            json!({ "op": "requests", "endpoint": endpoint }),
        )?;
        response["requests"]
            .as_array()
            .cloned()
            .ok_or_else(|| "the response holds no log".to_owned())
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock
            .as_ref()
            .map_or_else(SystemTime::now, TestClock::now)
    }

    pub(super) fn filled<T: DeserializeOwned>(&self, value: &Value) -> Result<T, String> {
        T::deserialize(self.placeholders.fill(value)?).map_err(|error| error.to_string())
    }
}

/// Carries out an operation of the control API.
pub(super) fn control(emulator: &Emulator, request: Value) -> Result<Value, String> {
    let op = request["op"].to_string();
    emulator
        .control(request)
        .map_err(|error| format!("control {op}: {error}"))
}
