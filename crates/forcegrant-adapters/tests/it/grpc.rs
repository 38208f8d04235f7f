//! The layer and the interceptor for tonic, with a gRPC server that knows the emulator's sessions.

use std::future::{Future, poll_fn};
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::Bytes;
use forcegrant::Client;
use forcegrant::calls::{GrpcAuthenticationLayer, GrpcInterceptor};
use forcegrant_adapters::grpc::{BytesCodec, ResponseMode, Server};
use forcegrant_adapters::web::{builder, emulator};
use forcegrant_emulator::{Emulator, Endpoint, Fault, FaultKind};
use http::uri::PathAndQuery;
use serde_json::json;
use tonic::client::{Grpc, GrpcService};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint as Target};
use tonic::{Code, Request, Status, Streaming};
use tower::Layer;

struct TestEnv {
    emulator: Arc<Emulator>,
    server: Server,
    client: Client,
    channel: Channel,
}

impl TestEnv {
    async fn new() -> Self {
        Self::trusting(&["127.0.0.1"]).await
    }

    async fn trusting(hosts: &[&str]) -> Self {
        let emulator = Arc::new(emulator());
        let server = Server::start(Arc::clone(&emulator)).await;
        let client = builder(&emulator)
            .trusted_hosts(hosts.iter().copied())
            .allow_http_loopback(true)
            .build()
            .unwrap();
        let channel = Target::from_shared(server.url()).unwrap().connect_lazy();
        Self {
            emulator,
            server,
            client,
            channel,
        }
    }

    async fn unary(&self) -> Result<Bytes, Status> {
        let layer = GrpcAuthenticationLayer::new(self.client.clone(), self.server.url());
        unary(layer.layer(self.channel.clone())).await
    }

    async fn stream(&self, messages: Vec<Bytes>) -> Result<Bytes, Status> {
        let layer = GrpcAuthenticationLayer::new(self.client.clone(), self.server.url());
        let mut grpc = Grpc::new(layer.layer(self.channel.clone()));
        grpc.ready().await.unwrap();
        let request = Request::new(tokio_stream::iter(messages));
        let response = grpc.client_streaming(request, path(), BytesCodec).await?;
        Ok(response.into_inner())
    }

    /// Opens a stream of responses.
    async fn subscribe(&self) -> Result<Streaming<Bytes>, Status> {
        let layer = GrpcAuthenticationLayer::new(self.client.clone(), self.server.url());
        let mut grpc = Grpc::new(layer.layer(self.channel.clone()));
        grpc.ready().await.unwrap();
        let request = Request::new(Bytes::from("hello"));
        let response = grpc.server_streaming(request, path(), BytesCodec).await?;
        Ok(response.into_inner())
    }

    async fn intercepted(&self) -> Result<Bytes, Status> {
        let interceptor = GrpcInterceptor::new(self.client.clone(), self.server.url());
        unary(InterceptedService::new(self.channel.clone(), interceptor)).await
    }

    fn set_mode(&self, mode: ResponseMode) {
        *self.server.log.mode.lock().unwrap() = mode;
    }

    fn calls(&self) -> (u64, u64) {
        let log = &self.server.log;
        (
            log.calls.load(Ordering::SeqCst),
            log.refused.load(Ordering::SeqCst),
        )
    }

    fn last(&self, name: &str) -> Option<String> {
        let last = self.server.log.last.lock().unwrap();
        last.get(name)?.to_str().ok().map(str::to_owned)
    }

    fn token_requests(&self) -> u64 {
        self.emulator.counters().token_requests
    }
}

async fn unary<S>(service: S) -> Result<Bytes, Status>
where
    S: GrpcService<tonic::body::Body>,
    S::ResponseBody: http_body::Body<Data = Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut grpc = Grpc::new(service);
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let request = Request::new(Bytes::from("hello"));
    let response = grpc.unary(request, path(), BytesCodec).await?;
    Ok(response.into_inner())
}

/// The output if the future is ready at once.
async fn at_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

