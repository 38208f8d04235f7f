//! The proxy that leads every name to the emulator.

use forcegrant_emulator::{Endpoint, Fault, FaultKind};
use reqwest::Proxy;
use reqwest::blocking::Client;
use rustls::version;
use serde_json::json;

use crate::support::{ACME, TOKEN_PATH, TestEnv, bare_client, header, send, tls_config};

#[test]
fn real_names_need_no_name_service() {
    let env = TestEnv::new();
    let client = through_proxy(&env);
    let request = client
        .post(format!("{ACME}{TOKEN_PATH}"))
        .form(&env.credentials());
    assert_eq!(send(request).status, 200);
    let unknown = client.get("https://www.example.com/").send().unwrap();
    assert_eq!(unknown.status(), 404);
    let plain = client.get("http://www.example.com/a?b").send().unwrap();
    assert_eq!(plain.status(), 301);
    assert_eq!(header(&plain, "location"), "https://www.example.com/a?b");

    let counters = env.emulator.counters();
    assert_eq!((counters.connects, counters.connections), (2, 2));
    let connect = &env.emulator.requests_for(Endpoint::Connect)[0];
    assert_eq!(connect.path, "acme.my.salesforce.com:443");
    assert_eq!(connect.header("proxy-authorization"), Some("Basic dTpw"));
    let token = &env.emulator.requests_for(Endpoint::Token)[0];
    assert_eq!((token.listener.as_str(), token.via_proxy), ("https", true));
}

#[test]
fn other_ports_are_refused() {
    let env = TestEnv::new();
    let error = through_proxy(&env)
        .get("https://www.example.com:8443/")
        .send()
        .unwrap_err();
    assert!(error.is_connect());
    assert_eq!(
        env.emulator.requests_for(Endpoint::Connect)[0].answered,
        json!(403)
    );
}

#[test]
fn faults_reach_through_it_and_hit_it() {
    let env = TestEnv::new();
    let client = through_proxy(&env);
    let data = format!("{ACME}/services/data");
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::Reset).first(1));
    let error = client.get(&data).send().unwrap_err();
    assert!(
        format!("{error:?}").contains("ConnectionReset"),
        "{error:?}"
    );

    let busy = FaultKind::Html503;
    env.emulator
        .fault(&Fault::new(Endpoint::Connect, busy).first(1));
    assert!(client.get(&data).send().unwrap_err().is_connect());
    assert_eq!(client.get(&data).send().unwrap().status(), 200);
}

fn through_proxy(env: &TestEnv) -> Client {
    let proxy = Proxy::all(format!("http://{}", env.emulator.proxy_addr())).unwrap();
    bare_client()
        .proxy(proxy.basic_auth("u", "p"))
        .tls_backend_preconfigured(tls_config(&env.emulator, &[&version::TLS13]))
        .build()
        .unwrap()
}
