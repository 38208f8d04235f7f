//! What the tests against the emulator share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use forcegrant::{Client, ClientBuilder, Proxy, Roots};
use forcegrant_emulator::{Config, Emulator};
use serde_json::{Value, json};

/// An emulator with its default org.
pub(crate) fn emulator() -> Emulator {
    Emulator::start(Config::default()).expect("the emulator starts on loopback")
}

/// A builder for the emulator's default org: its own CA, its own address, no proxy, quick retries.
pub(crate) fn builder(emulator: &Emulator) -> ClientBuilder {
    let org = emulator.default_org();
    with_secret(emulator, &org.client_secret)
}

pub(crate) fn with_secret(emulator: &Emulator, secret: &str) -> ClientBuilder {
    let org = emulator.default_org();
    Client::builder(org.my_domain.as_str(), org.client_id.as_str(), secret)
        .resolve(org.my_domain.as_str(), emulator.https_addr())
        .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
        .proxy(Proxy::None)
        .retry_backoff(std::time::Duration::from_millis(1))
}

pub(crate) fn fault(emulator: &Emulator, mut fault: Value) {
    fault["op"] = json!("fault");
    if fault.get("endpoint").is_none() {
        fault["endpoint"] = json!("token");
    }
    emulator
        .control(fault)
        .expect("a fault that the emulator knows");
}

/// Waits until that many token requests have arrived.
pub(crate) fn wait_requests(emulator: &Emulator, count: u64) {
    emulator
        .control(json!({"op": "wait_requests", "endpoint": "token", "count": count}))
        .expect("the requests arrive");
}

pub(crate) fn release(emulator: &Emulator) {
    emulator.control(json!({"op": "release"})).expect("release");
}
