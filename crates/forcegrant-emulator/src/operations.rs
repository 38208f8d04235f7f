//! The operations of the control API.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::config::{AppKey, Config};
use crate::default_config::check_url;
use crate::faults::Fault;
use crate::request::Endpoint;
use crate::shared::SharedEmulator;
use crate::state::EmulatorState;

const OPERATIONS: &str = "reset, configure, kill_session, kill_sessions, advance, now, \
    move_instance, add_key, remove_key, fault, clear_faults, release, wait_requests, counters, \
    requests, sessions, shutdown";

enum ControlCommand {
    Wait(WaitRequests),
    // Its fields depend on its kind.
    Fault(Fault),
    Other(Box<Operation>),
}

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Operation {
    Reset {
        config: Option<Config>,
    },
    Configure(Configure),
    KillSession {
        token: String,
    },
    KillSessions {
        my_domain: Option<String>,
    },
    Advance {
        seconds: f64,
    },
    Now {},
    MoveInstance {
        my_domain: Option<String>,
        instance_url: String,
    },
    AddKey(AddKey),
    RemoveKey {
        my_domain: Option<String>,
        client_id: String,
    },
    ClearFaults {},
    Release {},
    Counters {},
    Requests {
        endpoint: Option<Endpoint>,
    },
    Sessions {
        my_domain: Option<String>,
    },
    Shutdown {},
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitRequests {
    endpoint: Endpoint,
    count: u64,
    #[serde(default = "ten_seconds")]
    timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddKey {
    my_domain: Option<String>,
    client_id: String,
    client_secret: String,
    #[serde(default)]
    delay_seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configure {
    my_domain: Option<String>,
    org: Option<Value>,
    app: Option<Value>,
    user: Option<Value>,
    app_index: Option<usize>,
}

/// A control operation that was refused: what is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlError(pub(crate) String);

/// Carries out one operation.
pub(crate) async fn run(shared: &SharedEmulator, command: Value) -> Result<Value, ControlError> {
    match parse(command)? {
        ControlCommand::Wait(wait) => wait_requests(shared, &wait).await,
        ControlCommand::Fault(fault) => {
            let id = shared.state().faults.add(fault);
            Ok(ok([("id", json!(id))]))
        }
        ControlCommand::Other(operation) => apply(shared, *operation),
    }
}

fn parse(command: Value) -> Result<ControlCommand, ControlError> {
    let Value::Object(mut fields) = command else {
        return Err(ControlError(
            "the operation is not a JSON object with an `op`".to_owned(),
        ));
    };
    let name = fields
        .get("op")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !OPERATIONS.split(", ").any(|known| known == name) {
        return Err(ControlError(format!(
            "`op` is {name:?}; give one of {OPERATIONS}"
        )));
    }
    match name.as_str() {
        "fault" => {
            fields.remove("op");
            Fault::from_json(fields)
                .map(ControlCommand::Fault)
                .map_err(ControlError)
        }
        "wait_requests" => {
            fields.remove("op");
            read(fields).map(ControlCommand::Wait)
        }
        _ => read(fields).map(|operation| ControlCommand::Other(Box::new(operation))),
    }
}

fn read<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, ControlError> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| ControlError(error.to_string()))
}

fn apply(shared: &SharedEmulator, operation: Operation) -> Result<Value, ControlError> {
    let mut guard = shared.state();
    let state = &mut *guard;
    let now = state.now_ms();
    Ok(match operation {
        Operation::Reset { config } => {
            drop(guard);
            shared.reset(prepared(
                config.unwrap_or_else(|| shared.start_config.clone()),
            )?);
            ok([])
        }
        Operation::Release {} => {
            drop(guard);
            shared.release();
            ok([])
        }
        Operation::Shutdown {} => {
            shared.ask_to_stop();
            ok([])
        }
        Operation::Configure(change) => ok([("org", configure(state, change)?)]),
        Operation::KillSession { token } => {
            ok([("killed", json!(state.sessions.kill(&token, now)))])
        }
        Operation::KillSessions { my_domain } => {
            let org_id = &state.config.orgs[org_index(state, my_domain.as_deref())?].org_id;
            ok([("killed", json!(state.sessions.kill_all(org_id, now)))])
        }
        Operation::Advance { seconds } => ok([(
            "now_ms",
            json!(state.advance(duration("seconds", seconds)?)),
        )]),
        Operation::Now {} => ok([("now_ms", json!(now))]),
        Operation::MoveInstance {
            my_domain,
            instance_url,
        } => {
            check_url(&instance_url).map_err(|error| ControlError(error.to_string()))?;
            let index = org_index(state, my_domain.as_deref())?;
            state.config.orgs[index].instance_url = Some(instance_url);
            ok([])
        }
        Operation::AddKey(key) => {
            add_key(state, key)?;
            ok([])
        }
        Operation::RemoveKey {
            my_domain,
            client_id,
        } => {
            let index = org_index(state, my_domain.as_deref())?;
            remove_key(state, index, &client_id)?;
            ok([])
        }
        Operation::ClearFaults {} => {
            state.faults.clear();
            ok([])
        }
        Operation::Counters {} => with_ok(json!(state.counters())),
        Operation::Requests { endpoint } => ok([("requests", state.log.lines(endpoint).into())]),
        Operation::Sessions { my_domain } => {
            let index = my_domain
                .map(|host| org_index(state, Some(&host)))
                .transpose()?;
            ok([("sessions", sessions(state, index))])
        }
    })
}

async fn wait_requests(
    shared: &SharedEmulator,
    wait: &WaitRequests,
) -> Result<Value, ControlError> {
    let reached = async {
        loop {
            let mut arrived = std::pin::pin!(shared.arrived.notified());
            arrived.as_mut().enable();
            let arrivals = shared.state().arrivals(wait.endpoint);
            if arrivals >= wait.count {
                return arrivals;
            }
            arrived.await;
        }
    };
    let timeout = Duration::from_millis(wait.timeout_ms);
    if let Ok(arrivals) = tokio::time::timeout(timeout, reached).await {
        return Ok(ok([("count", json!(arrivals))]));
    }
    let arrivals = shared.state().arrivals(wait.endpoint);
    let WaitRequests {
        count, timeout_ms, ..
    } = wait;
    Err(ControlError(format!(
        "{arrivals} of {count} requests arrived within {timeout_ms} ms"
    )))
}

fn configure(state: &mut EmulatorState, change: Configure) -> Result<Value, ControlError> {
    let index = org_index(state, change.my_domain.as_deref())?;
    let mut config = json!(state.config);
    let org = &mut config["orgs"][index];
    if let Some(value) = change.org {
        merge(org, value);
    }
    if let Some(value) = change.user {
        merge(element(org, "users", 0)?, value);
    }
    if let Some(value) = change.app {
        merge(
            element(org, "apps", change.app_index.unwrap_or_default())?,
            value,
        );
    }
    let config = serde_json::from_value(config).map_err(|error| ControlError(error.to_string()))?;
    state.config = prepared(config)?;
    Ok(json!(state.config.orgs[index]))
}

fn element<'a>(
    org: &'a mut Value,
    list: &str,
    index: usize,
) -> Result<&'a mut Value, ControlError> {
    let found = org.get_mut(list).and_then(|list| list.get_mut(index));
    found.ok_or_else(|| ControlError(format!("the org has no element {index} in `{list}`")))
}

