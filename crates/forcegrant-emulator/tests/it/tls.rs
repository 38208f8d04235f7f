//! The throw-away certificate authority.

use std::time::{Duration, Instant};

use forcegrant_emulator::Emulator;
use rustls::version;

use crate::support::{ACME, TestEnv, bare_client, client, tls_config};

#[test]
fn both_protocol_versions_work() {
    let env = TestEnv::new();
    for version in [&version::TLS12, &version::TLS13] {
        let only = bare_client()
            .tls_backend_preconfigured(tls_config(&env.emulator, &[version]))
            .resolve("acme.my.salesforce.com", env.emulator.https_addr())
            .build()
            .unwrap();
        assert_eq!(
            only.get(format!("{ACME}/services/data"))
                .send()
                .unwrap()
                .status(),
            200
        );
    }
    assert_eq!(env.emulator.counters().connections, 2);
}

#[test]
fn another_emulators_authority_is_not_trusted() {
    let env = TestEnv::new();
    let other = Emulator::start(forcegrant_emulator::Config::default()).unwrap();
    let stranger = client(&other, |builder| {
        builder.resolve("acme.my.salesforce.com", env.emulator.https_addr())
    });
    assert!(
        stranger
            .get(format!("{ACME}/services/data"))
            .send()
            .unwrap_err()
            .is_connect()
    );
    // The emulator notices the failure a moment after the client has given up.
    let deadline = Instant::now() + Duration::from_secs(10);
    while env.emulator.counters().handshake_failures == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(env.emulator.counters().connections, 0);
}
