//! The recipe docs/recipes/rust-tower.md, tried against the emulator.

use forcegrant_adapters::web;

use bytes::Bytes;
use forcegrant::Client;
use forcegrant::calls::AuthenticationLayer;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connect;
use tower::{Layer, ServiceExt};

async fn daily_requests<C>(
    sf: &Client,
    hyper: legacy::Client<C, Full<Bytes>>,
) -> Result<(), Box<dyn std::error::Error>>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let salesforce = AuthenticationLayer::new(sf.clone()).layer(hyper);
    let request = Request::get("/services/data/v67.0/limits").body(Full::default())?;
    let response = salesforce.oneshot(request).await?;
    println!("{} {:?}", response.status(), sf.limits());
    response.into_body().collect().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = web::emulator();
    let sf = web::client(&emulator);
    daily_requests(&sf, web::hyper_client(&emulator)).await?;
    emulator.kill_sessions();
    daily_requests(&sf, web::hyper_client(&emulator)).await?;
    assert_eq!(emulator.counters().logins, 2);
    println!("the recipe holds");
    Ok(())
}
