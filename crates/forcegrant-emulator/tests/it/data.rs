//! The data APIs with live, dead and unfit sessions.

use reqwest::blocking::RequestBuilder;
use serde_json::json;

use crate::support::{ACME, TestEnv, header, rest_401, send};

#[test]
fn the_version_list_is_open() {
    let env = TestEnv::new();
    let response = env.get(&format!("{ACME}/services/data"));
    assert_eq!(response.status(), 200);
    let versions: serde_json::Value = response.json().unwrap();
    let last = versions.as_array().unwrap().last().unwrap();
    assert_eq!(last["url"], json!("/services/data/v67.0"));
}

#[test]
fn rest_with_a_live_session() {
    let env = TestEnv::new();
    let token = env.token();
    let limits = env.client.get(format!("{ACME}/services/data/v67.0/limits"));
    let limits = limits.bearer_auth(&token).send().unwrap();
    assert_eq!(
        header(&limits, "sforce-limit-info"),
        "api-usage=1/15000; per-app-api-usage=1/15000(appName=Integration)"
    );
    let limits: serde_json::Value = limits.json().unwrap();
    assert_eq!(
        limits["DailyApiRequests"],
        json!({ "Max": 15000, "Remaining": 14999 })
    );

    let resources = env.get_with(&format!("{ACME}/services/data/v67.0/"), &token);
    assert_eq!(
        resources.json["limits"],
        json!("/services/data/v67.0/limits")
    );
    let missing = env.get_with(&format!("{ACME}/services/data/v67.0/nothing"), &token);
    assert_eq!(
        (missing.status, &missing.json[0]["errorCode"]),
        (404, &json!("NOT_FOUND"))
    );
    let version = env.get_with(&format!("{ACME}/services/data/v1.0/limits"), &token);
    assert_eq!(version.status, 404);
}

#[test]
fn queries_return_one_record() {
    let env = TestEnv::new();
    let token = env.token();
    let query = |soql: &str| {
        let request = env.client.get(format!("{ACME}/services/data/v67.0/query/"));
        send(request.bearer_auth(&token).query(&[("q", soql)]))
    };
    let users = query("SELECT Id, Username FROM User LIMIT 1").json;
    assert_eq!(
        (&users["totalSize"], &users["done"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(users["records"][0]["Id"], json!(env.org.user_id));
    assert_eq!(users["records"][0]["attributes"]["type"], json!("User"));
    let org = query("select Id from Organization").json;
    assert_eq!(org["records"][0]["Id"], json!(env.org.org_id));
    assert_eq!(
        query("SELECT COUNT() FROM Account").json["records"],
        json!([])
    );
    let wrong = query("SELECT");
    assert_eq!(
        (wrong.status, &wrong.json[0]["errorCode"]),
        (400, &json!("MALFORMED_QUERY"))
    );
}

#[test]
fn rest_refuses_a_token_without_a_live_session() {
    let env = TestEnv::new();
    let url = format!("{ACME}/services/data/v67.0/limits");
    let expired = || rest_401("Session expired or invalid");
    assert_eq!(send(env.client.get(&url)), expired());
    assert_eq!(env.limits("00D!wrong"), expired());
    let token = env.token();
    env.emulator.kill_session(&token);
    assert_eq!(env.limits(&token), expired());
    assert_eq!(
        send(env.client.get(&url).header("authorization", token)),
        expired()
    );
    let bulk = env
        .client
        .post(format!("{ACME}/services/data/v67.0/jobs/ingest"));
    assert_eq!(send(bulk.bearer_auth("x").json(&json!({}))), expired());
    let counters = env.emulator.counters();
    assert_eq!((counters.data_calls, counters.data_rejected), (5, 5));
}

#[test]
fn an_app_without_the_api_scope_is_always_refused() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "scopes": ["id"] } }));
    let token = env.token();
    let message = "This session is not valid for use with the REST API";
    assert_eq!(env.limits(&token), rest_401(message));
    env.emulator.kill_session(&token);
    assert_eq!(env.limits(&env.token()), rest_401(message));
}

