//! The SOAP APIs: small calls and the fault of a dead session.

use std::fmt::Write as _;

use crate::config::OrgConfig;
use crate::data_api;
use crate::oauth::is_session_id;
use crate::request::ReceivedRequest;
use crate::response::OutgoingResponse;
use crate::sessions::EmulatedSession;
use crate::state::EmulatorState;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const DESCRIPTION: &str = "<organizationNamespace></organizationNamespace>\
    <partialSaveAllowed>true</partialSaveAllowed><testRequired>false</testRequired>";
const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// `/services/Soap/u/NN.0` (partner), `/services/Soap/c/NN.0` (enterprise) and
/// `/services/Soap/m/NN.0` (metadata).
pub(crate) fn respond(
    state: &mut EmulatorState,
    org: &OrgConfig,
    request: &ReceivedRequest,
) -> OutgoingResponse {
    let namespace = match request.path.split('/').nth(3) {
        Some("u") => "urn:partner.soap.sforce.com",
        Some("c") => "urn:enterprise.soap.sforce.com",
        Some("m") => "http://soap.sforce.com/2006/04/metadata",
        _ => return OutgoingResponse::html(404, "URL No Longer Exists"),
    };
    if request.method != "POST" {
        return fault(405, "soapenv:Client", "SOAP calls are POST requests");
    }
    let envelope = String::from_utf8_lossy(&request.body);
    let Some(call) = call(&envelope) else {
        return fault(
            500,
            "soapenv:Client",
            "the envelope has no body with a call in it",
        );
    };
    if call == "login" {
        let text = "INVALID_LOGIN: Invalid username, password, security token; or user locked out.";
        return fault(500, "sf:INVALID_LOGIN", text);
    }
    let now = state.now_ms();
    let token = element(&envelope, "sessionId").unwrap_or_default();
    let live = state.sessions.live(&token, now);
    let fit = live.is_some_and(|session| session.org_id == org.org_id && is_session_id(session));
    let session = if fit {
        state.sessions.used(&token, now)
    } else {
        None
    };
    let Some(session) = session else {
        state.counters.data_rejected += 1;
        let text = "INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session";
        return fault(500, "sf:INVALID_SESSION_ID", text);
    };
    let result = match call.as_str() {
        "getUserInfo" => user_info(org, &session),
        "describeMetadata" => DESCRIPTION.to_owned(),
        "query" => {
            let soql = element(&envelope, "queryString").unwrap_or_default();
            match data_api::records(&soql, org, &session.user_id) {
                Some((object, records)) => query_result(&object, &records),
                None => {
                    return fault(
                        500,
                        "sf:MALFORMED_QUERY",
                        "MALFORMED_QUERY: unexpected token",
                    );
                }
            }
        }
        _ => {
            return fault(
                500,
                "sf:INVALID_OPERATION",
                "the emulator has getUserInfo, query and describeMetadata",
            );
        }
    };
    let body =
        format!("<{call}Response xmlns=\"{namespace}\"><result>{result}</result></{call}Response>");
    OutgoingResponse::new(200, "text/xml;charset=UTF-8", envelope_around(&body))
}

/// The text of the first element of that local name.
pub(crate) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, inside) = open_tags(xml).find(|(tag, _)| local_name(tag) == name)?;
    let text = inside.split('<').next()?;
    Some(unescaped(text.trim()))
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn call(envelope: &str) -> Option<String> {
    let (_, inside) = open_tags(envelope).find(|(tag, _)| local_name(tag) == "Body")?;
    let (tag, _) = open_tags(inside).next()?;
    Some(local_name(tag).to_owned())
}

/// Opening tags with what follows each of them.
fn open_tags(xml: &str) -> impl Iterator<Item = (&str, &str)> {
    let starts = xml.match_indices('<').map(|(at, _)| &xml[at + 1..]);
    starts
        .filter(|rest| !rest.starts_with(['/', '?', '!']))
        .filter_map(|rest| rest.split_once('>'))
}

fn local_name(tag: &str) -> &str {
    let name = tag
        .split(|letter: char| letter.is_whitespace() || letter == '/')
        .next();
    let name = name.unwrap_or_default();
    name.rsplit(':').next().unwrap_or(name)
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

fn user_info(org: &OrgConfig, session: &EmulatedSession) -> String {
    let timeout = session
        .idle_timeout_ms
        .unwrap_or(session.ends_ms - session.starts_ms)
        / 1000;
    format!(
        "<organizationId>{}</organizationId><organizationName>{}</organizationName>\
         <sessionSecondsValid>{timeout}</sessionSecondsValid><userEmail>{}</userEmail>\
         <userFullName>Integration User</userFullName><userId>{}</userId><userName>{}</userName>",
        org.org_id,
        org.my_domain,
        escaped(&session.username),
        session.user_id,
        escaped(&session.username),
    )
}

fn query_result(object: &str, records: &[data_api::Record]) -> String {
    let mut rows = String::new();
    for record in records {
        let _ = write!(rows, "<records><type>{}</type>", escaped(object));
        for (name, value) in record {
            let name: String = name
                .chars()
                .filter(|letter| letter.is_alphanumeric())
                .collect();
            let _ = write!(rows, "<{name}>{}</{name}>", escaped(value));
        }
        rows.push_str("</records>");
    }
    format!("<done>true</done><queryLocator xsi:nil=\"true\"/>{rows}<size>1</size>")
}

fn fault(status: u16, code: &str, text: &str) -> OutgoingResponse {
    let body = format!(
        "<soapenv:Fault><faultcode>{code}</faultcode><faultstring>{}</faultstring></soapenv:Fault>",
        escaped(text)
    );
    OutgoingResponse::new(status, "text/xml;charset=UTF-8", envelope_around(&body))
}

fn envelope_around(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soapenv:Envelope xmlns:soapenv=\"{ENVELOPE}\" \
         xmlns:sf=\"urn:fault.partner.soap.sforce.com\" xmlns:xsi=\"{SCHEMA_INSTANCE}\">\
         <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calls_and_elements() {
        let envelope = "<?xml version=\"1.0\"?><se:Envelope xmlns:se=\"x\"><se:Header>\
            <SessionHeader xmlns=\"y\"><sessionId> a&amp;b!c </sessionId></SessionHeader></se:Header>\
            <se:Body><p:getUserInfo xmlns:p=\"z\"/></se:Body></se:Envelope>";
        assert_eq!(call(envelope).as_deref(), Some("getUserInfo"));
        assert_eq!(element(envelope, "sessionId").as_deref(), Some("a&b!c"));
        assert_eq!(element(envelope, "queryString"), None);
        assert_eq!(call("<Envelope><Body></Body></Envelope>"), None);
        assert_eq!(call("no XML"), None);
    }
}
