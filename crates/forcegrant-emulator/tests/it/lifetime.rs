//! How long tokens live.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::support::{ACME, TestEnv, rest_401, text};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_idle_session_ends() {
    let env = TestEnv::new();
    let token = env.token();
    env.emulator.advance(121 * MINUTE);
    assert_eq!(env.limits(&token), rest_401("Session expired or invalid"));
    assert_eq!(env.emulator.counters().sessions_live, 0);
    assert_ne!(env.token(), token);
}

#[test]
fn use_in_the_first_half_of_the_idle_time_does_not_count() {
    let env = TestEnv::new();
    let token = env.token();
    env.emulator.advance(59 * MINUTE);
    assert_eq!(env.limits(&token).status, 200);
    env.emulator.advance(62 * MINUTE);
    assert_eq!(env.limits(&token).status, 401);
}

#[test]
fn use_in_the_second_half_prolongs_it() {
    let env = TestEnv::new();
    let token = env.token();
    for _ in 0..10 {
        env.emulator.advance(61 * MINUTE);
        assert_eq!(env.limits(&token).status, 200);
    }
    // A login counts as use, and so does the identity service.
    env.emulator.advance(61 * MINUTE);
    assert_eq!(env.token(), token);
    env.emulator.advance(61 * MINUTE);
    assert_eq!(
        env.get_with(&format!("{ACME}/services/oauth2/userinfo"), &token)
            .status,
        200
    );
    env.emulator.advance(61 * MINUTE);
    assert_eq!(env.limits(&token).status, 200);
}

#[test]
fn the_timeout_can_be_set() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "org": { "session_timeout_minutes": 15 } }));
    let token = env.token();
    env.emulator.advance(16 * MINUTE);
    assert_eq!(env.limits(&token).status, 401);
}

#[test]
fn issued_at_says_nothing_about_the_session() {
    let env = TestEnv::new();
    let first = env.login();
    env.emulator.advance(119 * MINUTE / 2);
    let second = env.login();
    assert_eq!(first["access_token"], second["access_token"]);
    assert_ne!(first["issued_at"], second["issued_at"]);
    assert_ne!(first["signature"], second["signature"]);
}

#[test]
fn expires_in_is_what_is_left_and_holds() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "expires_in": 600 } }));
    let token = env.token();
    env.emulator.advance(Duration::from_secs(400));
    let again = env.login();
    assert_eq!(again["access_token"], json!(token));
    let left = again["expires_in"].as_u64().unwrap();
    assert!((150..=200).contains(&left), "{left}");
    assert_eq!(env.limits(&token).status, 200);
    env.emulator.advance(Duration::from_secs(201));
    assert_eq!(env.limits(&token).status, 401);
}

#[test]
fn a_jwt_is_signed_fresh_and_ends_when_it_says() {
    let env = TestEnv::new();
    env.emulator
        .configure(json!({ "app": { "token_format": "jwt", "jwt_lifetime_minutes": 5 } }));
    let fields = env.login();
    assert_eq!(fields["token_format"], json!("jwt"));
    assert_eq!(fields.get("expires_in"), None);
    let token = text(&fields["access_token"]);
    assert_ne!(env.token(), token);

    let keys: Value = env.get(&format!("{ACME}/id/keys")).json().unwrap();
    let (header, claims) = verified(&token, &keys["keys"][0]);
    assert_eq!(header["alg"], json!("RS256"));
    assert_eq!(header["tty"], json!("sfdc-core-token"));
    assert_eq!(header["kid"], keys["keys"][0]["kid"]);
    assert_eq!(claims["sub"], json!(format!("uid:{}", env.org.user_id)));
    assert_eq!(claims["client_id"], json!(env.org.client_id));
    assert_eq!(claims["aud"], json!([ACME]));
    assert_eq!(claims["scp"], json!("api id"));
    let iat = claims["iat"].as_u64().unwrap();
    assert_eq!(claims["exp"], json!(iat + 300));
    assert_eq!(
        iat,
        text(&fields["issued_at"]).parse::<u64>().unwrap() / 1000
    );

    // Use in the second half of its life does not prolong it.
    env.emulator.advance(4 * MINUTE);
    assert_eq!(env.limits(&token).status, 200);
    env.emulator.advance(MINUTE);
    assert_eq!(env.limits(&token).status, 401);
}

fn verified(token: &str, key: &Value) -> (Value, Value) {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let public = RsaPublicKeyComponents {
        n: decode(&text(&key["n"])),
        e: decode(&text(&key["e"])),
    };
    public
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            message.as_bytes(),
            &decode(signature),
        )
        .expect("the published key verifies the token");
    let (header, claims) = message.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decode(part)).unwrap();
    (json(header), json(claims))
}
