//! A8: secrets and tokens are planted, every error path is driven, and no string and no event that
//! comes out holds one of them.

mod common;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{builder, emulator, fault, with_secret};
use forcegrant::{AuthStyle, Client, Error, Proxy, Roots};
use forcegrant_emulator::Emulator;
use serde_json::{Value, json};

/// Everything that a user could see.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<String>>);

impl Seen {
    fn add(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }

    fn error(&self, error: &Error) {
        let mut text = format!("{error} {error:?} {error:#?} {}", error.message());
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let _ = write!(text, " {cause} {cause:?}");
            source = cause.source();
        }
        self.add(&text);
    }

    fn assert_lacks(&self, canaries: &[&str]) {
        let seen = self.0.lock().unwrap();
        assert!(seen.len() > 100, "nothing was collected");
        for canary in canaries {
            let found = seen.find(canary);
            let around = found.map(|at| seen[..at].chars().rev().take(200).collect::<Vec<_>>());
            let around = around.map(|text| text.into_iter().rev().collect::<String>());
            assert!(found.is_none(), "shown after: {around:?}");
        }
    }
}

/// Records every field of every `tracing` event, whatever its form.
struct Recorder(Seen);

struct Fields<'a>(&'a Seen);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.add(&format!("{field}={value:?} "));
    }
}

impl tracing::Subscriber for Recorder {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        span.record(&mut Fields(&self.0));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(&self.0));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut Fields(&self.0));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

const SECRET: &str = "CANARY5ECRET+&%=x";

fn planted(emulator: &Emulator) {
    let org = emulator.default_org();
    emulator
        .control(json!({"op": "configure", "app": {"keys": [
            {"client_id": org.client_id, "client_secret": SECRET}
        ]}}))
        .unwrap();
}

/// Every way in which the endpoint can disappoint.
fn faults() -> Vec<Value> {
    let refusal = |error: &str, description: &str| json!({"kind": "refusal", "error": error, "description": description});
    vec![
        refusal("invalid_client", &format!("the secret {SECRET} is wrong")),
        refusal(SECRET, "echo"),
        refusal("invalid_grant", "no client credentials user enabled"),
        json!({"kind": "503_html"}),
        json!({"kind": "429_retry_after", "seconds": 99}),
        json!({"kind": "420_html"}),
        json!({"kind": "406_empty"}),
        json!({"kind": "cut_body"}),
        json!({"kind": "huge_body", "bytes": 2_000_000}),
        json!({"kind": "not_json"}),
        json!({"kind": "reset"}),
        json!({"kind": "missing_token"}),
        json!({"kind": "foreign_instance_url", "url": format!("https://evil.example/?{SECRET}")}),
        json!({"kind": "redirect", "status": 302, "location": format!("https://u:{SECRET}@evil.example/{SECRET}")}),
        json!({"kind": "status", "status": 400, "content_type": "text/html", "body": format!("<html>{SECRET}</html>")}),
        json!({"kind": "status", "status": 200, "content_type": SECRET, "body": SECRET}),
        json!({"kind": "wrong_type", "field": "scope", "value": [SECRET]}),
    ]
}

#[test]
fn no_error_event_or_trace_shows_a_secret_or_a_token() {
    let seen = Seen::default();
    let _ = tracing::subscriber::set_global_default(Recorder(seen.clone()));
    let emulator = emulator();
    planted(&emulator);
    let mut canaries = vec![SECRET.to_owned(), "CANARY5ECRET%2B%26%25%3Dx".to_owned()];
    let listen = seen.clone();
    let watched = |style| {
        let seen = listen.clone();
        with_secret(&emulator, SECRET)
            .auth_style(style)
            .refusal_backoff(Duration::ZERO, Duration::ZERO)
            .transient_backoff(Duration::ZERO, Duration::ZERO)
            .on_event_inline(move |event| {
                seen.add(&format!("{event:?} {event:#?} {}", event.name()));
            })
    };
    for style in [AuthStyle::Body, AuthStyle::Basic] {
        let client = watched(style).build_blocking().unwrap();
        for rule in faults() {
            fault(&emulator, rule.clone());
            let error = client.token().expect_err(&rule.to_string());
            seen.error(&error);
            seen.add(&format!("{:?} {client:?}", client.status()));
            emulator.control(json!({"op": "clear_faults"})).unwrap();
        }
        let token = client.token().unwrap();
        canaries.push(token.access_token().to_owned());
        seen.add(&format!("{token:?} {token:#?} {:?}", client.status()));
        client.invalidate(&token);
        seen.error(&client.token().unwrap_err());
        client.reset();
        let verified = client.verify().unwrap();
        seen.add(&format!("{verified:?}"));
        emulator.kill_sessions();
    }
    let canaries: Vec<&str> = canaries.iter().map(String::as_str).collect();
    seen.assert_lacks(&canaries);
}

#[test]
fn no_transport_error_shows_a_secret() {
    let seen = Seen::default();
    let (emulator, other) = (emulator(), emulator());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let quick = || {
        with_secret(&emulator, SECRET)
            .max_attempts(1)
            .total_timeout(Duration::from_secs(5))
    };
    let org = emulator.default_org();
    let proxy = format!("http://{SECRET_USER}:{SECRET_WORD}@{closed}");
    let table = [
        (
            "connect_failed",
            quick().resolve(org.my_domain.as_str(), closed),
        ),
        ("proxy_failed", quick().proxy(Proxy::Url(proxy))),
        (
            "tls_failed",
            quick().roots(Roots::Pem(other.ca_pem().as_bytes().to_vec())),
        ),
    ];
    for (code, builder) in table {
        let error = builder.build_blocking().unwrap().token().expect_err(code);
        assert_eq!(error.code(), code, "{error:?}");
        seen.error(&error);
    }
    let wrong = [
        Client::builder(
            format!("https://u:{SECRET}@acme.my.salesforce.com"),
            "id",
            SECRET,
        ),
        Client::builder(
            format!("https://evil.example/?token={SECRET}"),
            "id",
            SECRET,
        ),
        builder(&emulator).proxy(Proxy::Url(format!("{SECRET}://x"))),
        builder(&emulator).token_url(format!("https://u:{SECRET}@x.example/t")),
        Client::builder("acme.my.salesforce.com", "i d", SECRET),
        Client::builder(
            "acme.my.salesforce.com",
            "id",
            format!("{SECRET}\n{SECRET}"),
        ),
    ];
    for builder in wrong {
        seen.add(&format!("{:?}", builder.clone().roots(Roots::Platform)));
        seen.error(&builder.build().unwrap_err());
    }
    seen.assert_lacks(&[SECRET, SECRET_WORD, SECRET_USER]);
}

const SECRET_USER: &str = "canaryuser";
const SECRET_WORD: &str = "canaryword";
