//! Introspection, user info, identity, revocation, discovery.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ACME, JsonResponse, TestEnv, refusal, send, text};

#[test]
fn introspection_of_live_and_dead_tokens() {
    let env = TestEnv::new();
    let fields = env.login();
    let token = text(&fields["access_token"]);
    let response = introspect(&env, &token);
    assert_eq!(response.status, 200);
    assert_eq!(response.json["active"], json!(true));
    assert_eq!(response.json["scope"], json!("api id"));
    assert_eq!(response.json["client_id"], json!(env.org.client_id));
    assert_eq!(response.json["username"], json!(env.org.username));
    assert_eq!(response.json["sub"], fields["id"]);
    assert_eq!(response.json["token_type"], json!("access_token"));
    let seconds = |name: &str| response.json[name].as_u64().unwrap();
    // Both are cut to whole seconds.
    assert!((7199..=7200).contains(&(seconds("exp") - seconds("iat"))));
    assert_eq!(seconds("nbf"), seconds("iat"));

    env.emulator.advance(Duration::from_secs(7200));
    assert_eq!(introspect(&env, &token).json, json!({ "active": false }));
    assert_eq!(introspect(&env, "unknown").json, json!({ "active": false }));
    assert_eq!(env.emulator.counters().introspections, 3);
}

#[test]
fn introspection_does_not_count_as_use_of_the_session() {
    let env = TestEnv::new();
    let token = env.token();
    env.emulator.advance(Duration::from_secs(7000));
    assert_eq!(introspect(&env, &token).json["active"], json!(true));
    env.emulator.advance(Duration::from_secs(200));
    assert_eq!(introspect(&env, &token).json["active"], json!(false));
}

#[test]
fn introspection_needs_an_app_that_may() {
    let env = TestEnv::new();
    let token = env.token();
    let url = format!("{ACME}/services/oauth2/introspect");
    let wrong = [
        ("token", token.as_str()),
        ("client_id", "x"),
        ("client_secret", "y"),
    ];
    let response = send(env.client.post(&url).form(&wrong));
    assert_eq!(
        response,
        refusal("invalid_client_id", "client identifier invalid")
    );
    let basic = env
        .client
        .post(&url)
        .basic_auth(&env.org.client_id, Some("y"));
    let response = send(basic.form(&[("token", token.as_str())]));
    assert_eq!(
        response,
        refusal("invalid_client", "invalid client credentials")
    );
    env.emulator
        .configure(json!({ "app": { "introspection": "forbidden" } }));
    let response = introspect(&env, &token);
    assert_eq!(
        (response.status, &response.json["error"]),
        (403, &json!("access_denied"))
    );
}

#[test]
fn user_info_and_identity() {
    let env = TestEnv::new();
    let fields = env.login();
    let token = text(&fields["access_token"]);
    let identity = text(&fields["id"]);
    let userinfo = format!("{ACME}/services/oauth2/userinfo");
    let info = env.get_with(&userinfo, &token).json;
    assert_eq!(info["organization_id"], json!(env.org.org_id));
    assert_eq!(info["preferred_username"], json!(env.org.username));
    let own = env.get_with(&identity, &token).json;
    assert_eq!(
        (&own["id"], &own["user_id"]),
        (&json!(identity), &json!(env.org.user_id))
    );

    let body = |url: &str, token: &str| {
        let response = env.client.get(url).bearer_auth(token).send().unwrap();
        (response.status().as_u16(), response.text().unwrap())
    };
    let other = identity.replace(&env.org.user_id, "005000000000001AAA");
    assert_eq!(body(&other, &token), (403, "Wrong_Org".to_owned()));
    env.emulator.kill_session(&token);
    for url in [&userinfo, &identity] {
        assert_eq!(body(url, &token), (403, "Bad_OAuth_Token".to_owned()));
    }
    assert_eq!(env.get(&userinfo).text().unwrap(), "Missing_OAuth_Token");
    assert_eq!(env.emulator.counters().userinfo, 6);
}

#[test]
fn revocation_ends_the_shared_session() {
    let env = TestEnv::new();
    let token = env.token();
    let url = format!("{ACME}/services/oauth2/revoke");
    let revoke = |form: &[(&str, &str)]| send(env.client.post(&url).form(form));
    assert_eq!(
        revoke(&[("token", &token)]),
        JsonResponse {
            status: 200,
            json: Value::Null
        }
    );
    assert_eq!(env.limits(&token).status, 401);
    assert_eq!(
        revoke(&[("token", &token)]),
        refusal("invalid_token", "invalid token")
    );
    assert_eq!(revoke(&[]).json["error"], json!("unsupported_token_type"));
    assert_ne!(env.token(), token);
    assert_eq!(env.emulator.counters().revocations, 3);
}

#[test]
fn discovery_names_the_endpoints_of_its_host() {
    let env = TestEnv::new();
    let url = format!("{ACME}/.well-known/openid-configuration");
    let document: Value = env.get(&url).json().unwrap();
    assert_eq!(document["issuer"], json!(ACME));
    assert_eq!(
        document["token_endpoint"],
        json!(format!("{ACME}/services/oauth2/token"))
    );
    assert_eq!(document["jwks_uri"], json!(format!("{ACME}/id/keys")));
    assert_eq!(env.get(&format!("{ACME}/nothing")).status(), 404);
}

fn introspect(env: &TestEnv, token: &str) -> JsonResponse {
    let request = env
        .client
        .post(format!("{ACME}/services/oauth2/introspect"));
    let form = [
        ("token", token),
        ("token_type_hint", "access_token"),
        ("client_id", &env.org.client_id),
        ("client_secret", &env.org.client_secret),
    ];
    send(request.form(&form))
}
