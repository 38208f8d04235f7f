//! Every way to go wrong.

use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use forcegrant_emulator::{Endpoint, Fault, FaultKind};
use reqwest::blocking::Response;
use serde_json::{Map, Value, json};

use crate::support::{JsonResponse, TestEnv, header, refusal, send, text};

#[test]
fn faults_of_status_and_body() {
    let env = TestEnv::new();
    for (kind, status, content_type, body) in [
        (
            json!({ "kind": "503_html" }),
            503,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (
            json!({ "kind": "502_html" }),
            502,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (
            json!({ "kind": "504_html" }),
            504,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (
            json!({ "kind": "420_html" }),
            420,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (json!({ "kind": "500_empty" }), 500, "", ""),
        (json!({ "kind": "406_empty" }), 406, "", ""),
        (
            json!({ "kind": "429" }),
            429,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (
            json!({ "kind": "429_retry_after", "seconds": 7 }),
            429,
            "text/html",
            "<!DOCTYPE html>",
        ),
        (
            json!({ "kind": "not_json" }),
            200,
            "application/json",
            "<html>",
        ),
        (
            json!({ "kind": "status", "params": {
                "status": 418, "body": "tea", "content_type": "text/plain", "headers": { "x-a": "b" },
            } }),
            418,
            "text/plain",
            "tea",
        ),
    ] {
        env.emulator.reset(None);
        let response = faulty(&env, &kind);
        assert_eq!(response.status(), status, "{kind}");
        assert!(
            header(&response, "content-type").starts_with(content_type),
            "{kind}"
        );
        let retry_after = kind.get("seconds").map_or("", |_| "7");
        assert_eq!(header(&response, "retry-after"), retry_after);
        let header = header(&response, "x-a").to_owned();
        assert_eq!(header, if status == 418 { "b" } else { "" });
        assert!(response.text().unwrap().starts_with(body), "{kind}");
        assert_eq!(env.emulator.requests()[0].answered, kind["kind"]);
        let counters = env.emulator.counters();
        assert_eq!(
            (counters.faults, counters.logins, counters.refusals),
            (1, 0, 0),
            "{kind}"
        );
    }
}

#[test]
fn faults_that_change_the_right_response() {
    let env = TestEnv::new();
    let wrong = faulty(&env, &json!({ "kind": "wrong_content_type" }));
    assert!(header(&wrong, "content-type").starts_with("text/html"));
    assert!(wrong.json::<Value>().unwrap()["access_token"].is_string());

    let fields = |kind: Value| -> Map<String, Value> { faulty(&env, &kind).json().unwrap() };
    let url = "https://evil.example";
    let foreign = fields(json!({ "kind": "foreign_instance_url", "url": url }));
    assert_eq!(foreign["instance_url"], json!(url));
    let missing = fields(json!({ "kind": "missing_token" }));
    assert_eq!(missing.get("access_token"), None);
    assert_eq!(missing["token_type"], json!("Bearer"));
    let typed = fields(json!({ "kind": "wrong_type", "field": "issued_at", "value": 5 }));
    assert_eq!(typed["issued_at"], json!(5));
    let set = fields(json!({ "kind": "set_fields", "fields": { "id": null, "more": [1] } }));
    assert_eq!((&set["id"], &set["more"]), (&json!(null), &json!([1])));
    assert_eq!(env.emulator.counters().logins, 5);
}

#[test]
fn an_echo_holds_the_request() {
    let env = TestEnv::new();
    let secret = env.credentials()[2].1.clone();
    let echo = |place: &str, encoding: &str| {
        let kind = json!({ "kind": "echo", "params": { "place": place, "encoding": encoding } });
        faulty(&env, &kind)
    };
    let response = echo("description", "raw");
    assert_eq!(response.status(), 400);
    let words = response.json::<Value>().unwrap()["error_description"].clone();
    let words = text(&words);
    assert!(
        words.starts_with("POST /services/oauth2/token\n"),
        "{words}"
    );
    assert!(words.contains("content-type: application/x-www-form-urlencoded"));
    assert!(
        words.contains(&format!("client_secret={secret}")),
        "{words}"
    );
    for (place, name) in [
        ("location", "location"),
        ("retry_after", "retry-after"),
        ("content_type", "content-type"),
    ] {
        assert!(header(&echo(place, "secret"), name).contains(&secret));
        assert!(header(&echo(place, "form"), name).contains("client_secret%3D"));
    }
    for (place, encoding, needle) in [
        ("html", "html", format!("&amp;client_secret={secret}")),
        ("html", "percent", "client_secret%3d".to_owned()),
        ("error", "json", "\\u0070".to_owned()),
        ("rest_error", "base64", "UE9TVCAv".to_owned()),
    ] {
        let body = echo(place, encoding).text().unwrap();
        assert!(body.contains(&needle), "{place} {encoding}: {body}");
    }
}

#[test]
fn a_refusal_with_given_words() {
    let env = TestEnv::new();
    let kind = json!({ "kind": "refusal", "error": "invalid_grant", "description": "new words" });
    let response = faulty(&env, &kind);
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.json::<Value>().unwrap(),
        refusal("invalid_grant", "new words").json
    );
    let mut kind = kind;
    kind["status"] = json!(401);
    assert_eq!(faulty(&env, &kind).status(), 401);
}

#[test]
fn a_redirect_elsewhere() {
    let env = TestEnv::new();
    let location = "https://elsewhere.example/token";
    let kind = json!({ "kind": "redirect", "status": 307, "location": location });
    let response = faulty(&env, &kind);
    assert_eq!(response.status(), 307);
    assert_eq!(header(&response, "location"), location);
}

#[test]
fn a_dead_token_does_not_come_back() {
    let env = TestEnv::new();
    let live = env.token();
    let dead = faulty(&env, &json!({ "kind": "dead_token" }));
    let dead = text(&dead.json::<Value>().unwrap()["access_token"]);
    assert_ne!(dead, live);
    assert_eq!(env.limits(&dead).status, 401);
    assert_eq!(env.token(), live);
}

#[test]
fn a_body_that_is_cut() {
    let env = TestEnv::new();
    let response = faulty(&env, &json!({ "kind": "cut_body" }));
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 300);
    assert!(response.text().is_err());
    assert_eq!(env.token_response().status, 200);
}

#[test]
fn a_body_of_any_size() {
    let env = TestEnv::new();
    let response = faulty(&env, &json!({ "kind": "huge_body", "bytes": 3_000_000 }));
    assert_eq!(response.content_length(), Some(3_000_000));
    let body = response.bytes().unwrap();
    assert_eq!(body.len(), 3_000_000);
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["padding"].is_string());
    let response = faulty(
        &env,
        &json!({ "kind": "huge_body", "bytes": 100_000, "chunked": true }),
    );
    assert_eq!(response.content_length(), None);
    assert_eq!(response.bytes().unwrap().len(), 100_000);
}

#[test]
fn a_connection_that_is_reset() {
    let env = TestEnv::new();
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Reset).first(1));
    let error = env.token_request().send().unwrap_err();
    assert!(
        format!("{error:?}").contains("ConnectionReset"),
        "{error:?}"
    );
    assert_eq!(env.emulator.requests()[0].answered, json!("reset"));
    assert_eq!(env.token_response().status, 200);
}

