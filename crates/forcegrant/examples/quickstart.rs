//! `cargo run --example quickstart`: a token, who it belongs to and how long it is good for.
//!
//! With `SALESFORCE_LOGIN_URL`, `SALESFORCE_CLIENT_ID` and `SALESFORCE_CLIENT_SECRET` set it asks that org,
//! else an emulated one inside this process.

use std::error::Error;
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use forcegrant::{Client, Proxy, Roots, Token};
use forcegrant_emulator::{Config, Emulator};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // An error prints what Salesforce said, what it means and where in Setup to fix it.
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let emulator = if std::env::var_os("SALESFORCE_LOGIN_URL").is_some() {
        None
    } else {
        println!("SALESFORCE_LOGIN_URL is not set: this asks an emulated org on loopback.");
        Some(Emulator::start(Config::default())?)
    };
    let sf = match &emulator {
        None => Client::from_env()?,
        Some(emulator) => client_of(emulator)?,
    };

    let started = Instant::now();
    let token = sf.token().await?;
    println!(
        "login at     {} in {:.0?}",
        sf.login_host(),
        started.elapsed()
    );
    show(&token)?;

    let started = Instant::now();
    let again = sf.token().await?;
    assert_eq!(again.fingerprint(), token.fingerprint());
    println!("asked again  the same token in {:.0?}", started.elapsed());
    Ok(())
}

fn show(token: &Token) -> Result<(), Box<dyn Error>> {
    let expiry = token.expiry();
    let left = expiry.at().duration_since(SystemTime::now())?;
    // The token itself is shown nowhere; its fingerprint is safe to log.
    println!(
        "token        {} ({})",
        token.fingerprint(),
        token.token_format().as_str()
    );
    println!("instance     {}", token.instance_url());
    println!("org          {}", token.org_id().unwrap_or("not told"));
    println!("user         {}", token.user_id().unwrap_or("not told"));
    println!("scopes       {}", token.scopes().join(" "));
    println!(
        "good for     {} min ({}, by {})",
        left.as_secs().div_ceil(60),
        expiry.certainty().as_str(),
        expiry.source().as_str(),
    );
    Ok(())
}

/// Emulated hosts have no DNS records, and their certificates come from the emulator's own authority.
fn client_of(emulator: &Emulator) -> Result<Client, forcegrant::Error> {
    let org = emulator.default_org();
    Client::builder(org.my_domain.as_str(), org.client_id, org.client_secret)
        .resolve(org.my_domain.as_str(), emulator.https_addr())
        .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
        .proxy(Proxy::None)
        .build()
}
