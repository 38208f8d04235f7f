//! Tests that every adapter of an HTTP client passes.

use std::sync::Arc;
use std::time::Duration;

use forcegrant::Client;
use forcegrant::reqwest::Method;
use forcegrant_adapters::web::{FOREIGN, JOBS, LIMITS, MOVED, builder, client, emulator};
use forcegrant_emulator::{Emulator, Endpoint, Fault, FaultKind, LoggedRequest};
use serde_json::json;

use crate::adapters::{
    Adapter, CallFailure, Content, Middleware, OwnReqwest, ReadResponse, Sent, Threads, Tower,
    UsersReqwest,
};

macro_rules! cases {
    ([$($module:ident: $adapter:ident),*] $cases:tt) => {
        $( cases! { @each $module, $adapter, $cases } )*
    };
    (@each $module:ident, $adapter:ident, { $($case:ident),* $(,)? }) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let env = super::TestEnv::<super::$adapter>::new();
                    super::$case(env).await;
                }
            )*
        }
    };
}

mod all_adapters {
    use super::*;

    cases! {
        [own_reqwest: OwnReqwest, threads: Threads, users_reqwest: UsersReqwest, middleware: Middleware, tower: Tower]
        {
            a_call_carries_the_token,
            a_dead_session_is_renewed_once_and_the_body_sent_again,
            a_hundred_dead_sessions_cause_one_login,
            a_call_follows_the_instance,
            another_origin_sees_no_token,
            no_hostile_redirect_gets_the_token,
            a_stream_is_not_sent_again,
            the_same_token_again_is_an_error,
            a_fresh_token_that_is_refused_is_an_error,
            a_403_is_not_sent_again,
            a_slow_refusal_is_classified,
            a_slow_response_is_returned_complete,
            a_refusal_that_is_cut_is_classified,
            a_response_that_is_cut_is_returned_and_its_body_fails,
            a_busy_service_is_called_again_with_the_option,
        }
    }
}

// A thread that waits cannot be cancelled from outside; tests/it/threads.rs tests its time limit.
mod async_adapters {
    use super::*;

    cases! {
        [own_reqwest: OwnReqwest, users_reqwest: UsersReqwest, middleware: Middleware, tower: Tower]
        {
            a_cancelled_call_affects_no_other_call,
            a_call_that_waits_for_its_token_can_be_cancelled,
        }
    }
}

struct TestEnv<A> {
    emulator: Arc<Emulator>,
    /// Where the org is at the start.
    instance: String,
    client: Client,
    adapter: A,
}

const EXPIRED: &str =
    r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

impl<A: Adapter> TestEnv<A> {
    fn new() -> Self {
        let emulator = Arc::new(emulator());
        let client = client(&emulator);
        Self::with(emulator, client)
    }

    fn with(emulator: Arc<Emulator>, client: Client) -> Self {
        let adapter = A::new(&client, &emulator);
        Self {
            instance: emulator.default_org().instance_url,
            emulator,
            client,
            adapter,
        }
    }

    async fn get(&self, path: &str) -> Result<ReadResponse, CallFailure> {
        self.send(Method::GET, path, Content::Nothing).await
    }

    async fn post(&self, body: Content) -> Result<ReadResponse, CallFailure> {
        self.send(Method::POST, JOBS, body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Content,
    ) -> Result<ReadResponse, CallFailure> {
        let url = if path.starts_with('/') {
            format!("{}{path}", self.instance)
        } else {
            path.to_owned()
        };
        self.adapter.call(Sent { method, url, body }).await
    }

    /// A token whose session is over.
    async fn dead(&self) -> forcegrant::Token {
        let token = self.client.token().await.expect("a login");
        self.emulator.kill_sessions();
        token
    }

    fn refuse_all(&self, status: u16, body: &str) {
        let fault = FaultKind::Status {
            status,
            body: body.to_owned(),
            content_type: "application/json".to_owned(),
            headers: serde_json::Map::new(),
        };
        self.emulator.fault(&Fault::new(Endpoint::Data, fault));
    }

    fn token_requests(&self) -> u64 {
        self.emulator.counters().token_requests
    }

    fn calls(&self) -> Vec<LoggedRequest> {
        self.emulator.requests_for(Endpoint::Data)
    }

    async fn arrived(&self, endpoint: Endpoint, count: u64) {
        let emulator = Arc::clone(&self.emulator);
        tokio::task::spawn_blocking(move || emulator.wait_requests(endpoint, count))
            .await
            .expect("the requests arrive");
    }
}

fn code(outcome: Result<ReadResponse, CallFailure>) -> &'static str {
    match outcome {
        Err(CallFailure::Token(error)) => error.code().as_str(),
        other => panic!("an error of the token was expected: {other:?}"),
    }
}

