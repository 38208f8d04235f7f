//! The control API over its port, and what it refuses.

use serde_json::{Value, json};

use crate::support::{JsonResponse, TestEnv, send};

const JSON: &str = "application/json";

#[test]
fn operations_over_http() {
    let env = TestEnv::new();
    env.token();
    let counters = post(&env, &json!({ "op": "counters" }));
    assert_eq!((counters.status, &counters.json["ok"]), (200, &json!(true)));
    assert_eq!(counters.json["logins"], json!(1));
    let requests = post(&env, &json!({ "op": "requests", "endpoint": "token" })).json;
    assert_eq!(
        requests["requests"][0]["form"]["grant_type"],
        json!("client_credentials")
    );
    assert_eq!(
        post(&env, &json!({ "op": "requests", "endpoint": "soap" })).json["requests"],
        json!([])
    );
    let now = post(&env, &json!({ "op": "now" })).json["now_ms"]
        .as_u64()
        .unwrap();
    let later = post(&env, &json!({ "op": "advance", "seconds": 1.5 })).json;
    assert!(later["now_ms"].as_u64().unwrap() >= now + 1500);
    let sessions = json!({ "op": "sessions", "my_domain": "acme.my.salesforce.com" });
    let session = &post(&env, &sessions).json["sessions"][0];
    let length = session["ends"].as_u64().unwrap() - session["starts"].as_u64().unwrap();
    assert_eq!(length, 7_200_000);
    let fault = json!({ "op": "fault", "endpoint": "token", "kind": "503_html" });
    assert_eq!(post(&env, &fault).json["id"], json!(1));
    assert_eq!(post(&env, &fault).json["id"], json!(2));
}

#[test]
fn errors_say_what_is_wrong_and_what_would_be_right() {
    refuses(&[
        (json!([]), "not a JSON object"),
        (json!({}), "give one of reset, configure"),
        (
            json!({ "op": "explode" }),
            "`op` is \"explode\"; give one of",
        ),
        (json!({ "op": "advance" }), "missing field `seconds`"),
        (json!({ "op": "advance", "seconds": -1 }), "give 0 or more"),
        (
            json!({ "op": "advance", "seconds": 1, "hours": 1 }),
            "unknown field `hours`",
        ),
        (json!({ "op": "now", "x": 1 }), "unknown field `x`"),
        (
            json!({ "op": "kill_sessions", "my_domain": "x" }),
            "there are acme.my.salesforce.com",
        ),
        (
            json!({ "op": "configure", "app": { "colour": 1 } }),
            "unknown field `colour`",
        ),
        (
            json!({ "op": "configure", "app": {}, "app_index": 7 }),
            "no element 7 in `apps`",
        ),
        (
            json!({ "op": "configure", "app": { "run_as": "who" } }),
            "`run_as`",
        ),
        (
            json!({ "op": "move_instance", "instance_url": "acme" }),
            "https://host",
        ),
        (
            json!({ "op": "reset", "config": { "orgs": [] } }),
            "`orgs` is empty",
        ),
        (
            json!({ "op": "wait_requests", "endpoint": "token", "count": 1, "timeout_ms": 0 }),
            "0 of 1 requests arrived within 0 ms",
        ),
    ]);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    refuses(&[
        (
            json!({ "op": "fault", "kind": "reset" }),
            "`endpoint` is missing",
        ),
        (
            json!({ "op": "fault", "endpoint": "x", "kind": "reset" }),
            "unknown variant `x`",
        ),
        (
            json!({ "op": "fault", "endpoint": "token" }),
            "`kind` is missing",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": 5 }),
            "give a name",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "x" }),
            "expected one of `503_html`",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "reset", "ms": 1 }),
            "no parameter",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "slow_head" }),
            "missing field `ms`",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "slow_head", "ms": 1, "s": 1 }),
            "unknown field `s`",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "reset", "first": 1, "every": 1 }),
            "give one of them",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "reset", "every": 0 }),
            "give 1 or more",
        ),
        (
            json!({ "op": "fault", "endpoint": "token", "kind": "status", "status": 100 }),
            "give 200 to 599",
        ),
        (
            json!({
                "op": "fault", "endpoint": "token", "kind": "redirect", "status": 200, "location": "x",
            }),
            "give 300 to 399",
        ),
    ]);
}

#[test]
fn only_json_posts_are_operations() {
    let env = TestEnv::new();
    let broken = post_text(&env, "{");
    assert!(broken.json["error"].as_str().unwrap().contains("not JSON"));
    let get = env.client.get(env.emulator.control_url());
    assert_eq!(send(get.header("content-type", JSON)).status, 405);
}

