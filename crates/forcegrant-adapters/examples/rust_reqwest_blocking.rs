//! The recipe docs/recipes/rust-reqwest.md for threads, tried against the emulator.

use forcegrant_adapters::web;

use forcegrant::blocking::{Client, ClientExt};
use forcegrant::reqwest::Method;

fn daily_requests(sf: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let response = sf
        .request(Method::GET, "/services/data/v67.0/limits")
        .send()?;
    println!("{} {:?}", response.status(), sf.limits());
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = web::emulator();
    let sf = web::client(&emulator).into();
    daily_requests(&sf)?;
    emulator.kill_sessions();
    daily_requests(&sf)?;
    assert_eq!(emulator.counters().logins, 2);
    println!("the recipe holds");
    Ok(())
}
