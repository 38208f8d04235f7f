//! The recipe docs/recipes/rust-reqwest.md, tried against the emulator.

use forcegrant_adapters::web;

use forcegrant::Client;
use forcegrant::calls::ClientExt;
use forcegrant::reqwest::Method;

async fn daily_requests(sf: &Client) -> Result<(), Box<dyn std::error::Error>> {
    let response = sf
        .request(Method::GET, "/services/data/v67.0/limits")
        .send()
        .await?;
    println!("{} {:?}", response.status(), sf.limits());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = web::emulator();
    let sf = web::client(&emulator);
    daily_requests(&sf).await?;
    emulator.kill_sessions();
    daily_requests(&sf).await?;
    assert_eq!(emulator.counters().logins, 2);
    println!("the recipe holds");
    Ok(())
}
