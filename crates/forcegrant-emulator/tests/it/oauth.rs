//! Introspection, user info, identity, revocation, discovery.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{ACME, Reply, World, refusal, reply, text};

#[test]
fn introspection_of_live_and_dead_tokens() {
    let world = World::new();
    let fields = world.login();
    let token = text(&fields["access_token"]);
    let answer = introspect(&world, &token);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["active"], json!(true));
    assert_eq!(answer.json["scope"], json!("api id"));
    assert_eq!(answer.json["client_id"], json!(world.org.client_id));
    assert_eq!(answer.json["username"], json!(world.org.username));
    assert_eq!(answer.json["sub"], fields["id"]);
    assert_eq!(answer.json["token_type"], json!("access_token"));
    let seconds = |name: &str| answer.json[name].as_u64().unwrap();
    // Both are cut to whole seconds.
    assert!((7199..=7200).contains(&(seconds("exp") - seconds("iat"))));
    assert_eq!(seconds("nbf"), seconds("iat"));

    world.emulator.advance(Duration::from_secs(7200));
    assert_eq!(introspect(&world, &token).json, json!({ "active": false }));
    assert_eq!(
        introspect(&world, "unknown").json,
        json!({ "active": false })
    );
    assert_eq!(world.emulator.counters().introspections, 3);
}

#[test]
fn introspection_is_no_use_of_the_session() {
    let world = World::new();
    let token = world.token();
    world.emulator.advance(Duration::from_secs(7000));
    assert_eq!(introspect(&world, &token).json["active"], json!(true));
    world.emulator.advance(Duration::from_secs(200));
    assert_eq!(introspect(&world, &token).json["active"], json!(false));
}

#[test]
fn introspection_needs_an_app_that_may() {
    let world = World::new();
    let token = world.token();
    let url = format!("{ACME}/services/oauth2/introspect");
    let wrong = [
        ("token", token.as_str()),
        ("client_id", "x"),
        ("client_secret", "y"),
    ];
    let answer = reply(world.client.post(&url).form(&wrong));
    assert_eq!(
        answer,
        refusal("invalid_client_id", "client identifier invalid")
    );
    let basic = world
        .client
        .post(&url)
        .basic_auth(&world.org.client_id, Some("y"));
    let answer = reply(basic.form(&[("token", token.as_str())]));
    assert_eq!(
        answer,
        refusal("invalid_client", "invalid client credentials")
    );
    world
        .emulator
        .configure(json!({ "app": { "introspection": "forbidden" } }));
    let answer = introspect(&world, &token);
    assert_eq!(
        (answer.status, &answer.json["error"]),
        (403, &json!("access_denied"))
    );
}

#[test]
fn user_info_and_identity() {
    let world = World::new();
    let fields = world.login();
    let token = text(&fields["access_token"]);
    let identity = text(&fields["id"]);
    let userinfo = format!("{ACME}/services/oauth2/userinfo");
    let info = world.get_with(&userinfo, &token).json;
    assert_eq!(info["organization_id"], json!(world.org.org_id));
    assert_eq!(info["preferred_username"], json!(world.org.username));
    let own = world.get_with(&identity, &token).json;
    assert_eq!(
        (&own["id"], &own["user_id"]),
        (&json!(identity), &json!(world.org.user_id))
    );

    let body = |url: &str, token: &str| {
        let answer = world.client.get(url).bearer_auth(token).send().unwrap();
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let other = identity.replace(&world.org.user_id, "005000000000001AAA");
    assert_eq!(body(&other, &token), (403, "Wrong_Org".to_owned()));
    world.emulator.kill_session(&token);
    for url in [&userinfo, &identity] {
        assert_eq!(body(url, &token), (403, "Bad_OAuth_Token".to_owned()));
    }
    assert_eq!(world.get(&userinfo).text().unwrap(), "Missing_OAuth_Token");
    assert_eq!(world.emulator.counters().userinfo, 6);
}

#[test]
fn revocation_ends_the_shared_session() {
    let world = World::new();
    let token = world.token();
    let url = format!("{ACME}/services/oauth2/revoke");
    let revoke = |form: &[(&str, &str)]| reply(world.client.post(&url).form(form));
    assert_eq!(
        revoke(&[("token", &token)]),
        Reply {
            status: 200,
            json: Value::Null
        }
    );
    assert_eq!(world.limits(&token).status, 401);
    assert_eq!(
        revoke(&[("token", &token)]),
        refusal("invalid_token", "invalid token")
    );
    assert_eq!(revoke(&[]).json["error"], json!("unsupported_token_type"));
    assert_ne!(world.token(), token);
    assert_eq!(world.emulator.counters().revocations, 3);
}

#[test]
fn discovery_names_the_endpoints_of_its_host() {
    let world = World::new();
    let url = format!("{ACME}/.well-known/openid-configuration");
    let document: Value = world.get(&url).json().unwrap();
    assert_eq!(document["issuer"], json!(ACME));
    assert_eq!(
        document["token_endpoint"],
        json!(format!("{ACME}/services/oauth2/token"))
    );
    assert_eq!(document["jwks_uri"], json!(format!("{ACME}/id/keys")));
    assert_eq!(world.get(&format!("{ACME}/nothing")).status(), 404);
}

fn introspect(world: &World, token: &str) -> Reply {
    let request = world
        .client
        .post(format!("{ACME}/services/oauth2/introspect"));
    let form = [
        ("token", token),
        ("token_type_hint", "access_token"),
        ("client_id", &world.org.client_id),
        ("client_secret", &world.org.client_secret),
    ];
    reply(request.form(&form))
}
