//! What the wire can do: each failure has its own code, and the secret goes nowhere else.

mod common;

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use common::{builder, emulator, fault, release, wait_requests};
use forcegrant::{Client, ErrorKind, Event, Proxy, Roots, SetupStep};
use serde_json::json;

/// An address where nothing listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn refused_connections_are_tried_three_times() {
    let emulator = emulator();
    let org = emulator.default_org();
    let error = builder(&emulator)
        .resolve(org.my_domain.as_str(), closed())
        .build_blocking()
        .unwrap()
        .token()
        .unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.kind()),
        ("connect_failed", ErrorKind::Transport)
    );
    assert!(error.is_retryable());
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn names_that_do_not_resolve_point_to_the_hostname_step() {
    // `.invalid` never resolves (RFC 2606).
    let error = Client::builder("", "id", "secret")
        .token_url("https://forcegrant-test.invalid/token")
        .proxy(Proxy::None)
        .max_attempts(1)
        .build_blocking()
        .unwrap()
        .token()
        .unwrap_err();
    assert_eq!(error.code(), "dns_failed", "{error:?}");
    assert_eq!(error.setup_step(), Some(SetupStep::Hostname));
}

#[test]
fn unknown_certificate_authorities_are_not_tried_again() {
    let emulator = emulator();
    // The emulator hears of the failure later than the client: it can not be asked how often.
    let made = Arc::new(AtomicU32::new(0));
    let heard = Arc::clone(&made);
    let builder = builder(&emulator).roots(Roots::Platform);
    let builder = forcegrant::ffi::on_event(builder, move |event| {
        if let Event::LoginFailed { attempts, .. } = event {
            heard.store(*attempts, Ordering::SeqCst);
        }
    });
    let client = builder.build_blocking().unwrap();
    let error = client.token().unwrap_err();
    assert_eq!(error.code(), "tls_failed", "{error:?}");
    assert_eq!(made.load(Ordering::SeqCst), 1);
    assert_eq!(emulator.counters().token_requests, 0);
}

#[test]
fn a_silent_endpoint_ends_in_a_timeout() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = builder(&emulator)
        .attempt_timeout(Duration::from_millis(200))
        .max_attempts(1)
        .build_blocking()
        .unwrap();
    let error = client.token().unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.kind()),
        ("timeout", ErrorKind::Timeout)
    );
    release(&emulator);
}

#[test]
fn the_total_timeout_bounds_all_attempts() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = builder(&emulator)
        .total_timeout(Duration::from_millis(300))
        .max_attempts(10)
        .build_blocking()
        .unwrap();
    assert_eq!(client.token().unwrap_err().code(), "timeout");
    release(&emulator);
}

#[test]
fn redirects_are_not_followed_and_the_secret_is_sent_once() {
    let (emulator, other) = (emulator(), emulator());
    let target = format!("https://{}/services/oauth2/token", other.https_addr());
    fault(
        &emulator,
        json!({"kind": "redirect", "status": 307, "location": target}),
    );
    let error = builder(&emulator)
        .build_blocking()
        .unwrap()
        .token()
        .unwrap_err();
    assert_eq!(error.code(), "redirected");
    assert!(error.message().contains("127.0.0.1"), "{error}");
    assert_eq!(emulator.counters().token_requests, 1);
    assert_eq!(other.counters().connections, 0);
}

#[test]
fn the_proxy_carries_the_login() {
    let emulator = emulator();
    let org = emulator.default_org();
    let client = Client::builder(
        org.my_domain.as_str(),
        org.client_id.as_str(),
        org.client_secret.as_str(),
    )
    .proxy(Proxy::Url(format!("http://{}", emulator.proxy_addr())))
    .roots(Roots::Pem(emulator.ca_pem().as_bytes().to_vec()))
    .build_blocking()
    .unwrap();
    client.token().unwrap();
    assert_eq!(emulator.counters().connects, 1);
}

