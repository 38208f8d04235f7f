//! The parts of the REST API and Bulk API 2 that show whether a token works.

use serde_json::{Map, Value, json};

use crate::config::OrgConfig;
use crate::ids;
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::sessions::EmulatedSession;
use crate::state::EmulatorState;

const DAILY_REQUESTS: u64 = 15_000;
const VERSIONS: std::ops::RangeInclusive<u32> = 50..=67;

/// `/services/data` and everything below.
pub(crate) fn respond(
    state: &mut EmulatorState,
    org: &OrgConfig,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let path = request.path.trim_end_matches('/');
    let below = path.strip_prefix("/services/data").unwrap_or_default();
    let mut parts = below.trim_start_matches('/').split('/');
    let Some(version) = parts.next().filter(|part| !part.is_empty()) else {
        // The only resource that needs no session.
        return OutgoingResponse::json(200, &versions());
    };
    let session = match session(state, org, request.bearer()) {
        Ok(session) => session,
        Err(message) => {
            state.counters.data_rejected += 1;
            return OutgoingResponse::rest_error(401, "INVALID_SESSION_ID", message);
        }
    };
    if !is_version(version) {
        return not_found();
    }
    let base = format!("/services/data/{version}");
    let rest: Vec<&str> = parts.collect();
    let response = match &rest[..] {
        [] => OutgoingResponse::json(200, &resources(&base)),
        ["limits"] => OutgoingResponse::json(200, &limits(state.counters.data_calls)),
        ["query" | "queryAll"] => query(org, &session, &base, request),
        ["jobs", "ingest", _, "batches"] if request.method == "PUT" => {
            OutgoingResponse::new(201, "text/plain", "")
        }
        ["jobs", "ingest" | "query", ..] if rest.len() <= 3 => {
            bulk_job(&base, rest[1], rest.get(2).copied(), &session, request)
        }
        _ => not_found(),
    };
    with_limit_info(response, state, &session)
}

/// A live session of that org that may use the REST API, or the message of the 401.
fn session(
    state: &mut EmulatorState,
    org: &OrgConfig,
    bearer: Option<&str>,
) -> Result<EmulatedSession, &'static str> {
    let now = state.now_ms();
    // A token of another org does not count as activity in this one.
    let own = bearer.filter(|token| {
        let live = state.sessions.live(token, now);
        live.is_some_and(|session| session.org_id == org.org_id)
    });
    let session = own.and_then(|token| state.sessions.used(token, now));
    let session = session.ok_or("Session expired or invalid")?;
    if session.has_scope("api") {
        Ok(session)
    } else {
        Err("This session is not valid for use with the REST API")
    }
}

fn with_limit_info(
    response: OutgoingResponse,
    state: &EmulatorState,
    session: &EmulatedSession,
) -> OutgoingResponse {
    let used = state.counters.data_calls;
    let info = format!(
        "api-usage={used}/{DAILY_REQUESTS}; per-app-api-usage={used}/{DAILY_REQUESTS}(appName={})",
        session.app_name
    );
    response.with("sforce-limit-info", &info)
}

/// The records of a `SELECT field, ... FROM Object ...`: always one, or none for a count.
pub(crate) fn records(soql: &str, org: &OrgConfig, user_id: &str) -> Option<(String, Vec<Record>)> {
    let words: Vec<&str> = soql.split_whitespace().collect();
    let from = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case("from"))?;
    let object = (*words.get(from + 1)?).to_owned();
    if from < 2 || !words[0].eq_ignore_ascii_case("select") {
        return None;
    }
    let selected = words[1..from].concat();
    if selected.to_ascii_lowercase().starts_with("count(") {
        return Some((object, Vec::new()));
    }
    let id = match object.as_str() {
        "Organization" => org.org_id.clone(),
        "User" => user_id.to_owned(),
        other => ids::record_id("001", &format!("{}/{other}", org.my_domain)),
    };
    let value = |field: &str| match field {
        "Id" => id.clone(),
        "Name" => format!("Emulated {object}"),
        other => format!("{other} of {object}"),
    };
    let fields = selected
        .split(',')
        .map(|field| (field.to_owned(), value(field)));
    Some((object.clone(), vec![fields.collect()]))
}

/// Field names and values.
pub(crate) type Record = Vec<(String, String)>;

fn query(
    org: &OrgConfig,
    session: &EmulatedSession,
    base: &str,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let soql = request.parameter("q").unwrap_or_default();
    let Some((object, records)) = records(&soql, org, &session.user_id) else {
        let message = format!("unexpected token: '{soql}'");
        return OutgoingResponse::rest_error(400, "MALFORMED_QUERY", &message);
    };
    let rows: Vec<Value> = records
        .into_iter()
        .map(|record| {
            let fields = record
                .into_iter()
                .map(|(name, value)| (name, Value::from(value)));
            let mut row: Map<String, Value> = fields.collect();
            let id = row.get("Id").and_then(Value::as_str).unwrap_or_default();
            let url = format!("{base}/sobjects/{object}/{id}");
            row.insert(
                "attributes".to_owned(),
                json!({ "type": object, "url": url }),
            );
            Value::Object(row)
        })
        .collect();
    OutgoingResponse::json(
        200,
        &json!({ "totalSize": 1, "done": true, "records": rows }),
    )
}

/// A list of jobs, a new one, or the one of that id.
fn bulk_job(
    base: &str,
    kind: &str,
    id: Option<&str>,
    session: &EmulatedSession,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    if request.method == "GET" && id.is_none() {
        return OutgoingResponse::json(
            200,
            &json!({ "done": true, "records": [], "nextRecordsUrl": null }),
        );
    }
    let wanted: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let created = if kind == "ingest" {
        "Open"
    } else {
        "UploadComplete"
    };
    let state = wanted["state"].as_str().unwrap_or(created);
    let id = id.map_or_else(
        || ids::record_id("750", &ids::random_hex()),
        ToOwned::to_owned,
    );
    OutgoingResponse::json(
        200,
        &json!({
            "id": id,
            "operation": wanted["operation"],
            "object": wanted["object"],
            "createdById": session.user_id,
            "state": state,
            "contentType": "CSV",
            "contentUrl": format!("{}/jobs/{kind}/{id}/batches", base.trim_start_matches('/')),
        }),
    )
}

fn versions() -> Value {
    let version = |number| {
        json!({
            "label": format!("Version {number}"),
            "url": format!("/services/data/v{number}.0"),
            "version": format!("{number}.0"),
        })
    };
    VERSIONS.map(version).collect()
}

fn is_version(text: &str) -> bool {
    let number = text
        .strip_prefix('v')
        .and_then(|rest| rest.strip_suffix(".0"));
    number
        .and_then(|number| number.parse().ok())
        .is_some_and(|number| VERSIONS.contains(&number))
}

fn resources(base: &str) -> Value {
    json!({
        "limits": format!("{base}/limits"),
        "query": format!("{base}/query"),
        "queryAll": format!("{base}/queryAll"),
        "jobs": format!("{base}/jobs"),
    })
}

fn limits(used: u64) -> Value {
    json!({
        "DailyApiRequests": {
            "Max": DAILY_REQUESTS,
            "Remaining": DAILY_REQUESTS.saturating_sub(used),
        },
        "DailyBulkApiBatches": { "Max": 15000, "Remaining": 15000 },
        "DataStorageMB": { "Max": 5, "Remaining": 5 },
    })
}

fn not_found() -> OutgoingResponse {
    OutgoingResponse::rest_error(404, "NOT_FOUND", "The requested resource does not exist")
}