async fn a_call_carries_the_token<A: Adapter>(env: TestEnv<A>) {
    assert_eq!(env.client.limits(), None);
    let response = env.get(LIMITS).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(String::from_utf8_lossy(&response.body.unwrap()).contains("DailyApiRequests"));
    let token = env.client.token().await.unwrap();
    let calls = env.calls();
    assert_eq!(
        calls[0].header("authorization"),
        Some(token.authorization())
    );
    assert_eq!(env.client.limits().unwrap().used, 1);
    assert_eq!(env.token_requests(), 1);
}

async fn a_dead_session_is_renewed_once_and_the_body_sent_again<A: Adapter>(env: TestEnv<A>) {
    let dead = env.dead().await;
    let response = env.post(Content::Whole(r#"{"object":"Account"}"#)).await;
    let response = response.unwrap();
    assert_eq!(response.status, 200);
    assert!(String::from_utf8_lossy(&response.body.unwrap()).contains("Account"));
    let seen: Vec<_> = env
        .calls()
        .iter()
        .map(|call| (call.answered.clone(), call.body_bytes))
        .collect();
    assert_eq!(seen, [(json!(401), 20), (json!(200), 20)]);
    assert_ne!(
        env.client.token().await.unwrap().fingerprint(),
        dead.fingerprint()
    );
    assert_eq!(env.token_requests(), 2);
}

async fn a_hundred_dead_sessions_cause_one_login<A: Adapter>(env: TestEnv<A>) {
    env.dead().await;
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::Hold));
    let url = format!("{}{LIMITS}", env.instance);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (adapter, url) = (env.adapter.clone(), url.clone());
            tokio::spawn(async move {
                let sent = Sent {
                    method: Method::GET,
                    url,
                    body: Content::Nothing,
                };
                adapter.call(sent).await
            })
        })
        .collect();
    env.arrived(Endpoint::Data, 100).await;
    env.emulator.release();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(env.token_requests(), 2);
    assert_eq!(env.calls().len(), 200);
}

async fn a_call_follows_the_instance<A: Adapter>(env: TestEnv<A>) {
    env.dead().await;
    let moved = json!({ "op": "move_instance", "instance_url": format!("https://{MOVED}") });
    env.emulator.control(moved).unwrap();
    let path = format!("{LIMITS}?x=1");
    assert_eq!(env.get(&path).await.unwrap().status, 200);
    // An address that was made for the old instance leads to the new one from now on.
    assert_eq!(env.get(&path).await.unwrap().status, 200);
    let calls = env.calls();
    let old = env.emulator.default_org().my_domain;
    let hosts: Vec<_> = calls.iter().map(|call| call.host.as_str()).collect();
    assert_eq!(hosts, [old.as_str(), MOVED, MOVED]);
    assert!(calls.iter().all(|call| call.query == "x=1"));
    assert_eq!(env.token_requests(), 2);
}

async fn another_origin_sees_no_token<A: Adapter>(env: TestEnv<A>) {
    let there = format!("https://{FOREIGN}{LIMITS}");
    let redirect = FaultKind::Redirect {
        status: 307,
        location: there.clone(),
    };
    env.emulator
        .fault(&Fault::new(Endpoint::Data, redirect).first(1));
    let followed = env.get(LIMITS).await.unwrap().status;
    assert_eq!(followed, if A::FOLLOWS_REDIRECTS { 404 } else { 307 });
    assert_eq!(env.get(&there).await.unwrap().status, 404);
    let calls = env.calls();
    let (home, foreign): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.host != FOREIGN);
    assert!(home[0].header("authorization").is_some());
    assert_eq!(foreign.len(), if A::FOLLOWS_REDIRECTS { 2 } else { 1 });
    assert!(
        foreign
            .iter()
            .all(|call| call.header("authorization").is_none())
    );
    assert_eq!(env.token_requests(), 1);
}

async fn no_hostile_redirect_gets_the_token<A: Adapter>(env: TestEnv<A>) {
    let corpus = include_str!("../../../../tests/hostile-urls.json");
    let corpus: Vec<String> = serde_json::from_str(corpus).unwrap();
    let host = env.instance.trim_start_matches("https://").to_owned();
    for text in corpus {
        let location = text
            .replace("{instance}", &env.instance)
            .replace("{host}", &host)
            .replace("evil.example.com", FOREIGN);
        // Some of them cannot be sent in a header.
        if location.chars().any(|c| c.is_control() || !c.is_ascii()) {
            continue;
        }
        let redirect = FaultKind::Redirect {
            status: 302,
            location,
        };
        env.emulator
            .fault(&Fault::new(Endpoint::Data, redirect).first(1));
        // Some of them cannot be followed.
        drop(env.get(LIMITS).await);
    }
    let calls = env.emulator.requests_for(Endpoint::Any);
    let with_token = |call: &&LoggedRequest| call.header("authorization").is_some();
    assert!(calls.iter().filter(with_token).count() > 50);
    assert!(
        calls
            .iter()
            .filter(with_token)
            .all(|call| call.host == host)
    );
    assert!(!A::FOLLOWS_REDIRECTS || calls.iter().any(|call| call.host == FOREIGN));
}

