//! What every adapter of an HTTP client has to show, whatever library is beneath.

use std::sync::Arc;
use std::time::Duration;

use forcegrant::Client;
use forcegrant::reqwest::Method;
use forcegrant_adapters::web::{FOREIGN, JOBS, LIMITS, MOVED, builder, client, emulator};
use forcegrant_emulator::{Emulator, Endpoint, Fault, FaultKind, LoggedRequest};
use serde_json::json;

use crate::adapters::{
    Adapter, Answer, Content, Failure, Middleware, Own, Sent, Threads, Tower, Users,
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
                    let world = super::World::<super::$adapter>::new();
                    super::$case(world).await;
                }
            )*
        }
    };
}

mod every_way {
    use super::*;

    cases! {
        [own: Own, threads: Threads, users: Users, middleware: Middleware, tower: Tower]
        {
            a_call_carries_the_token,
            a_dead_session_is_renewed_once_and_the_body_sent_again,
            a_hundred_dead_sessions_cause_one_login,
            a_call_follows_the_instance,
            another_origin_sees_no_token,
            no_hostile_redirect_leads_the_token_away,
            a_stream_is_not_sent_again,
            the_same_token_again_is_an_error,
            a_fresh_token_that_is_refused_is_an_error,
            a_403_is_not_sent_again,
            a_slow_refusal_is_judged,
            a_slow_answer_is_handed_out_whole,
            a_refusal_that_is_cut_is_judged,
            an_answer_that_is_cut_is_handed_out_and_breaks_off,
            a_busy_service_is_asked_again_with_the_option,
        }
    }
}

// A thread that waits can not be stopped from outside; tests/it/threads.rs has how it gives up.
mod every_future {
    use super::*;

    cases! {
        [own: Own, users: Users, middleware: Middleware, tower: Tower]
        {
            a_cancelled_call_takes_nothing_with_it,
            a_call_that_waits_for_its_token_can_be_cancelled,
        }
    }
}

struct World<A> {
    emulator: Arc<Emulator>,
    /// Where the org is at the start.
    instance: String,
    client: Client,
    adapter: A,
}

const EXPIRED: &str =
    r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

impl<A: Adapter> World<A> {
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

    async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, Content::Nothing).await
    }

    async fn post(&self, body: Content) -> Result<Answer, Failure> {
        self.send(Method::POST, JOBS, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Content) -> Result<Answer, Failure> {
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

fn code(outcome: Result<Answer, Failure>) -> &'static str {
    match outcome {
        Err(Failure::Token(error)) => error.code().as_str(),
        other => panic!("an error of the token was expected: {other:?}"),
    }
}

async fn a_call_carries_the_token<A: Adapter>(world: World<A>) {
    assert_eq!(world.client.limits(), None);
    let answer = world.get(LIMITS).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8_lossy(&answer.body.unwrap()).contains("DailyApiRequests"));
    let token = world.client.token().await.unwrap();
    let calls = world.calls();
    assert_eq!(
        calls[0].header("authorization"),
        Some(token.authorization())
    );
    assert_eq!(world.client.limits().unwrap().used, 1);
    assert_eq!(world.token_requests(), 1);
}

async fn a_dead_session_is_renewed_once_and_the_body_sent_again<A: Adapter>(world: World<A>) {
    let dead = world.dead().await;
    let answer = world.post(Content::Whole(r#"{"object":"Account"}"#)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8_lossy(&answer.body.unwrap()).contains("Account"));
    let seen: Vec<_> = world
        .calls()
        .iter()
        .map(|call| (call.answered.clone(), call.body_bytes))
        .collect();
    assert_eq!(seen, [(json!(401), 20), (json!(200), 20)]);
    assert_ne!(
        world.client.token().await.unwrap().fingerprint(),
        dead.fingerprint()
    );
    assert_eq!(world.token_requests(), 2);
}

async fn a_hundred_dead_sessions_cause_one_login<A: Adapter>(world: World<A>) {
    world.dead().await;
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::Hold));
    let url = format!("{}{LIMITS}", world.instance);
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (adapter, url) = (world.adapter.clone(), url.clone());
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
    world.arrived(Endpoint::Data, 100).await;
    world.emulator.release();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().status, 200);
    }
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.calls().len(), 200);
}

