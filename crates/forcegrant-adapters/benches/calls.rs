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
use forcegrant_adapters::grpc::{Plain, Server};
use forcegrant_adapters::web::{LIMITS, Whole, builder, emulator, hyper_client, reqwest_client};
use http_body_util::BodyExt;
use reqwest_middleware::ClientBuilder;
use tonic::client::Grpc;
use tower::{Layer, ServiceExt};

const ROUNDS: usize = 15;
const CALLS: u32 = 150;

type Call<'a> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + 'a>> + 'a>;

/// An adapter and what is beneath it.
struct Pair<'a> {
    name: &'static str,
    bare: Call<'a>,
    ours: Call<'a>,
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
    for (name, floor, ours) in results {
        let line = serde_json::json!({
            "what": format!("calls, Rust {name}"),
            "ours_ns": ours,
            "floor_ns": floor,
        });
        println!("{line}");
    }
}

/// The same from a thread: beside reqwest in a loop of tokio's that the thread turns itself.
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
        let answer = sf.request(Method::GET, LIMITS).send().expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.bytes().expect("a body");
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

#[expect(clippy::too_many_lines, reason = "a table of pairs")]
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
    let hyper = hyper_client::<Whole>(&emulator);
    let service = AuthenticationLayer::new(sf.clone()).layer(hyper.clone());
    let server = Server::start(Arc::clone(&emulator)).await;
    let channel = tonic::transport::Endpoint::from_shared(server.url())
        .expect("a URL")
        .connect_lazy();
    let grpc = GrpcAuthenticationLayer::new(sf.clone(), server.url()).layer(channel.clone());

    let bare_reqwest = || -> Call<'_> {
        Box::new(|| {
            Box::pin(async { done(http.get(&url).header(AUTHORIZATION, fixed).send().await).await })
        })
    };
    let get = |authorization: Option<&str>| {
        let mut request = http::Request::get(&url);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request.body(Whole::default()).expect("a request")
    };
    let pairs = [
        Pair {
            name: "Client::request",
            bare: bare_reqwest(),
            ours: Box::new(|| {
                Box::pin(async { done(sf.request(Method::GET, LIMITS).send().await).await })
            }),
        },
        Pair {
            name: "Client::request_with",
            bare: bare_reqwest(),
            ours: Box::new(|| {
                Box::pin(async {
                    done(sf.request_with(&http, Method::GET, LIMITS).send().await).await;
                })
            }),
        },
        Pair {
            name: "reqwest-middleware",
            bare: Box::new(|| {
                Box::pin(async {
                    done(plain.get(&url).header(AUTHORIZATION, fixed).send().await).await;
                })
            }),
            ours: Box::new(|| Box::pin(async { done(layered.get(&url).send().await).await })),
        },
        Pair {
            name: "tower (hyper)",
            bare: Box::new(|| {
                Box::pin(async {
                    let answer = hyper
                        .clone()
                        .oneshot(get(Some(fixed)))
                        .await
                        .expect("an answer");
                    drop(answer.into_body().collect().await.expect("a body"));
                })
            }),
            ours: Box::new(|| {
                Box::pin(async {
                    let answer = service.clone().oneshot(get(None)).await.expect("an answer");
                    drop(answer.into_body().collect().await.expect("a body"));
                })
            }),
        },
        Pair {
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
                    grpc.unary(request, path, Plain).await.expect("an answer");
                })
            }),
            ours: Box::new(|| {
                Box::pin(async {
                    let request = tonic::Request::new(Bytes::from("hello"));
                    let mut grpc = Grpc::new(grpc.clone());
                    grpc.ready().await.expect("a channel");
                    let path = http::uri::PathAndQuery::from_static("/eventbus.v1.PubSub/GetTopic");
                    grpc.unary(request, path, Plain).await.expect("an answer");
                })
            }),
        },
    ];
    let mut results = Vec::new();
    for pair in pairs {
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        // The first round warms up.
        for round in 0..=ROUNDS {
            let mut sides = [(&pair.bare, &mut bare), (&pair.ours, &mut ours)];
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
        results.push((pair.name, median(bare), median(ours)));
    }
    results
}

async fn round_of(call: &Call<'_>) -> Duration {
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

/// Reads an answer to its end.
async fn done<E: std::fmt::Debug>(answer: Result<reqwest::Response, E>) {
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.bytes().await.expect("a body");
}
