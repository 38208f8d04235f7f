//! Secrets and tokens are planted, every error path is driven, also with a server that sends back the
//! whole request in every encoding, and no text that comes out holds one of them, or a part of one.

mod common;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use common::{builder, emulator, fault, with_secret};
use forcegrant::{AuthStyle, Client, ClientBuilder, Error, Proxy, Roots};
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
        let mut text = format!("{error} {error:?} {error:#?} {:?}", error.help());
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let _ = write!(text, " {cause} {cause:?}");
            source = cause.source();
        }
        self.add(&text);
    }

    /// Fails if a run of characters of a secret was shown, in any encoding.
    fn assert_lacks(&self, canaries: &[String]) {
        let seen = self.0.lock().unwrap().to_lowercase();
        assert!(seen.len() > 100, "nothing was collected");
        let shown: HashSet<&[u8]> = seen.as_bytes().windows(RUN).collect();
        for canary in canaries {
            // Here a few bytes are few characters.
            let units = canary.encode_utf16().take(RUN);
            let units: Vec<_> = units.map(|unit| format!("\\u{unit:04x}")).collect();
            let units = units.concat();
            assert!(!seen.contains(&units), "{canary} was shown as JSON");
            for form in forms(canary) {
                let form = form.to_lowercase();
                let run = form.as_bytes().windows(RUN).find(|run| shown.contains(run));
                let run = run.map(|run| String::from_utf8_lossy(run).into_owned());
                let around = run.as_ref().and_then(|run| {
                    let at = seen.find(run.as_str())?;
                    let start = seen[..at]
                        .char_indices()
                        .rev()
                        .nth(200)
                        .map_or(0, |(at, _)| at);
                    seen.get(start..at + RUN)
                });
                assert!(run.is_none(), "{form}: {run:?} was shown after {around:?}");
            }
        }
    }
}

/// Of a secret no more than so many bytes in a row may be seen, and of an encoded form of it.
const RUN: usize = 12;

/// Every form that a request can carry a text in, or that a server may turn it into.
fn forms(canary: &str) -> Vec<String> {
    let percent: String = canary
        .bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let json = serde_json::to_string(canary).unwrap();
    let json = json.trim_matches('"').to_owned();
    let html = canary.replace('&', "&amp;").replace('<', "&lt;");
    let html = html.replace('"', "&quot;").replace('+', "&#43;");
    let mut forms = vec![
        percent.replace("%20", "+"),
        json.replace('/', "\\/"),
        json,
        html,
    ];
    for text in [canary, &percent] {
        for before in ["", "x", "xx", "id:", "client_secret="] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{text}"));
            forms.push(encoded[(before.len() * 8).div_ceil(6)..].to_owned());
        }
    }
    forms.extend([canary.to_owned(), percent]);
    forms
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

/// Each with the characters that some encoding treats in its own way.
const SECRETS: [&str; 3] = [
    "Zq7Jx/Wv+K9=gP%3Lm&Tb5\"Rn\\Yc ü8Hd<>'~sF",
    "7C4A9E10B35D28F67C4A9E10B35D28F6E8D1A2B3C4F5968776543210FEDCBA98",
    "8391027465820193746",
];

const ECHO_PLACES: [&str; 7] = [
    "description",
    "error",
    "html",
    "location",
    "retry_after",
    "content_type",
    "rest_error",
];
const ECHO_ENCODINGS: [&str; 7] = ["raw", "percent", "form", "json", "html", "base64", "secret"];

fn planted(emulator: &Emulator, secret: &str) {
    let org = emulator.default_org();
    emulator
        .control(json!({"op": "configure", "app": {"keys": [
            {"client_id": org.client_id, "client_secret": secret}
        ]}}))
        .unwrap();
}

