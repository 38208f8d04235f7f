//! The recipe docs/recipes/rust-tonic.md, tried against a gRPC server that knows the emulator's sessions.

use std::sync::Arc;

use bytes::Bytes;
use forcegrant_adapters::grpc::{BytesCodec, Server};
use forcegrant_adapters::web;

use forcegrant::Client;
use forcegrant::calls::{GrpcAuthenticatedService, GrpcAuthenticationLayer};
use tonic::transport::{Channel, Endpoint};
use tower::Layer;

type PubSub = GrpcAuthenticatedService<Channel, Client>;

fn pub_sub(sf: &Client, address: &str) -> Result<PubSub, tonic::transport::Error> {
    let channel = Endpoint::from_shared(address.to_owned())?.connect_lazy();
    Ok(GrpcAuthenticationLayer::new(sf.clone(), address).layer(channel))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let emulator = Arc::new(web::emulator());
    let server = Server::start(Arc::clone(&emulator)).await;
    let sf = web::builder(&emulator)
        .trusted_hosts(["127.0.0.1"])
        .allow_http_loopback(true)
        .build()?;
    for _ in 0..2 {
        let mut client = tonic::client::Grpc::new(pub_sub(&sf, &server.url())?);
        client.ready().await?;
        let path = http::uri::PathAndQuery::from_static("/eventbus.v1.PubSub/GetTopic");
        let request = tonic::Request::new(Bytes::from("hello"));
        let response = client.unary(request, path, BytesCodec).await?;
        println!("{:?}", response.into_inner());
        emulator.kill_sessions();
    }
    assert_eq!(emulator.counters().logins, 2);
    println!("the recipe holds");
    Ok(())
}
