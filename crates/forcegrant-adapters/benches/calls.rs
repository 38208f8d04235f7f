//! What a call through each adapter costs, beside the same library with a fixed header: one caller, one
//! kept connection, the emulator on loopback over TLS. Rounds take turns, so that a noisy machine
//! slows both. One JSON line for each, as the other parts of `make bench` print them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use forcegrant::blocking::ClientExt as _;
use forcegrant::calls::{
    AuthenticationLayer, AuthenticationMiddleware, ClientExt, GrpcAuthenticationLayer,
};
use forcegrant::reqwest::{self, Method, header::AUTHORIZATION};
use forcegrant_adapters::grpc::{BytesCodec, Server};
use forcegrant_adapters::web::{FullBody, LIMITS, builder, emulator, hyper_client, reqwest_client};
use http_body_util::BodyExt;
use reqwest_middleware::ClientBuilder;
use tonic::client::Grpc;
use tower::{Layer, ServiceExt};

const ROUNDS: usize = 15;
const CALLS: u32 = 150;

type BenchCall<'a> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + 'a>> + 'a>;

/// An adapter and the library that it wraps.
struct BenchCase<'a> {
    name: &'static str,
    bare: BenchCall<'a>,
    ours: BenchCall<'a>,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let mut results = runtime.block_on(measure());
    drop(runtime);
    results.insert(1, threads());
    for (name, least, ours) in results {
        let line = serde_json::json!({
            "what": format!("calls, Rust {name}"),
            "ours_ns": ours,
            "least_ns": least,
        });
        println!("{line}");
    }
}