async fn a_call_follows_the_instance<A: Adapter>(world: World<A>) {
    world.dead().await;
    let moved = json!({ "op": "move_instance", "instance_url": format!("https://{MOVED}") });
    world.emulator.control(moved).unwrap();
    let path = format!("{LIMITS}?x=1");
    assert_eq!(world.get(&path).await.unwrap().status, 200);
    // An address that was made for the old instance leads to the new one from now on.
    assert_eq!(world.get(&path).await.unwrap().status, 200);
    let calls = world.calls();
    let old = world.emulator.default_org().my_domain;
    let hosts: Vec<_> = calls.iter().map(|call| call.host.as_str()).collect();
    assert_eq!(hosts, [old.as_str(), MOVED, MOVED]);
    assert!(calls.iter().all(|call| call.query == "x=1"));
    assert_eq!(world.token_requests(), 2);
}

async fn another_origin_sees_no_token<A: Adapter>(world: World<A>) {
    let there = format!("https://{FOREIGN}{LIMITS}");
    let redirect = FaultKind::Redirect {
        status: 307,
        location: there.clone(),
    };
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, redirect).first(1));
    let followed = world.get(LIMITS).await.unwrap().status;
    assert_eq!(followed, if A::FOLLOWS_REDIRECTS { 404 } else { 307 });
    assert_eq!(world.get(&there).await.unwrap().status, 404);
    let calls = world.calls();
    let (home, abroad): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.host != FOREIGN);
    assert!(home[0].header("authorization").is_some());
    assert_eq!(abroad.len(), if A::FOLLOWS_REDIRECTS { 2 } else { 1 });
    assert!(
        abroad
            .iter()
            .all(|call| call.header("authorization").is_none())
    );
    assert_eq!(world.token_requests(), 1);
}

async fn no_hostile_redirect_leads_the_token_away<A: Adapter>(world: World<A>) {
    let corpus = include_str!("../../../../tests/hostile-urls.json");
    let corpus: Vec<String> = serde_json::from_str(corpus).unwrap();
    let host = world.instance.trim_start_matches("https://").to_owned();
    for text in corpus {
        let location = text
            .replace("{instance}", &world.instance)
            .replace("{host}", &host)
            .replace("evil.example.com", FOREIGN);
        // What is no header cannot be sent.
        if location.chars().any(|c| c.is_control() || !c.is_ascii()) {
            continue;
        }
        let redirect = FaultKind::Redirect {
            status: 302,
            location,
        };
        world
            .emulator
            .fault(&Fault::new(Endpoint::Data, redirect).first(1));
        // Some of them lead nowhere.
        drop(world.get(LIMITS).await);
    }
    let calls = world.emulator.requests_for(Endpoint::Any);
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

async fn a_stream_is_not_sent_again<A: Adapter>(world: World<A>) {
    world.dead().await;
    let failed = world.post(Content::Stream("{}")).await;
    assert_eq!(code(failed), "request_not_replayable");
    assert_eq!(world.calls().len(), 1);
    assert_eq!(world.post(Content::Stream("{}")).await.unwrap().status, 200);
    assert_eq!(world.token_requests(), 2);
}

async fn the_same_token_again_is_an_error<A: Adapter>(world: World<A>) {
    world.refuse_all(401, EXPIRED);
    assert_eq!(code(world.get(LIMITS).await), "same_token_returned");
    assert_eq!((world.calls().len(), world.token_requests()), (1, 2));
}

async fn a_fresh_token_that_is_refused_is_an_error<A: Adapter>(world: World<A>) {
    world
        .emulator
        .configure(json!({ "app": { "distinct_tokens": true } }));
    world.refuse_all(401, EXPIRED);
    assert_eq!(code(world.get(LIMITS).await), "fresh_token_refused");
    assert_eq!((world.calls().len(), world.token_requests()), (2, 2));
}

async fn a_403_is_not_sent_again<A: Adapter>(world: World<A>) {
    world.refuse_all(403, "Bad_OAuth_Token");
    let answer = world.get(LIMITS).await.unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body.unwrap(), "Bad_OAuth_Token", "the body is whole");
    assert_eq!((world.calls().len(), world.token_requests()), (1, 1));
    assert!(world.client.cached().is_none());
}