#[test]
fn soap_calls_and_their_fault() {
    let env = TestEnv::new();
    let token = env.token();
    let soap = |kind: &str, token: &str, body: &str| {
        let envelope = format!(
            "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
             <soapenv:Header><u:SessionHeader xmlns:u=\"urn:partner.soap.sforce.com\">\
             <u:sessionId>{token}</u:sessionId></u:SessionHeader></soapenv:Header>\
             <soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>"
        );
        let request = env.client.post(format!("{ACME}/services/Soap/{kind}/67.0"));
        status_and_text(request.header("content-type", "text/xml").body(envelope))
    };
    let (status, info) = soap("u", &token, "<u:getUserInfo/>");
    assert_eq!(status, 200);
    assert!(
        info.contains(&format!("<userId>{}</userId>", env.org.user_id)),
        "{info}"
    );
    assert!(info.contains("<getUserInfoResponse xmlns=\"urn:partner.soap.sforce.com\">"));
    let query = "<query><queryString>SELECT Id FROM User</queryString></query>";
    let (status, result) = soap("c", &token, query);
    assert_eq!(status, 200);
    assert!(
        result.contains(&format!("<Id>{}</Id>", env.org.user_id)),
        "{result}"
    );

    for (body, token, code) in [
        ("<u:getUserInfo/>", "dead", "sf:INVALID_SESSION_ID"),
        (
            "<login><username>a</username></login>",
            "",
            "sf:INVALID_LOGIN",
        ),
        ("<describeGlobal/>", token.as_str(), "sf:INVALID_OPERATION"),
        ("", token.as_str(), "soapenv:Client"),
    ] {
        let (status, fault) = soap("u", token, body);
        assert_eq!(status, 500);
        assert!(
            fault.contains(&format!("<faultcode>{code}</faultcode>")),
            "{fault}"
        );
    }
    assert_eq!(env.emulator.counters().data_rejected, 1);
}

#[test]
fn bulk_1_speaks_xml_and_json() {
    let env = TestEnv::new();
    let token = env.token();
    let jobs = format!("{ACME}/services/async/67.0/job");
    let with = |token: &str| env.client.post(&jobs).header("X-SFDC-Session", token);

    let created = send(with(&token).json(&json!({ "operation": "insert", "object": "Lead" })));
    assert_eq!(
        (created.status, &created.json["object"]),
        (201, &json!("Lead"))
    );
    let id = created.json["id"].as_str().unwrap();
    let asked = env
        .client
        .get(format!("{jobs}/{id}"))
        .header("X-SFDC-Session", &token);
    let (status, text) = status_and_text(asked);
    assert_eq!(status, 200);
    assert!(text.contains(&format!("<id>{id}</id>")), "{text}");

    let refused = send(with("dead").json(&json!({})));
    assert_eq!(
        (refused.status, &refused.json["exceptionCode"]),
        (400, &json!("InvalidSessionId"))
    );
    let (status, text) = status_and_text(with("dead").header("content-type", "application/xml"));
    assert_eq!(status, 400);
    assert!(
        text.contains("<exceptionCode>InvalidSessionId</exceptionCode>"),
        "{text}"
    );
}

#[test]
fn bulk_2_is_rest() {
    let env = TestEnv::new();
    let token = env.token();
    let jobs = env
        .client
        .post(format!("{ACME}/services/data/v67.0/jobs/ingest"));
    let job = send(
        jobs.bearer_auth(&token)
            .json(&json!({ "object": "Lead", "operation": "insert" })),
    );
    assert_eq!((job.status, &job.json["state"]), (200, &json!("Open")));
    assert_eq!(job.json["object"], json!("Lead"));
}

#[test]
fn jwts_are_for_rest_only() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "token_format": "jwt" } }));
    let token = env.token();
    assert_eq!(env.limits(&token).status, 200);
    let bulk = env.client.post(format!("{ACME}/services/async/67.0/job"));
    assert_eq!(send(bulk.header("X-SFDC-Session", &token)).status, 400);
    let soap = env.client.post(format!("{ACME}/services/Soap/u/67.0")).body(format!(
        "<Envelope><Header><sessionId>{token}</sessionId></Header><Body><getUserInfo/></Body></Envelope>"
    ));
    let (status, fault) = status_and_text(soap);
    assert_eq!(status, 500);
    assert!(fault.contains("sf:INVALID_SESSION_ID"), "{fault}");
}

fn status_and_text(request: RequestBuilder) -> (u16, String) {
    let response = request.send().unwrap();
    (response.status().as_u16(), response.text().unwrap())
}
