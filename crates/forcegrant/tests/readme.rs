//! How a program that uses forcegrant is tested against the emulator; the README points here.

use forcegrant::{Client, Proxy, Roots};
use forcegrant_emulator::{Config, Emulator};

#[tokio::test]
async fn my_program() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Emulator::start(Config::default())?;
    let org = emulator.default_org();
    let sf = Client::builder(&org.my_domain, &org.client_id, org.client_secret.as_str())
        .resolve(&org.my_domain, emulator.https_addr())
        .roots(Roots::Pem(emulator.ca_pem().into()))
        .proxy(Proxy::None)
        .build()?;

    let dead = sf.token().await?;
    emulator.kill_sessions();
    assert!(sf.invalidate(&dead));
    assert_ne!(sf.token().await?.fingerprint(), dead.fingerprint());
    assert_eq!(emulator.counters().logins, 2);
    Ok(())
}