/// What a page in a browser can send: simple requests to any port, and requests of a name that leads here.
#[test]
fn web_pages_control_nothing() {
    let env = TestEnv::new();
    let url = env.emulator.control_url();
    let (origin, path) = url.rsplit_once('/').unwrap();
    assert_eq!(path.len(), 32, "128 bits: {path}");
    let operation = json!({ "op": "kill_sessions" }).to_string();
    let post = |url: &str, headers: &[(&str, &str)]| {
        let request = env.client.post(url).body(operation.clone());
        let with = |request: reqwest::blocking::RequestBuilder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        send(headers.iter().fold(request, with)).status
    };
    let json = ("content-type", JSON);
    for (address, headers, status) in [
        (url.as_str(), &[("content-type", "text/plain")][..], 415),
        (&url, &[], 415),
        (&url, &[json, ("origin", "https://evil.example")], 403),
        (&url, &[json, ("origin", "null")], 403),
        (&url, &[json, ("host", "evil.example")], 421),
        (&url, &[json, ("host", "127.0.0.1.evil.example:80")], 421),
        (&format!("{origin}/"), &[json], 404),
        (
            &format!("{origin}/0123456789abcdef0123456789abcdef"),
            &[json],
            404,
        ),
        (&url, &[json, ("host", "localhost:1234")], 200),
        (
            &url,
            &[("content-type", "application/json; charset=utf-8")],
            200,
        ),
    ] {
        assert_eq!(post(address, headers), status, "{address} {headers:?}");
    }
}

#[test]
fn a_reset_forgets_everything_but_the_first_configuration() {
    let env = TestEnv::from_json(json!({ "orgs": [
        { "my_domain": "acme.my.salesforce.com", "session_timeout_minutes": 15 },
    ] }));
    let token = env.token();
    env.emulator.configure(json!({ "app": { "run_as": null } }));
    env.control(json!({ "op": "advance", "seconds": 1e6 }));
    env.control(json!({ "op": "fault", "endpoint": "any", "kind": "503_html" }));
    let advanced = env.emulator.now_ms();
    env.emulator.reset(None);
    assert!(env.emulator.now_ms() < advanced - 900_000_000);
    assert_eq!(
        env.emulator.counters(),
        forcegrant_emulator::Counters::default()
    );
    assert!(env.emulator.requests().is_empty());
    assert_eq!(env.limits(&token).status, 401);
    assert_eq!(env.token_response().status, 200);
    let sessions = env.emulator.sessions();
    assert_eq!(sessions[0].ends - sessions[0].starts, 15 * 60_000);
}

#[test]
fn a_reset_can_bring_another_configuration() {
    let env = TestEnv::new();
    let config = json!({ "orgs": [{ "my_domain": "other.my.salesforce.com" }] });
    env.emulator
        .reset(Some(&serde_json::from_value(config).unwrap()));
    let org = env.emulator.default_org();
    assert_eq!(org.my_domain, "other.my.salesforce.com");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", org.client_id.as_str()),
        ("client_secret", org.client_secret.as_str()),
    ];
    let url = "https://other.my.salesforce.com/services/oauth2/token";
    assert_eq!(send(env.client.post(url).form(&form)).status, 200);
    env.emulator.reset(None);
    assert_eq!(
        env.emulator.default_org().my_domain,
        "acme.my.salesforce.com"
    );
}

#[test]
fn merging_changes_only_what_is_named() {
    let env = TestEnv::new();
    let change = json!({ "op": "configure", "app": { "extra": { "a": 1 } } });
    let org = env.control(change)["org"].take();
    assert_eq!(org["apps"][0]["extra"], json!({ "a": 1 }));
    let change = json!({ "op": "configure", "app": { "extra": { "b": 2 } } });
    let org = env.control(change)["org"].take();
    assert_eq!(org["apps"][0]["extra"], json!({ "a": 1, "b": 2 }));
    assert_eq!(org["apps"][0]["name"], json!("Integration"));
}

#[test]
fn waits_end_when_enough_has_arrived() {
    let env = TestEnv::new();
    let wait = json!({ "op": "wait_requests", "endpoint": "token", "count": 2 });
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| post(&env, &wait));
        env.token();
        env.token();
        assert_eq!(waiting.join().unwrap().json["count"], json!(2));
    });
}

fn refuses(operations: &[(Value, &str)]) {
    let env = TestEnv::new();
    for (operation, expected) in operations {
        let JsonResponse { status, json } = post(&env, operation);
        assert_eq!((status, &json["ok"]), (400, &json!(false)), "{operation}");
        let error = json["error"].as_str().unwrap();
        assert!(error.contains(expected), "{operation}: {error}");
    }
    assert_eq!(
        env.token_response().status,
        200,
        "nothing of it was carried out"
    );
}

fn post(env: &TestEnv, operation: &Value) -> JsonResponse {
    post_text(env, &operation.to_string())
}

fn post_text(env: &TestEnv, body: &str) -> JsonResponse {
    let request = env.client.post(env.emulator.control_url());
    send(request.header("content-type", JSON).body(body.to_owned()))
}