async fn a_stream_is_not_sent_again<A: Adapter>(env: TestEnv<A>) {
    env.dead().await;
    let failed = env.post(Content::Stream("{}")).await;
    assert_eq!(code(failed), "request_not_replayable");
    assert_eq!(env.calls().len(), 1);
    assert_eq!(env.post(Content::Stream("{}")).await.unwrap().status, 200);
    assert_eq!(env.token_requests(), 2);
}

async fn the_same_token_again_is_an_error<A: Adapter>(env: TestEnv<A>) {
    env.refuse_all(401, EXPIRED);
    assert_eq!(code(env.get(LIMITS).await), "same_token_returned");
    assert_eq!((env.calls().len(), env.token_requests()), (1, 2));
}

async fn a_fresh_token_that_is_refused_is_an_error<A: Adapter>(env: TestEnv<A>) {
    env.emulator
        .configure(json!({ "app": { "distinct_tokens": true } }));
    env.refuse_all(401, EXPIRED);
    assert_eq!(code(env.get(LIMITS).await), "fresh_token_refused");
    assert_eq!((env.calls().len(), env.token_requests()), (2, 2));
}

async fn a_403_is_not_sent_again<A: Adapter>(env: TestEnv<A>) {
    env.refuse_all(403, "Bad_OAuth_Token");
    let response = env.get(LIMITS).await.unwrap();
    assert_eq!(response.status, 403);
    assert_eq!(
        response.body.unwrap(),
        "Bad_OAuth_Token",
        "the body is complete"
    );
    assert_eq!((env.calls().len(), env.token_requests()), (1, 1));
    assert!(env.client.cached().is_none());
}

async fn a_cancelled_call_affects_no_other_call<A: Adapter>(env: TestEnv<A>) {
    env.client.token().await.unwrap();
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::Hold).first(1));
    let (adapter, url) = (env.adapter.clone(), format!("{}{LIMITS}", env.instance));
    let held = tokio::spawn(async move {
        let sent = Sent {
            method: Method::GET,
            url,
            body: Content::Nothing,
        };
        adapter.call(sent).await.map(drop)
    });
    env.arrived(Endpoint::Data, 1).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    env.emulator.release();
    assert_eq!(env.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(env.token_requests(), 1);
}

async fn a_call_that_waits_for_its_token_can_be_cancelled<A: Adapter>(env: TestEnv<A>) {
    env.emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Hold).first(1));
    let (adapter, url) = (env.adapter.clone(), format!("{}{LIMITS}", env.instance));
    let held = tokio::spawn(async move {
        let sent = Sent {
            method: Method::GET,
            url,
            body: Content::Nothing,
        };
        adapter.call(sent).await.map(drop)
    });
    env.arrived(Endpoint::Token, 1).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    env.emulator.release();
    env.client.token().await.unwrap();
    assert_eq!((env.calls().len(), env.token_requests()), (0, 1));
}

async fn a_slow_refusal_is_classified<A: Adapter>(env: TestEnv<A>) {
    env.dead().await;
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::SlowBody { ms: 30 }).first(1));
    assert_eq!(env.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(env.token_requests(), 2);
}

async fn a_slow_response_is_returned_complete<A: Adapter>(env: TestEnv<A>) {
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::SlowBody { ms: 30 }).first(1));
    let response = env.get(LIMITS).await.unwrap();
    let body = response.body.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    assert_eq!((env.calls().len(), env.token_requests()), (1, 1));
}

async fn a_refusal_that_is_cut_is_classified<A: Adapter>(env: TestEnv<A>) {
    env.dead().await;
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::CutBody).first(1));
    assert_eq!(env.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(env.token_requests(), 2);
}

async fn a_response_that_is_cut_is_returned_and_its_body_fails<A: Adapter>(env: TestEnv<A>) {
    env.emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::CutBody).first(1));
    let response = env.get(LIMITS).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(response.body.is_none(), "a cut body is an error");
    assert_eq!((env.calls().len(), env.token_requests()), (1, 1));
}

async fn a_busy_service_is_called_again_with_the_option<A: Adapter>(env: TestEnv<A>) {
    let busy = Fault::new(Endpoint::Data, FaultKind::Html503).first(2);
    env.emulator.fault(&busy);
    assert_eq!(env.get(LIMITS).await.unwrap().status, 503, "off by default");
    let retrying = builder(&env.emulator)
        .call_attempts(3)
        .call_backoff(Duration::from_millis(1), Duration::from_millis(2))
        .build()
        .unwrap();
    let env = TestEnv::<A>::with(Arc::clone(&env.emulator), retrying);
    assert_eq!(env.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(env.calls().len(), 3);
}
