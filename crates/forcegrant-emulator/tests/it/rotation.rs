//! Two live keys, propagation of a new one, the login rate.

use std::time::Duration;

use serde_json::json;

use crate::support::{ACME, Reply, TOKEN_PATH, World, refusal, reply};

#[test]
fn two_pairs_are_live_while_rotating() {
    let world = World::new();
    let old = world.token();
    world.control(json!({ "op": "add_key", "client_id": "3MVG9next", "client_secret": "NEXT" }));
    let next = login_as(&world, "3MVG9next", "NEXT");
    assert_eq!(
        next.json["access_token"],
        json!(old),
        "one app, one session"
    );
    let client_id = &world.org.client_id;
    world.control(json!({ "op": "remove_key", "client_id": client_id }));
    assert_eq!(
        world.token_reply(),
        refusal("invalid_client_id", "client identifier invalid")
    );
    assert_eq!(login_as(&world, "3MVG9next", "NEXT").status, 200);
    assert_eq!(
        world.limits(&old).status,
        200,
        "a retired key leaves its sessions alone"
    );
}

#[test]
fn a_new_key_is_known_only_after_a_while() {
    let world = World::new();
    world.control(json!({
        "op": "add_key", "client_id": "3MVG9next", "client_secret": "NEXT", "delay_seconds": 300,
    }));
    let unknown = refusal("invalid_client_id", "client identifier invalid");
    assert_eq!(login_as(&world, "3MVG9next", "NEXT"), unknown);
    world.emulator.advance(Duration::from_secs(300));
    assert_eq!(login_as(&world, "3MVG9next", "NEXT").status, 200);
}

#[test]
fn keys_that_cannot_be_added_or_removed() {
    let world = World::new();
    let add = json!({ "op": "add_key", "client_id": world.org.client_id, "client_secret": "X" });
    assert!(
        world
            .emulator
            .control(add)
            .unwrap_err()
            .to_string()
            .contains("there already")
    );
    let remove = json!({ "op": "remove_key", "client_id": "X" });
    assert!(
        world
            .emulator
            .control(remove)
            .unwrap_err()
            .to_string()
            .contains("no key")
    );
}

#[test]
fn logins_are_limited_per_hour_and_user() {
    let world = World::new();
    world
        .emulator
        .configure(json!({ "app": { "login_limit_per_hour": 2 } }));
    assert_eq!(world.token_reply().status, 200);
    world.emulator.advance(Duration::from_secs(1800));
    assert_eq!(world.token_reply().status, 200);
    let exceeded = || refusal("invalid_grant", "login rate exceeded");
    assert_eq!(world.token_reply(), exceeded());
    // Refused ones do not count, and the first login leaves the hour.
    world.emulator.advance(Duration::from_secs(1800));
    assert_eq!(world.token_reply().status, 200);
    assert_eq!(world.token_reply(), exceeded());
}

fn login_as(world: &World, client_id: &str, client_secret: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", client_secret),
    ];
    reply(world.client.post(format!("{ACME}{TOKEN_PATH}")).form(&form))
}