/// Every way in which the endpoint can disappoint.
fn faults(secret: &str) -> Vec<Value> {
    let refusal = |error: &str, description: &str| json!({"kind": "refusal", "error": error, "description": description});
    let plain: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
    vec![
        refusal("invalid_client", &format!("the secret {secret} is wrong")),
        refusal(secret, "echo"),
        refusal("unknown_error", &format!("retry your request {secret}")),
        refusal("invalid_grant", "no client credentials user enabled"),
        refusal(
            "invalid_grant",
            &secret
                .chars()
                .flat_map(|c| [c, '\u{200b}'])
                .collect::<String>(),
        ),
        refusal("invalid_grant", &format!("{}{secret}", "x ".repeat(140))),
        json!({"kind": "503_html"}),
        json!({"kind": "429_retry_after", "seconds": 99}),
        json!({"kind": "420_html"}),
        json!({"kind": "406_empty"}),
        json!({"kind": "cut_body"}),
        json!({"kind": "huge_body", "bytes": 2_000_000}),
        json!({"kind": "not_json"}),
        json!({"kind": "reset"}),
        json!({"kind": "missing_token"}),
        json!({"kind": "foreign_instance_url", "url": format!("https://evil.example/?{secret}")}),
        json!({"kind": "foreign_instance_url", "url": format!("https://{plain}.example")}),
        json!({"kind": "foreign_instance_url", "url": format!("{plain}://x.example")}),
        json!({"kind": "redirect", "status": 302, "location": format!("https://u:{plain}@evil.example/{plain}")}),
        json!({"kind": "redirect", "status": 301, "location": format!("https://{plain}.example/")}),
        json!({"kind": "redirect", "status": 301, "location": format!("{plain}:x")}),
        json!({"kind": "status", "status": 400, "content_type": "text/html", "body": format!("<html>{secret}</html>")}),
        json!({"kind": "status", "status": 200, "content_type": plain, "body": secret}),
        json!({"kind": "wrong_type", "field": "scope", "value": [secret]}),
    ]
}

fn echoes(endpoint: &str, encodings: &[&str]) -> Vec<Value> {
    let all = ECHO_PLACES.iter().flat_map(|place| {
        encodings.iter().map(move |encoding| {
            let params = json!({"place": place, "encoding": encoding});
            json!({"endpoint": endpoint, "kind": "echo", "params": params})
        })
    });
    all.collect()
}

/// A client that tells everything.
fn watched(seen: &Seen, builder: ClientBuilder) -> forcegrant::blocking::Client {
    let seen = seen.clone();
    let builder = builder
        .max_attempts(2)
        .refusal_backoff(Duration::ZERO, Duration::ZERO)
        .transient_backoff(Duration::ZERO, Duration::ZERO);
    forcegrant::ffi::on_event(builder, move |event| {
        seen.add(&format!("{event:?} {event:#?} {}", event.name()));
    })
    .build_blocking()
    .unwrap()
}

/// A token without the id of the org before it, which is no secret.
fn random_part(token: &forcegrant::Token) -> String {
    let (_, random) = token.access_token().split_once('!').unwrap();
    random.to_owned()
}

#[test]
fn no_error_event_or_trace_shows_a_secret_or_a_token() {
    let seen = Seen::default();
    let _ = tracing::subscriber::set_global_default(Recorder(seen.clone()));
    let emulator = emulator();
    let mut canaries: Vec<String> = SECRETS.map(str::to_owned).into();
    for secret in SECRETS {
        planted(&emulator, secret);
        let encodings: &[&str] = match secret.len() {
            19 | 64 => &["raw", "base64", "secret"],
            _ => &ECHO_ENCODINGS,
        };
        for style in [AuthStyle::Body, AuthStyle::Basic] {
            let client = watched(&seen, with_secret(&emulator, secret).auth_style(style));
            for rule in faults(secret).into_iter().chain(echoes("token", encodings)) {
                fault(&emulator, rule.clone());
                let error = client.token().expect_err(&rule.to_string());
                seen.error(&error);
                seen.add(&format!("{:?} {client:?}", client.status()));
                emulator.control(json!({"op": "clear_faults"})).unwrap();
            }
            let token = client.token().unwrap();
            canaries.push(random_part(&token));
            seen.add(&format!("{token:?} {token:#?} {:?}", client.status()));
            client.invalidate(&token);
            seen.error(&client.token().unwrap_err());
            client.reset();
            let verified = client.verify().unwrap();
            seen.add(&format!("{verified:?}"));
            emulator.kill_sessions();
        }
    }
    seen.assert_lacks(&canaries);
}

#[test]
fn no_api_shows_a_token() {
    let seen = Seen::default();
    let emulator = emulator();
    let secret = SECRETS[0];
    planted(&emulator, secret);
    let client = watched(&seen, with_secret(&emulator, secret).introspect(true));
    let mut canaries = vec![secret.to_owned()];
    for rule in echoes("limits", &ECHO_ENCODINGS)
        .into_iter()
        .chain(echoes("introspect", &["raw"]))
    {
        fault(&emulator, rule);
        match client.verify() {
            Ok(verified) => seen.add(&format!("{verified:?}")),
            Err(error) => seen.error(&error),
        }
        canaries.extend(client.cached().as_ref().map(random_part));
        seen.add(&format!("{:?}", client.status()));
        emulator.control(json!({"op": "clear_faults"})).unwrap();
    }
    canaries.dedup();
    seen.assert_lacks(&canaries);
}

