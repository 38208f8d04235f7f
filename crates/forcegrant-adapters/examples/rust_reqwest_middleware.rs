//! The recipe docs/recipes/rust-reqwest-middleware.md, tried against the emulator.

use forcegrant_adapters::web;

use forcegrant::Client;
use forcegrant::calls::AuthenticationMiddleware;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

fn with_token(http: forcegrant::reqwest::Client, sf: &Client) -> ClientWithMiddleware {
    ClientBuilder::new(http)
        .with(AuthenticationMiddleware::new(sf.clone()))
        .build()
}

async fn daily_requests(
    http: &ClientWithMiddleware,
    sf: &Client,
) -> Result<(), Box<dyn std::error::Error>> {
    let instance = sf.token().await?.instance_url().to_owned();
    let response = http
        .get(format!("{instance}/services/data/v67.0/limits"))
        .send()
        .await?;
    println!("{} {:?}", response.status(), sf.limits());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = web::emulator();
    let sf = web::client(&emulator);
    let http = with_token(web::reqwest_client(&emulator), &sf);
    daily_requests(&http, &sf).await?;
    emulator.kill_sessions();
    daily_requests(&http, &sf).await?;
    assert_eq!(emulator.counters().logins, 2);
    println!("the recipe holds");
    Ok(())
}