/// Objects are merged field by field, anything else is replaced.
fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (name, value) in change {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (target, change) => *target = change,
    }
}

fn add_key(state: &mut EmulatorState, add: AddKey) -> Result<(), ControlError> {
    let delay = duration("delay_seconds", add.delay_seconds)?;
    let index = org_index(state, add.my_domain.as_deref())?;
    let AddKey {
        client_id,
        client_secret,
        ..
    } = add;
    let org = &mut state.config.orgs[index];
    let org_id = org.org_id.clone();
    let Some(app) = org.apps.first_mut() else {
        return Err(ControlError(format!("{} has no app", org.my_domain)));
    };
    if app.keys.iter().any(|known| known.client_id == client_id) {
        return Err(ControlError(format!(
            "the key {client_id} already exists; remove it first"
        )));
    }
    app.keys.push(AppKey {
        client_id: client_id.clone(),
        client_secret,
    });
    let known_from = state.now_ms() + crate::clock::millis(delay);
    state.key_known_from(&org_id, &client_id, known_from);
    Ok(())
}

fn remove_key(
    state: &mut EmulatorState,
    index: usize,
    client_id: &str,
) -> Result<(), ControlError> {
    let org = &mut state.config.orgs[index];
    let mut found = false;
    for app in &mut org.apps {
        let before = app.keys.len();
        app.keys.retain(|key| key.client_id != client_id);
        found |= app.keys.len() < before;
    }
    if found {
        Ok(())
    } else {
        Err(ControlError(format!(
            "no app of this org has the key {client_id}"
        )))
    }
}

fn sessions(state: &EmulatorState, index: Option<usize>) -> Value {
    let org_id = index.map(|index| state.config.orgs[index].org_id.as_str());
    let sessions = state.sessions.list(org_id, state.now_ms());
    sessions
        .into_iter()
        .map(|session| {
            json!({
                "token": session.token,
                "user": session.username,
                "client_id": session.client_id,
                "starts": session.starts_ms,
                "ends": session.ends_ms,
            })
        })
        .collect()
}

fn org_index(state: &EmulatorState, my_domain: Option<&str>) -> Result<usize, ControlError> {
    let Some(wanted) = my_domain else {
        return Ok(0);
    };
    let orgs = &state.config.orgs;
    orgs.iter()
        .position(|org| org.my_domain == wanted)
        .ok_or_else(|| {
            let known: Vec<&str> = orgs.iter().map(|org| org.my_domain.as_str()).collect();
            ControlError(format!(
                "no org has the My Domain {wanted:?}; there are {}",
                known.join(", ")
            ))
        })
}

fn prepared(config: Config) -> Result<Config, ControlError> {
    config
        .prepared()
        .map_err(|error| ControlError(error.to_string()))
}

fn duration(field: &str, seconds: f64) -> Result<Duration, ControlError> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| ControlError(format!("`{field}` is {seconds}; give 0 or more seconds")))
}

fn ok<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    with_ok(Value::Object(fields.collect::<Map<_, _>>()))
}

fn with_ok(mut value: Value) -> Value {
    value["ok"] = json!(true);
    value
}

fn ten_seconds() -> u64 {
    10_000
}
