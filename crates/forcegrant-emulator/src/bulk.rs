//! The parts of Bulk API 1 that show whether a session works: jobs.

use serde_json::{Value, json};

use crate::config::OrgConfig;
use crate::ids;
use crate::oauth::is_session_id;
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::soap::{element, escaped};
use crate::state::EmulatorState;

const NAMESPACE: &str = "http://www.force.com/2009/06/asyncapi/dataload";

/// `/services/async/NN.0/job` and jobs below it.
pub(crate) fn respond(
    state: &mut EmulatorState,
    org: &OrgConfig,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let json = request.wants_json();
    let now = state.now_ms();
    let token = request.header("x-sfdc-session").unwrap_or_default();
    let live = state.sessions.live(token, now);
    let fit = live.is_some_and(|session| session.org_id == org.org_id && is_session_id(session));
    let session = if fit {
        state.sessions.used(token, now)
    } else {
        None
    };
    let Some(session) = session else {
        state.counters.data_rejected += 1;
        return error(json, "InvalidSessionId", "Invalid session id");
    };
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').skip(3).collect();
    if let (["job", id, "batch"], "POST") = (&parts[..], request.method.as_str()) {
        return batch(json, id);
    }
    let (id, status) = match (&parts[..], request.method.as_str()) {
        (["job"], "POST") => (ids::record_id("750", &ids::random_hex()), 201),
        (["job", id], "GET" | "POST") => ((*id).to_owned(), 200),
        _ => return error(json, "InvalidUrl", "Destination URL not recognized"),
    };
    job(json, status, &id, &session.user_id, request)
}

fn job(
    json: bool,
    status: u16,
    id: &str,
    user_id: &str,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let text = String::from_utf8_lossy(&request.body);
    let wanted: Value = serde_json::from_str(&text).unwrap_or_default();
    let field = |name: &str, otherwise: &str| {
        let value = wanted[name].as_str().map(ToOwned::to_owned);
        value
            .or_else(|| element(&text, name))
            .unwrap_or_else(|| otherwise.to_owned())
    };
    let fields = [
        ("id", id.to_owned()),
        ("operation", field("operation", "query")),
        ("object", field("object", "Account")),
        ("createdById", user_id.to_owned()),
        ("state", field("state", "Open")),
        ("contentType", field("contentType", "CSV")),
    ];
    info(json, status, "jobInfo", fields)
}

fn batch(json: bool, job_id: &str) -> OutgoingResponse {
    let fields = [
        ("id", ids::record_id("751", &ids::random_hex())),
        ("jobId", job_id.to_owned()),
        ("state", "Queued".to_owned()),
    ];
    info(json, 201, "batchInfo", fields)
}

fn info<const N: usize>(
    json: bool,
    status: u16,
    root: &str,
    fields: [(&str, String); N],
) -> OutgoingResponse {
    if json {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)));
        return OutgoingResponse::json(status, &Value::Object(fields.collect()));
    }
    let fields = fields.map(|(name, value)| format!("<{name}>{}</{name}>", escaped(&value)));
    xml(status, root, &fields.concat())
}

fn error(json: bool, code: &str, message: &str) -> OutgoingResponse {
    if json {
        return OutgoingResponse::json(
            400,
            &json!({ "exceptionCode": code, "exceptionMessage": message }),
        );
    }
    let fields = format!(
        "<exceptionCode>{code}</exceptionCode><exceptionMessage>{message}</exceptionMessage>"
    );
    xml(400, "error", &fields)
}

fn xml(status: u16, root: &str, fields: &str) -> OutgoingResponse {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{root} xmlns=\"{NAMESPACE}\">{fields}</{root}>"
    );
    OutgoingResponse::new(status, "application/xml", text)
}
