//! Two live keys, propagation of a new one, the login rate.

use std::time::Duration;

use serde_json::json;

use crate::support::{ACME, JsonResponse, TOKEN_PATH, TestEnv, refusal, send};

#[test]
fn two_pairs_are_live_while_rotating() {
    let env = TestEnv::new();
    let old = env.token();
    env.control(json!({ "op": "add_key", "client_id": "3MVG9next", "client_secret": "NEXT" }));
    let next = login_as(&env, "3MVG9next", "NEXT");
    assert_eq!(
        next.json["access_token"],
        json!(old),
        "one app, one session"
    );
    let client_id = &env.org.client_id;
    env.control(json!({ "op": "remove_key", "client_id": client_id }));
    assert_eq!(
        env.token_response(),
        refusal("invalid_client_id", "client identifier invalid")
    );
    assert_eq!(login_as(&env, "3MVG9next", "NEXT").status, 200);
    assert_eq!(
        env.limits(&old).status,
        200,
        "a retired key leaves its sessions alone"
    );
}

#[test]
fn a_new_key_is_known_only_after_a_while() {
    let env = TestEnv::new();
    env.control(json!({
        "op": "add_key", "client_id": "3MVG9next", "client_secret": "NEXT", "delay_seconds": 300,
    }));
    let unknown = refusal("invalid_client_id", "client identifier invalid");
    assert_eq!(login_as(&env, "3MVG9next", "NEXT"), unknown);
    env.emulator.advance(Duration::from_secs(300));
    assert_eq!(login_as(&env, "3MVG9next", "NEXT").status, 200);
}

#[test]
fn keys_that_cannot_be_added_or_removed() {
    let env = TestEnv::new();
    let add = json!({ "op": "add_key", "client_id": env.org.client_id, "client_secret": "X" });
    assert!(
        env.emulator
            .control(add)
            .unwrap_err()
            .to_string()
            .contains("already exists")
    );
    let remove = json!({ "op": "remove_key", "client_id": "X" });
    assert!(
        env.emulator
            .control(remove)
            .unwrap_err()
            .to_string()
            .contains("has the key X")
    );
}

#[test]
fn logins_are_limited_per_hour_and_user() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "login_limit_per_hour": 2 } }));
    assert_eq!(env.token_response().status, 200);
    env.emulator.advance(Duration::from_secs(1800));
    assert_eq!(env.token_response().status, 200);
    let exceeded = || refusal("invalid_grant", "login rate exceeded");
    assert_eq!(env.token_response(), exceeded());
    // Refused ones do not count, and the first login leaves the hour.
    env.emulator.advance(Duration::from_secs(1800));
    assert_eq!(env.token_response().status, 200);
    assert_eq!(env.token_response(), exceeded());
}

fn login_as(env: &TestEnv, client_id: &str, client_secret: &str) -> JsonResponse {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret),
    ];
    send(env.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form))
}