fn path() -> PathAndQuery {
    PathAndQuery::from_static("/eventbus.v1.PubSub/GetTopic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_carries_the_metadata() {
    let env = TestEnv::new().await;
    assert_eq!(env.unary().await.unwrap(), "hello");
    let token = env.client.token().await.unwrap();
    assert_eq!(
        env.last("accesstoken").as_deref(),
        Some(token.access_token())
    );
    assert_eq!(
        env.last("instanceurl").as_deref(),
        Some(token.instance_url())
    );
    assert_eq!(env.last("tenantid").as_deref(), token.org_id());
    assert_eq!(env.last("authorization"), None);
    assert_eq!((env.token_requests(), env.calls()), (1, (1, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_session_is_renewed_once() {
    let env = TestEnv::new().await;
    env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    assert_eq!(env.unary().await.unwrap(), "hello");
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_sent_again_from_its_beginning() {
    let env = TestEnv::new().await;
    env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    let response = env.stream(vec!["one ".into(), "two".into()]).await;
    assert_eq!(response.unwrap(), "one two");
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_dead_sessions_cause_one_login() {
    let env = Arc::new(TestEnv::new().await);
    env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let env = Arc::clone(&env);
            tokio::spawn(async move { env.unary().await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), "hello");
    }
    assert_eq!(env.token_requests(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_token_again_ends_the_call() {
    let env = TestEnv::new().await;
    env.server.log.refuses_all.store(true, Ordering::SeqCst);
    let status = env.unary().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("same_token_returned"), "{status}");
    assert_eq!((env.token_requests(), env.calls()), (2, (1, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_token_that_is_refused_ends_the_call() {
    let env = TestEnv::new().await;
    env.emulator
        .configure(json!({ "app": { "distinct_tokens": true } }));
    env.server.log.refuses_all.store(true, Ordering::SeqCst);
    let status = env.unary().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_in_the_trailers_drops_the_token() {
    let env = TestEnv::new().await;
    let dead = env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    env.server
        .log
        .refuses_in_trailers
        .store(true, Ordering::SeqCst);
    let status = env.unary().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(env.unary().await.unwrap(), "hello");
    let now = env.client.token().await.unwrap();
    assert_ne!(now.fingerprint(), dead.fingerprint());
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instance_of_the_metadata_moves_with_the_token() {
    let env = TestEnv::new().await;
    env.client.token().await.unwrap();
    let moved = "https://acme-moved.my.salesforce.com";
    env.emulator
        .control(json!({ "op": "move_instance", "instance_url": moved }))
        .unwrap();
    env.emulator.kill_sessions();
    assert_eq!(env.unary().await.unwrap(), "hello");
    assert_eq!(env.last("instanceurl").as_deref(), Some(moved));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_trusted_sees_no_token() {
    let env = TestEnv::trusting(&[]).await;
    for outcome in [env.unary().await, env.intercepted().await] {
        let status = outcome.unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied);
        assert!(status.message().contains("trusted_hosts"));
    }
    assert_eq!(env.calls(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_fails_is_a_status() {
    let env = TestEnv::new().await;
    for (kind, code, name) in [
        (FaultKind::Html503, Code::Unavailable, "server_unavailable"),
        (
            FaultKind::Refusal {
                error: "invalid_client".to_owned(),
                description: "invalid client credentials".to_owned(),
                status: 400,
            },
            Code::Unauthenticated,
            "invalid_client_secret",
        ),
    ] {
        env.emulator.clear_faults();
        env.client.reset();
        env.emulator.fault(&Fault::new(Endpoint::Token, kind));
        let status = env.unary().await.unwrap_err();
        assert_eq!(status.code(), code);
        assert!(status.message().ends_with(&format!("({name})")), "{status}");
        // The failure is still remembered: the interceptor returns it at once.
        assert_eq!(env.intercepted().await.unwrap_err().code(), code);
    }
    assert_eq!(env.calls(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interceptor_takes_the_token_at_hand_and_starts_a_login_without_one() {
    let env = TestEnv::new().await;
    let status = env.intercepted().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("a login has been started"));
    env.client.token().await.unwrap();
    assert_eq!(
        env.token_requests(),
        1,
        "the one that the interceptor started"
    );
    assert_eq!(env.intercepted().await.unwrap(), "hello");
    assert_eq!(
        env.last("instanceurl"),
        Some(env.emulator.default_org().instance_url)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_too_large_to_keep_is_not_sent_again() {
    let env = TestEnv::new().await;
    env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    env.server
        .log
        .reads_whole_request
        .store(true, Ordering::SeqCst);
    let messages = || vec![Bytes::from(vec![b'x'; 600_000]); 2];
    let status = env.stream(messages()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(
        status.message().contains("request_not_replayable"),
        "{status}"
    );
    assert_eq!(
        env.stream(messages()).await.unwrap().len(),
        1_200_000,
        "the next one has a new token"
    );
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_not_followed() {
    let env = TestEnv::new().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let there = format!("http://{}/", elsewhere.local_addr().unwrap());
    env.set_mode(ResponseMode::Redirect(there));
    let status = env.unary().await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    let connected = elsewhere.accept().unwrap_err();
    assert_eq!(connected.kind(), std::io::ErrorKind::WouldBlock);
    assert!(
        env.client.cached().is_some(),
        "a redirect says nothing about the token"
    );
    env.set_mode(ResponseMode::Whole);
    assert_eq!(env.unary().await.unwrap(), "hello");
    assert_eq!((env.token_requests(), env.calls()), (1, (2, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_is_cut_fails_and_the_token_stays() {
    let env = TestEnv::new().await;
    env.set_mode(ResponseMode::Cut);
    env.server.log.resume.notify_one();
    env.unary().await.unwrap_err();
    let mut stream = env.subscribe().await.unwrap();
    env.server.log.resume.notify_one();
    stream.message().await.unwrap_err();
    assert!(env.client.cached().is_some());
    env.set_mode(ResponseMode::Whole);
    assert_eq!(env.unary().await.unwrap(), "hello");
    assert_eq!((env.token_requests(), env.calls()), (1, (3, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_response_arrives_complete() {
    let env = TestEnv::new().await;
    env.client.token().await.unwrap();
    env.emulator.kill_sessions();
    env.set_mode(ResponseMode::Held);
    let mut stream = env.subscribe().await.unwrap();
    {
        let mut message = std::pin::pin!(stream.message());
        let begun = at_once(message.as_mut()).await;
        assert!(begun.is_none(), "half of a message is not delivered");
        env.server.log.resume.notify_one();
        assert_eq!(message.await.unwrap().unwrap(), "hello");
    }
    assert_eq!(stream.message().await.unwrap(), None);
    assert_eq!((env.token_requests(), env.calls()), (2, (2, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_refused_after_a_message_ends_and_drops_the_token() {
    let env = TestEnv::new().await;
    env.set_mode(ResponseMode::HeldAndRefused);
    let mut stream = env.subscribe().await.unwrap();
    env.server.log.resume.notify_one();
    assert_eq!(stream.message().await.unwrap().unwrap(), "hello");
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(env.client.cached().is_none());
    assert_eq!((env.token_requests(), env.calls()), (1, (1, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_cancelled_in_flight_affects_no_other_call() {
    let env = Arc::new(TestEnv::new().await);
    env.set_mode(ResponseMode::Held);
    let mut stream = env.subscribe().await.unwrap();
    let held = tokio::spawn(async move { stream.message().await });
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    env.set_mode(ResponseMode::Whole);
    assert_eq!(env.unary().await.unwrap(), "hello");
    assert_eq!((env.token_requests(), env.calls()), (1, (2, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_call_leaves_the_login_to_others() {
    let env = Arc::new(TestEnv::new().await);
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Hold).first(1));
    let held = tokio::spawn({
        let env = Arc::clone(&env);
        async move { env.unary().await }
    });
    let emulator = Arc::clone(&env.emulator);
    tokio::task::spawn_blocking(move || emulator.wait_requests(Endpoint::Token, 1))
        .await
        .unwrap();
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    env.emulator.release();
    env.client.token().await.unwrap();
    assert_eq!((env.token_requests(), env.calls()), (1, (0, 0)));
}