#[test]
fn slow_responses_arrive_late_and_unchanged() {
    let env = TestEnv::new();
    for kind in [
        FaultKind::SlowHead { ms: 60 },
        FaultKind::SlowBody { ms: 60 },
    ] {
        env.emulator
            .fault(&Fault::new(Endpoint::Token, kind).first(1));
        let started = Instant::now();
        assert_eq!(env.token_response().status, 200);
        assert!(started.elapsed() >= Duration::from_millis(60));
    }
    assert_eq!(env.emulator.counters().logins, 2);
}

#[test]
fn which_requests_meet_a_rule() {
    let env = TestEnv::new();
    let faulty = |fault: &Fault, requests: usize| -> Vec<bool> {
        env.emulator.clear_faults();
        env.emulator.fault(fault);
        (0..requests)
            .map(|_| env.token_response().status == 503)
            .collect()
    };
    let fault = || Fault::new(Endpoint::Token, FaultKind::Html503);
    assert_eq!(faulty(&fault(), 2), [true, true]);
    assert_eq!(faulty(&fault().first(2), 3), [true, true, false]);
    assert_eq!(faulty(&fault().skip(1).first(1), 3), [false, true, false]);
    assert_eq!(faulty(&fault().every(2), 4), [false, true, false, true]);
    assert_eq!(
        faulty(&fault().skip(1).every(2), 5),
        [false, false, true, false, true]
    );
    assert_eq!(
        faulty(&fault().my_domain("other.my.salesforce.com"), 1),
        [false]
    );
    assert_eq!(
        faulty(&fault().my_domain("acme.my.salesforce.com"), 1),
        [true]
    );
    let elsewhere = Fault::new(Endpoint::Data, FaultKind::Html503);
    assert_eq!(faulty(&elsewhere, 1), [false]);
    assert_eq!(
        faulty(&Fault::new(Endpoint::Any, FaultKind::Html503), 1),
        [true]
    );
    env.emulator.clear_faults();
    env.emulator.fault(&elsewhere);
    assert_eq!(env.limits("x").status, 503);
}

