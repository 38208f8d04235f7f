//! What a successful token response holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use crate::support::{ACME, TOKEN_PATH, World, reply, text};

#[test]
fn every_field_of_an_opaque_token() {
    let world = World::new();
    let before = world.emulator.now_ms();
    let fields = world.login();
    let after = world.emulator.now_ms();

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
    assert!(token.starts_with(&format!("{}!", &world.org.org_id[..15])));
    let identity = format!(
        "https://login.salesforce.com/id/{}/{}",
        world.org.org_id, world.org.user_id
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
    let world = World::new();
    assert!(is_signed(&world.login(), &world.org.client_secret));
    world
        .emulator
        .configure(json!({ "app": { "signature": "wrong" } }));
    assert!(!is_signed(&world.login(), &world.org.client_secret));
}

#[test]
fn basic_authentication_and_the_body_are_equal() {
    let world = World::new();
    let basic = world
        .client
        .post(format!("{ACME}{TOKEN_PATH}"))
        .basic_auth(&world.org.client_id, Some(&world.org.client_secret))
        .form(&[("grant_type", "client_credentials")]);
    assert_eq!(reply(basic).json["access_token"], json!(world.token()));
}

#[test]
fn unknown_parameters_are_ignored() {
    let world = World::new();
    let mut form = world.credentials();
    form.push(("audience", "x".to_owned()));
    let request = world.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form);
    assert_eq!(reply(request).status, 200);
}

#[test]
fn repeated_logins_share_a_session_while_it_lives() {
    let world = World::new();
    let first = world.token();
    assert_eq!(world.token(), first);
    assert!(world.emulator.kill_session(&first));
    assert!(!world.emulator.kill_session(&first));
    let second = world.token();
    assert_ne!(second, first);

    let counters = world.emulator.counters();
    assert_eq!(
        (
            counters.token_requests,
            counters.logins,
            counters.sessions_live
        ),
        (3, 3, 1)
    );
    assert_eq!(world.emulator.kill_sessions(), 1);
    assert_ne!(world.token(), second);
}

#[test]
fn distinct_tokens_when_asked_for() {
    let world = World::new();
    world
        .emulator
        .configure(json!({ "app": { "distinct_tokens": true } }));
    let first = world.token();
    let second = world.token();
    assert_ne!(first, second);
    assert_eq!(
        world.limits(&first).status,
        200,
        "a new token does not end an earlier one"
    );
    let sessions = world.emulator.sessions();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].user, world.org.username);
    assert_eq!(sessions[0].client_id, world.org.client_id);
}

#[test]
fn other_scopes_are_another_session() {
    let world = World::new();
    let before = world.token();
    let scopes = json!(["full", "api", "web", "refresh_token", "chatter_api"]);
    world
        .emulator
        .configure(json!({ "app": { "scopes": scopes } }));
    let fields = world.login();
    assert_eq!(fields["scope"], json!("api chatter_api"));
    assert_ne!(fields["access_token"], json!(before));
}

#[test]
fn optional_fields_come_and_go() {
    let world = World::new();
    world.emulator.configure(json!({
        "org": { "api_instance_url": "https://api.salesforce.com" },
        "app": {
            "omit": ["scope", "token_format"],
            "extra": { "sfdc_community_id": "0DB000000000001" },
            "expires_in": 600,
        },
    }));
    let fields = world.login();
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
    let world = World::new();
    let moved = "https://moved.salesforce.com";
    assert_eq!(world.get(&format!("{moved}/services/data")).status(), 404);
    world.control(json!({ "op": "move_instance", "instance_url": moved }));
    let fields = world.login();
    assert_eq!(fields["instance_url"], json!(moved));
    let token = text(&fields["access_token"]);
    assert_eq!(
        world
            .get_with(&format!("{moved}/services/data/v67.0/limits"), &token)
            .status,
        200
    );
    assert_eq!(
        world.limits(&token).status,
        200,
        "the My Domain still leads there"
    );
}

#[test]
fn each_org_has_its_own_tokens() {
    let world = World::new();
    let orgs = world.emulator.orgs();
    assert_eq!(orgs.len(), 3);
    let sandbox = &orgs[1];
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", sandbox.client_id.as_str()),
        ("client_secret", sandbox.client_secret.as_str()),
    ];
    let url = format!("https://{}{TOKEN_PATH}", sandbox.my_domain);
    let fields = reply(world.client.post(url).form(&form)).json;
    let identity = format!(
        "https://test.salesforce.com/id/{}/{}",
        sandbox.org_id, sandbox.user_id
    );
    assert_eq!(fields["id"], json!(identity));

    let own = format!("https://{}/services/data/v67.0/limits", sandbox.my_domain);
    let token = text(&fields["access_token"]);
    assert_eq!(world.get_with(&own, &token).status, 200);
    assert_eq!(world.limits(&token).status, 401, "the token of another org");
}

fn is_signed(fields: &Value, client_secret: &str) -> bool {
    let message = text(&fields["id"]) + &text(&fields["issued_at"]);
    let signature = STANDARD.decode(text(&fields["signature"])).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    hmac::verify(&key, message.as_bytes(), &signature).is_ok()
}
