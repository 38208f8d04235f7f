//! What a successful token response holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{ACME, TOKEN_PATH, TestEnv, send, text};

#[test]
fn every_field_of_an_opaque_token() {
    let env = TestEnv::new();
    let before = env.emulator.now_ms();
    let fields = env.login();
    let after = env.emulator.now_ms();

    let names: Vec<_> = fields
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "access_token",
            "id",
            "instance_url",
            "issued_at",
            "scope",
            "signature",
            "token_format",
            "token_type"
        ]
    );
    let token = text(&fields["access_token"]);
    assert_eq!(token.len(), 112);
    assert!(token.starts_with(&format!("{}!", &env.org.org_id[..15])));
    let identity = format!(
        "https://login.salesforce.com/id/{}/{}",
        env.org.org_id, env.org.user_id
    );
    assert_eq!(fields["id"], json!(identity));
    assert_eq!(fields["instance_url"], json!(ACME));
    assert_eq!(fields["scope"], json!("api id"));
    assert_eq!(fields["token_format"], json!("opaque"));
    assert_eq!(fields["token_type"], json!("Bearer"));
    let issued_at: u64 = text(&fields["issued_at"]).parse().unwrap();
    assert!((before..=after).contains(&issued_at));
}

#[test]
fn the_signature_is_that_of_the_secret() {
    let env = TestEnv::new();
    assert!(is_signed(&env.login(), &env.org.client_secret));
    env.emulator
        .configure(json!({ "app": { "signature": "wrong" } }));
    assert!(!is_signed(&env.login(), &env.org.client_secret));
}

#[test]
fn basic_authentication_and_the_body_are_equal() {
    let env = TestEnv::new();
    let basic = env
        .client
        .post(format!("{ACME}{TOKEN_PATH}"))
        .basic_auth(&env.org.client_id, Some(&env.org.client_secret))
        .form(&[("grant_type", "client_credentials")]);
    assert_eq!(send(basic).json["access_token"], json!(env.token()));
}

#[test]
fn unknown_parameters_are_ignored() {
    let env = TestEnv::new();
    let mut form = env.credentials();
    form.push(("audience", "x".to_owned()));
    let request = env.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form);
    assert_eq!(send(request).status, 200);
}

#[test]
fn repeated_logins_share_a_session_while_it_lives() {
    let env = TestEnv::new();
    let first = env.token();
    assert_eq!(env.token(), first);
    assert!(env.emulator.kill_session(&first));
    assert!(!env.emulator.kill_session(&first));
    let second = env.token();
    assert_ne!(second, first);

    let counters = env.emulator.counters();
    assert_eq!(
        (
            counters.token_requests,
            counters.logins,
            counters.sessions_live
        ),
        (3, 3, 1)
    );
    assert_eq!(env.emulator.kill_sessions(), 1);
    assert_ne!(env.token(), second);
}

#[test]
fn distinct_tokens_when_asked_for() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "distinct_tokens": true } }));
    let first = env.token();
    let second = env.token();
    assert_ne!(first, second);
    assert_eq!(
        env.limits(&first).status,
        200,
        "a new token does not end an earlier one"
    );
    let sessions = env.emulator.sessions();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].user, env.org.username);
    assert_eq!(sessions[0].client_id, env.org.client_id);
}

#[test]
fn other_scopes_are_another_session() {
    let env = TestEnv::new();
    let before = env.token();
    let scopes = json!(["full", "api", "web", "refresh_token", "chatter_api"]);
    env.emulator
        .configure(json!({ "app": { "scopes": scopes } }));
    let fields = env.login();
    assert_eq!(fields["scope"], json!("api chatter_api"));
    assert_ne!(fields["access_token"], json!(before));
}

#[test]
fn optional_fields_come_and_go() {
    let env = TestEnv::new();
    env.emulator.configure(json!({
        "org": { "api_instance_url": "https://api.salesforce.com" },
        "app": {
            "omit": ["scope", "token_format"],
            "extra": { "sfdc_community_id": "0DB000000000001" },
            "expires_in": 600,
        },
    }));
    let fields = env.login();
    assert_eq!(
        fields["api_instance_url"],
        json!("https://api.salesforce.com")
    );
    assert_eq!(fields["sfdc_community_id"], json!("0DB000000000001"));
    assert_eq!(fields["expires_in"], json!(600));
    assert_eq!(fields.get("scope"), None);
    assert_eq!(fields.get("token_format"), None);
}

#[test]
fn a_moved_instance_serves_its_apis_under_the_new_name() {
    let env = TestEnv::new();
    let moved = "https://moved.salesforce.com";
    assert_eq!(env.get(&format!("{moved}/services/data")).status(), 404);
    env.control(json!({ "op": "move_instance", "instance_url": moved }));
    let fields = env.login();
    assert_eq!(fields["instance_url"], json!(moved));
    let token = text(&fields["access_token"]);
    assert_eq!(
        env.get_with(&format!("{moved}/services/data/v67.0/limits"), &token)
            .status,
        200
    );
    assert_eq!(
        env.limits(&token).status,
        200,
        "the My Domain still leads there"
    );
}

#[test]
fn each_org_has_its_own_tokens() {
    let env = TestEnv::new();
    let orgs = env.emulator.orgs();
    assert_eq!(orgs.len(), 3);
    let sandbox = &orgs[1];
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", sandbox.client_id.as_str()),
        ("client_secret", sandbox.client_secret.as_str()),
    ];
    let url = format!("https://{}{TOKEN_PATH}", sandbox.my_domain);
    let fields = send(env.client.post(url).form(&form)).json;
    let identity = format!(
        "https://test.salesforce.com/id/{}/{}",
        sandbox.org_id, sandbox.user_id
    );
    assert_eq!(fields["id"], json!(identity));

    let own = format!("https://{}/services/data/v67.0/limits", sandbox.my_domain);
    let token = text(&fields["access_token"]);
    assert_eq!(env.get_with(&own, &token).status, 200);
    assert_eq!(env.limits(&token).status, 401, "the token of another org");
}

fn is_signed(fields: &Value, client_secret: &str) -> bool {
    let message = text(&fields["id"]) + &text(&fields["issued_at"]);
    let signature = STANDARD.decode(text(&fields["signature"])).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    hmac::verify(&key, message.as_bytes(), &signature).is_ok()
}
