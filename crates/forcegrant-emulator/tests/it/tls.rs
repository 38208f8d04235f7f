//! The throw-away certificate authority.

use std::time::{Duration, Instant};

use forcegrant_emulator::Emulator;
use rustls::version;

use crate::support::{ACME, World, bare_client, client, tls_config};

#[test]
fn both_protocol_versions_work() {
    let world = World::new();
    for version in [&version::TLS12, &version::TLS13] {
        let only = bare_client()
            .tls_backend_preconfigured(tls_config(&world.emulator, &[version]))
            .resolve("acme.my.salesforce.com", world.emulator.https_addr())
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
    assert_eq!(world.emulator.counters().connections, 2);
}

#[test]
fn another_emulators_authority_is_not_trusted() {
    let world = World::new();
    let other = Emulator::start(forcegrant_emulator::Config::default()).unwrap();
    let stranger = client(&other, |builder| {
        builder.resolve("acme.my.salesforce.com", world.emulator.https_addr())
    });
    assert!(
        stranger
            .get(format!("{ACME}/services/data"))
            .send()
            .unwrap_err()
            .is_connect()
    );
    // The emulator hears of the failure a moment after the client has given up.
    let deadline = Instant::now() + Duration::from_secs(10);
    while world.emulator.counters().handshake_failures == 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(world.emulator.counters().connections, 0);
}