/// The same from a thread, compared with reqwest in a tokio runtime that the thread drives itself.
fn threads() -> (&'static str, f64, f64) {
    let emulator = emulator();
    let sf = builder(&emulator)
        .build_blocking()
        .expect("the options are right");
    let token = sf.token().expect("a login");
    let url = format!("{}{LIMITS}", token.instance_url());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let http = reqwest_client(&emulator);
    let bare = || {
        let call = http.get(&url).header(AUTHORIZATION, token.authorization());
        runtime.block_on(async { done(call.send().await).await });
    };
    let ours = || {
        let response = sf.request(Method::GET, LIMITS).send().expect("a response");
        assert_eq!(response.status(), 200);
        response.bytes().expect("a body");
    };
    let (mut bares, mut ourses) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let mut sides: [(&dyn Fn(), _); 2] = [(&bare, &mut bares), (&ours, &mut ourses)];
        if round % 2 == 1 {
            sides.reverse();
        }
        for (call, times) in sides {
            let begun = Instant::now();
            (0..CALLS).for_each(|_| call());
            if round > 0 {
                times.push(begun.elapsed());
            }
        }
    }
    ("blocking::Client::request", median(bares), median(ourses))
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
/// Names, with the nanoseconds of a call by the bare library and by the adapter.
async fn measure() -> Vec<(&'static str, f64, f64)> {
    let emulator = Arc::new(emulator());
    let sf = builder(&emulator)
        .trusted_hosts(["127.0.0.1"])
        .allow_http_loopback(true)
        .build()
        .expect("the options are right");
    let token = sf.token().await.expect("a login");
    let url = format!("{}{LIMITS}", token.instance_url());
    let fixed = token.authorization();

    let http = reqwest_client(&emulator);
    let layered = ClientBuilder::new(http.clone())
        .with(AuthenticationMiddleware::new(sf.clone()))
        .build();
    let plain = ClientBuilder::new(http.clone()).build();
    let hyper = hyper_client::<FullBody>(&emulator);
    let service = AuthenticationLayer::new(sf.clone()).layer(hyper.clone());
    let server = Server::start(Arc::clone(&emulator)).await;
    let channel = tonic::transport::Endpoint::from_shared(server.url())
        .expect("a URL")
        .connect_lazy();
    let grpc = GrpcAuthenticationLayer::new(sf.clone(), server.url()).layer(channel.clone());

    let bare_reqwest = || -> BenchCall<'_> {
        Box::new(|| {
            Box::pin(async { done(http.get(&url).header(AUTHORIZATION, fixed).send().await).await })
        })
    };
    let get = |authorization: Option<&str>| {
        let mut request = http::Request::get(&url);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(FullBody::default()).expect("a request")
    };
    let cases = [
        BenchCase {
            name: "Client::request",
            bare: bare_reqwest(),
            ours: Box::new(|| {
                Box::pin(async { done(sf.request(Method::GET, LIMITS).send().await).await })
            }),
        },
        BenchCase {
            name: "Client::request_with",
            bare: bare_reqwest(),
            ours: Box::new(|| {
                Box::pin(async {
                    done(sf.request_with(&http, Method::GET, LIMITS).send().await).await;
                })
            }),
        },
        BenchCase {
            name: "reqwest-middleware",
            bare: Box::new(|| {
                Box::pin(async {
                    done(plain.get(&url).header(AUTHORIZATION, fixed).send().await).await;
                })
            }),
            ours: Box::new(|| Box::pin(async { done(layered.get(&url).send().await).await })),
        },
        BenchCase {
            name: "tower (hyper)",
            bare: Box::new(|| {
                Box::pin(async {
                    let response = hyper
                        .clone()
                        .oneshot(get(Some(fixed)))
                        .await
                        .expect("a response");
                    drop(response.into_body().collect().await.expect("a body"));
                })
            }),
            ours: Box::new(|| {
                Box::pin(async {
                    let response = service
                        .clone()
                        .oneshot(get(None))
                        .await
                        .expect("a response");
                    drop(response.into_body().collect().await.expect("a body"));
                })
            }),
        },
        BenchCase {
            name: "tonic",
            bare: Box::new(|| {
                Box::pin(async {
                    let mut request = tonic::Request::new(Bytes::from("hello"));
                    let metadata = request.metadata_mut();
                    for (name, value) in [
                        ("accesstoken", token.access_token()),
                        ("instanceurl", token.instance_url()),
                        ("tenantid", token.org_id().unwrap_or_default()),
                    ] {
                        metadata.insert(name, value.parse().expect("plain text"));
                    }
                    let mut grpc = Grpc::new(channel.clone());
                    grpc.ready().await.expect("a channel");
                    let path = http::uri::PathAndQuery::from_static("/eventbus.v1.PubSub/GetTopic");
                    grpc.unary(request, path, BytesCodec)
                        .await
                        .expect("a response");
                })
            }),
            ours: Box::new(|| {
                Box::pin(async {
                    let request = tonic::Request::new(Bytes::from("hello"));
                    let mut grpc = Grpc::new(grpc.clone());
                    grpc.ready().await.expect("a channel");
                    let path = http::uri::PathAndQuery::from_static("/eventbus.v1.PubSub/GetTopic");
                    grpc.unary(request, path, BytesCodec)
                        .await
                        .expect("a response");
                })
            }),
        },
    ];
    let mut results = Vec::new();
    for case in cases {
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=ROUNDS {
            let mut sides = [(&case.bare, &mut bare), (&case.ours, &mut ours)];
            if round % 2 == 1 {
                sides.reverse();
            }
            for (call, times) in sides {
                let time = round_of(call).await;
                if round > 0 {
                    times.push(time);
                }
            }
        }
        results.push((case.name, median(bare), median(ours)));
    }
    results
}

async fn round_of(call: &BenchCall<'_>) -> Duration {
    let begun = Instant::now();
    for _ in 0..CALLS {
        call().await;
    }
    begun.elapsed()
}

/// Nanoseconds of one call.
fn median(mut rounds: Vec<Duration>) -> f64 {
    rounds.sort();
    rounds[rounds.len() / 2].as_secs_f64() * 1e9 / f64::from(CALLS)
}

/// Reads a response to its end.
async fn done<E: std::fmt::Debug>(response: Result<reqwest::Response, E>) {
    let response = response.expect("a response");
    assert_eq!(response.status(), 200);
    response.bytes().await.expect("a body");
}