#[test]
fn verify_logs_in_and_calls_the_api() {
    let emulator = emulator();
    let client = builder(&emulator).build_blocking().unwrap();
    let first = client.token().unwrap();
    let verified = client.verify().unwrap();
    assert!(
        verified
            .api_usage
            .is_some_and(|(used, limit)| used <= limit && limit > 0)
    );
    assert_eq!(emulator.counters().token_requests, 2, "it logs in afresh");
    // A token reported as rejected that the API takes after all is served again.
    client.invalidate(&first);
    assert_eq!(client.token().unwrap_err().code(), "same_token_returned");
    client.verify().unwrap();
    assert_eq!(client.token().unwrap().fingerprint(), first.fingerprint());
    emulator
        .control(json!({"op": "configure", "app": {"scopes": ["id"]}}))
        .unwrap();
    client.reset();
    emulator.kill_sessions();
    let error = client.verify().unwrap_err();
    assert_eq!(error.code(), "api_access_refused");
    assert_eq!(error.http_status(), Some(401));
    assert!(
        client.cached().is_some(),
        "the session lives, so a new token would not help"
    );
}

#[test]
fn verify_ends_a_remembered_failure() {
    let emulator = emulator();
    fault(
        &emulator,
        json!({"kind": "refusal", "error": "invalid_client", "description": "invalid client credentials", "first": 1}),
    );
    let client = builder(&emulator).build_blocking().unwrap();
    assert!(client.token().is_err());
    client.verify().unwrap();
    client.token().unwrap();
}

#[test]
fn jwt_tokens_have_a_known_end() {
    let emulator = emulator();
    emulator
        .control(
            json!({"op": "configure", "app": {"token_format": "jwt", "jwt_lifetime_minutes": 30}}),
        )
        .unwrap();
    let token = builder(&emulator)
        .build_blocking()
        .unwrap()
        .token()
        .unwrap();
    assert_eq!(token.token_format(), forcegrant::TokenFormat::Jwt);
    assert!(token.expiry().is_known());
    let left = token
        .expiry()
        .at()
        .duration_since(SystemTime::now())
        .unwrap();
    assert!(left <= Duration::from_secs(1_800) && left > Duration::from_secs(1_700));
}

/// A login leaves no process-wide TLS provider behind: that is the host program's to choose.
#[test]
fn no_default_tls_provider_is_installed() {
    let emulator = emulator();
    builder(&emulator)
        .build_blocking()
        .unwrap()
        .token()
        .unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

/// In a process of its own, because it depends on the environment variables.
#[cfg(target_os = "linux")]
#[test]
fn without_a_certificate_store_building_works_and_the_login_says_why_not() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_without_a_certificate_store",
            "--nocapture",
        ])
        .env("FORCEGRANT_TEST_CHILD", "1")
        .env("SSL_CERT_FILE", "/nonexistent/ca.pem")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("child: tls_roots_unavailable"), "{output}");
}

#[test]
fn child_without_a_certificate_store() {
    if std::env::var_os("FORCEGRANT_TEST_CHILD").is_none() {
        return;
    }
    let emulator = emulator();
    let client = builder(&emulator)
        .roots(Roots::Platform)
        .build_blocking()
        .unwrap();
    let error = client.token().unwrap_err();
    println!("child: {}", error.code());
    let help = error.help().unwrap_or_default();
    assert!(format!("{error} {help}").contains("bundled"));
    // Other roots do without.
    builder(&emulator)
        .build_blocking()
        .unwrap()
        .token()
        .unwrap();
}

#[test]
fn futures_complete_without_any_runtime_of_the_caller() {
    let emulator = emulator();
    fault(&emulator, json!({"kind": "hold"}));
    let client = builder(&emulator).build().unwrap();
    let waiter = std::thread::spawn(move || {
        block_on(client.token()).map(|token| token.instance_url().to_owned())
    });
    wait_requests(&emulator, 1);
    release(&emulator);
    assert_eq!(
        waiter.join().unwrap().unwrap(),
        emulator.default_org().instance_url
    );
}

/// The smallest executor there is.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