#[test]
fn rules_take_turns() {
    let env = TestEnv::new();
    for kind in [FaultKind::Html503, FaultKind::Empty500] {
        env.emulator
            .fault(&Fault::new(Endpoint::Token, kind).first(1));
    }
    let statuses: Vec<u16> = (0..3).map(|_| env.token_response().status).collect();
    assert_eq!(statuses, [503, 500, 200]);
}

#[test]
fn held_requests_wait_for_the_release() {
    let env = TestEnv::new();
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Hold));
    thread::scope(|scope| {
        let held: Vec<_> = (0..5).map(|_| scope.spawn(|| env.token())).collect();
        env.emulator.wait_requests(Endpoint::Token, 5);
        let counters = env.emulator.counters();
        assert_eq!((counters.token_requests, counters.logins), (5, 0));
        assert_eq!(env.emulator.requests()[0].answered, Value::Null);
        env.emulator.release();
        let tokens: HashSet<String> = held.into_iter().map(|held| held.join().unwrap()).collect();
        assert_eq!(tokens.len(), 1);
    });
    assert_eq!(env.token_response().status, 200, "the rule is gone");
}

#[test]
fn a_held_request_can_meet_another_fault_afterwards() {
    let env = TestEnv::new();
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Hold));
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Html503));
    thread::scope(|scope| {
        let held = scope.spawn(|| env.token_response().status);
        env.emulator.wait_requests(Endpoint::Token, 1);
        env.emulator.release();
        assert_eq!(held.join().unwrap(), 503);
    });
}

#[test]
fn a_reset_ends_all_that_is_slow_at_once_and_without_a_trace() {
    let env = TestEnv::new();
    for kind in [
        FaultKind::Hold,
        FaultKind::SlowHead { ms: 3_600_000 },
        FaultKind::SlowBody { ms: 3_600_000 },
    ] {
        env.emulator
            .fault(&Fault::new(Endpoint::Token, kind.clone()));
        thread::scope(|scope| {
            let (head, got_head) = mpsc::channel();
            let env = &env;
            let slow = scope.spawn(move || {
                let response = env.token_request().send();
                head.send(()).unwrap();
                response.and_then(Response::text)
            });
            env.emulator.wait_requests(Endpoint::Token, 1);
            if matches!(kind, FaultKind::SlowBody { .. }) {
                got_head.recv().unwrap();
            }
            env.emulator.reset(None);
            assert!(slow.join().unwrap().is_err(), "{kind:?}");
        });
        assert_eq!(env.emulator.counters().token_requests, 0);
        assert_eq!(env.emulator.counters().logins, 0);
        assert!(env.emulator.requests().is_empty());
    }
    assert_eq!(env.token_response().status, 200);
}

#[test]
fn dropping_the_emulator_ends_all_that_is_slow() {
    let TestEnv {
        emulator, client, ..
    } = TestEnv::new();
    emulator.fault(&Fault::new(Endpoint::Data, FaultKind::Hold));
    let held = thread::spawn(move || {
        client
            .get("https://acme.my.salesforce.com/services/data")
            .send()
            .is_err()
    });
    emulator.wait_requests(Endpoint::Data, 1);
    drop(emulator);
    assert!(held.join().unwrap());
}

/// One token request that meets the fault.
fn faulty(env: &TestEnv, kind: &Value) -> Response {
    let mut operation = kind.clone();
    operation["op"] = json!("fault");
    operation["endpoint"] = json!("token");
    operation["first"] = json!(1);
    env.control(operation);
    env.token_request().send().unwrap()
}

#[test]
fn a_fault_at_one_endpoint_leaves_the_others_alone() {
    let env = TestEnv::new();
    let token = env.token();
    env.emulator
        .fault(&Fault::new(Endpoint::Limits, FaultKind::Empty500));
    assert_eq!(
        env.limits(&token),
        JsonResponse {
            status: 500,
            json: Value::Null
        }
    );
    let url = "https://acme.my.salesforce.com/services/data/v67.0/query?q=SELECT+Id+FROM+User";
    assert_eq!(send(env.client.get(url).bearer_auth(&token)).status, 200);
}