async fn a_cancelled_call_takes_nothing_with_it<A: Adapter>(world: World<A>) {
    world.client.token().await.unwrap();
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::Hold).first(1));
    let (adapter, url) = (world.adapter.clone(), format!("{}{LIMITS}", world.instance));
    let held = tokio::spawn(async move {
        let sent = Sent {
            method: Method::GET,
            url,
            body: Content::Nothing,
        };
        adapter.call(sent).await.map(drop)
    });
    world.arrived(Endpoint::Data, 1).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    world.emulator.release();
    assert_eq!(world.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(world.token_requests(), 1);
}

async fn a_call_that_waits_for_its_token_can_be_cancelled<A: Adapter>(world: World<A>) {
    world
        .emulator
        .fault(&Fault::new(Endpoint::Token, FaultKind::Hold).first(1));
    let (adapter, url) = (world.adapter.clone(), format!("{}{LIMITS}", world.instance));
    let held = tokio::spawn(async move {
        let sent = Sent {
            method: Method::GET,
            url,
            body: Content::Nothing,
        };
        adapter.call(sent).await.map(drop)
    });
    world.arrived(Endpoint::Token, 1).await;
    held.abort();
    assert!(held.await.unwrap_err().is_cancelled());
    world.emulator.release();
    world.client.token().await.unwrap();
    assert_eq!((world.calls().len(), world.token_requests()), (0, 1));
}

async fn a_slow_refusal_is_judged<A: Adapter>(world: World<A>) {
    world.dead().await;
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::SlowBody { ms: 30 }).first(1));
    assert_eq!(world.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(world.token_requests(), 2);
}

async fn a_slow_answer_is_handed_out_whole<A: Adapter>(world: World<A>) {
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::SlowBody { ms: 30 }).first(1));
    let answer = world.get(LIMITS).await.unwrap();
    let body = answer.body.unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    assert_eq!((world.calls().len(), world.token_requests()), (1, 1));
}

async fn a_refusal_that_is_cut_is_judged<A: Adapter>(world: World<A>) {
    world.dead().await;
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::CutBody).first(1));
    assert_eq!(world.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(world.token_requests(), 2);
}

async fn an_answer_that_is_cut_is_handed_out_and_breaks_off<A: Adapter>(world: World<A>) {
    world
        .emulator
        .fault(&Fault::new(Endpoint::Data, FaultKind::CutBody).first(1));
    let answer = world.get(LIMITS).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.is_none(), "half a body is no body");
    assert_eq!((world.calls().len(), world.token_requests()), (1, 1));
}

async fn a_busy_service_is_asked_again_with_the_option<A: Adapter>(world: World<A>) {
    let busy = Fault::new(Endpoint::Data, FaultKind::Html503).first(2);
    world.emulator.fault(&busy);
    assert_eq!(
        world.get(LIMITS).await.unwrap().status,
        503,
        "off by default"
    );
    let patient = builder(&world.emulator)
        .call_attempts(3)
        .call_backoff(Duration::from_millis(1), Duration::from_millis(2))
        .build()
        .unwrap();
    let world = World::<A>::with(Arc::clone(&world.emulator), patient);
    assert_eq!(world.get(LIMITS).await.unwrap().status, 200);
    assert_eq!(world.calls().len(), 3);
}