#[test]
fn no_callback_shows_a_secret() {
    let seen = Seen::default();
    let emulator = emulator();
    let org = emulator.default_org();
    let failing = Arc::new(Mutex::new(false));
    let (fails, id) = (Arc::clone(&failing), org.client_id.clone());
    let callback = move || {
        let (fails, id) = (*fails.lock().unwrap(), id.clone());
        async move {
            if fails {
                let text = format!("cannot read {{secret: {}}}", SECRETS[0]);
                return Err(std::io::Error::other(text).into());
            }
            Ok(forcegrant::CredentialSet::new(
                forcegrant::ClientCredentials::new(id, SECRETS[0])?,
            ))
        }
    };
    let client = watched(&seen, builder(&emulator).credentials_callback(callback));
    // The emulator knows another secret, so each login asks the callback again.
    seen.error(&client.token().unwrap_err());
    *failing.lock().unwrap() = true;
    seen.error(&client.token().unwrap_err());
    // Even before the callback has brought the secret, what looks like one is not shown.
    let text = format!("cannot read {} for {}", SECRETS[1], SECRETS[2]);
    let callback = move || {
        let text = text.clone();
        async move { Err(std::io::Error::other(text).into()) }
    };
    let client = watched(&seen, builder(&emulator).credentials_callback(callback));
    seen.error(&client.token().unwrap_err());
    seen.assert_lacks(&SECRETS.map(str::to_owned));
}

#[test]
fn no_transport_error_shows_a_secret() {
    let seen = Seen::default();
    let (emulator, other) = (emulator(), emulator());
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let secret = SECRETS[1];
    let quick = || {
        with_secret(&emulator, secret)
            .max_attempts(1)
            .total_timeout(Duration::from_secs(5))
    };
    let org = emulator.default_org();
    let proxy = format!("http://{PROXY_USER}:{PROXY_PASSWORD}@{closed}");
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
    seen.assert_lacks(&[secret, PROXY_PASSWORD, PROXY_USER].map(str::to_owned));
}

const PROXY_USER: &str = "canaryusername";
const PROXY_PASSWORD: &str = "canarypassword";

#[test]
fn what_was_pasted_in_the_wrong_place_is_not_repeated() {
    let seen = Seen::default();
    let emulator = emulator();
    let key = "3MVG9.Xk4Ttq7Lw_2mKjulo8ijtHJcKLpHXjdNZH6BBGzt";
    let session = "00D000000000062!AQ8AQ7xKq.Vw3Lm_Tb5Rn9Yc";
    for secret in [SECRETS[1], SECRETS[2], key, session] {
        let lower = secret.to_lowercase();
        for pasted in [secret, &lower] {
            let elsewhere = || Client::builder("acme.my.salesforce.com", "id", "secret");
            let wrong = [
                Client::builder(pasted, "id", "secret"),
                Client::builder(format!("https://{pasted}"), "id", "secret"),
                Client::builder(format!("https://{pasted}/"), "id", "secret"),
                Client::builder(format!("{pasted}.example"), "id", "secret"),
                Client::builder(format!("{pasted}.salesforce.com"), "id", "secret"),
                Client::builder(
                    format!("https://u:{pasted}@acme.my.salesforce.com"),
                    "id",
                    "x",
                ),
                Client::builder(format!("https://evil.example/?t={pasted}"), "id", "x"),
                elsewhere().trusted_hosts([pasted]),
                elsewhere().token_url(pasted),
                elsewhere().token_url(format!("https://u:{pasted}@x.example/t")),
                elsewhere().resolve(format!("{pasted} "), emulator.https_addr()),
                elsewhere().proxy(Proxy::Url(pasted.to_owned())),
                elsewhere().proxy(Proxy::Url(format!("{pasted}://x"))),
                elsewhere().roots(Roots::Pem(pasted.as_bytes().to_vec())),
                Client::builder("acme.my.salesforce.com", format!("{pasted} x"), pasted),
                Client::builder(
                    "acme.my.salesforce.com",
                    "id",
                    format!("{pasted}\n{pasted}"),
                ),
            ];
            for builder in wrong {
                seen.add(&format!("{:?}", builder.clone().roots(Roots::Platform)));
                match builder.build() {
                    Ok(client) => seen.add(&format!("{client:?} {:?}", client.status())),
                    Err(error) => seen.error(&error),
                }
            }
        }
    }
    let secrets = [SECRETS[1], SECRETS[2], &key[6..], &session[16..]];
    seen.assert_lacks(&secrets.map(str::to_owned));
}
