//! Virtual hosts.

use serde_json::json;

use crate::support::{ACME, TOKEN_PATH, TestEnv, client, header, refusal, send};

#[test]
fn hosts_other_than_a_my_domain_refuse_the_grant() {
    let env = TestEnv::new();
    for host in [
        "login.salesforce.com",
        "test.salesforce.com",
        "acme.my.salesforce-setup.com",
    ] {
        let request = env.client.post(format!("https://{host}{TOKEN_PATH}"));
        let expected = refusal("invalid_grant", "request not supported on this domain");
        assert_eq!(send(request.form(&env.credentials())), expected, "{host}");
    }
    assert_eq!(env.emulator.counters().refusals, 3);
}

#[test]
fn lightning_and_set_up_hosts_lead_to_the_my_domain() {
    let env = TestEnv::new();
    let lightning = "https://acme.lightning.force.com";
    let posted = env.client.post(format!("{lightning}{TOKEN_PATH}?a=b"));
    let posted = posted.form(&env.credentials()).send().unwrap();
    assert_eq!(posted.status(), 302);
    assert_eq!(
        header(&posted, "location"),
        format!("{ACME}{TOKEN_PATH}?a=b")
    );

    let got = env.get("https://acme.my.salesforce-setup.com/lightning/setup");
    assert_eq!(got.status(), 302);
    assert_eq!(header(&got, "location"), format!("{ACME}/lightning/setup"));
    assert_eq!(env.emulator.counters().redirects, 2);
}

#[test]
fn plain_http_leads_to_tls() {
    let env = TestEnv::new();
    let http = env.emulator.http_addr();
    let plain = client(&env.emulator, |builder| {
        builder
            .resolve("acme.my.salesforce.com", http)
            .resolve("www.example.com", http)
    });
    for host in ["acme.my.salesforce.com", "www.example.com"] {
        // The address that the client uses has a port of its own.
        let url = format!("http://{host}{TOKEN_PATH}");
        let response = plain.post(url).form(&env.credentials()).send().unwrap();
        assert_eq!(response.status(), 301);
        assert_eq!(
            header(&response, "location"),
            format!("https://{host}{TOKEN_PATH}")
        );
    }
    let request = env.emulator.requests().remove(0);
    assert_eq!((request.listener.as_str(), request.sni), ("http", None));
    let counters = env.emulator.counters();
    assert_eq!((counters.redirects, counters.token_requests), (2, 0));
}

#[test]
fn unknown_hosts_are_not_there() {
    let env = TestEnv::new();
    for host in ["other.my.salesforce.com", "www.example.com"] {
        let response = env.get(&format!("https://{host}/services/data"));
        assert_eq!(response.status(), 404);
        assert!(header(&response, "content-type").starts_with("text/html"));
    }
}

#[test]
fn loopback_names_are_the_default_org() {
    let env = TestEnv::new();
    let port = env.emulator.https_addr().port();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}{TOKEN_PATH}");
        let fields = send(env.client.post(url).form(&env.credentials()));
        assert_eq!(fields.json["instance_url"], json!(ACME), "{host}");
    }
    let http = env.emulator.http_addr();
    let response = env.get(&format!("http://{http}/x"));
    assert_eq!(
        header(&response, "location"),
        format!("https://127.0.0.1:{port}/x")
    );
}

#[test]
fn the_log_keeps_what_was_sent() {
    let env = TestEnv::new();
    let request = env.token_request().header("X-Trace", "1");
    assert_eq!(request.send().unwrap().status(), 200);
    let requests = env.emulator.requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(request.n, 1);
    assert_eq!(request.host, "acme.my.salesforce.com");
    assert_eq!(request.sni.as_deref(), Some("acme.my.salesforce.com"));
    assert_eq!(
        (request.method.as_str(), request.path.as_str()),
        ("POST", TOKEN_PATH)
    );
    assert_eq!(request.header("x-trace"), Some("1"));
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        request.field("client_secret"),
        Some(env.org.client_secret.as_str())
    );
    assert_eq!(request.answered, json!(200));
    assert!(request.body_bytes > 150);
    assert!(!request.via_proxy);
}
