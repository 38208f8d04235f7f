use super::*;
use crate::Client;

fn builder() -> ClientBuilder {
    Client::builder("acme.my.salesforce.com", "id", "hunter22")
}

#[test]
fn every_wrong_option_is_named() {
    let (zero, second, day) = (
        Duration::ZERO,
        Duration::from_secs(1),
        Duration::from_secs(86_401),
    );
    let table = [
        ("connect_timeout", builder().connect_timeout(zero)),
        ("attempt_timeout", builder().attempt_timeout(zero)),
        ("total_timeout", builder().total_timeout(zero)),
        ("retry_backoff", builder().retry_backoff(day)),
        ("retry_after_cap", builder().retry_after_cap(day)),
        ("refresh_window", builder().refresh_window(day)),
        ("safety_margin", builder().safety_margin(day)),
        ("session_timeout", builder().session_timeout(day)),
        ("max_stale", builder().max_stale(day * 8)),
        ("refusal_backoff", builder().refusal_backoff(second, zero)),
        ("transient_backoff", builder().transient_backoff(zero, day)),
        ("max_attempts", builder().max_attempts(0)),
        ("max_attempts", builder().max_attempts(11)),
        (
            "resolve",
            builder().resolve("http://x", "127.0.0.1:1".parse().unwrap()),
        ),
        ("roots", builder().roots(Roots::Pem(b"x".to_vec()))),
        ("proxy", builder().proxy(Proxy::Url("x".to_owned()))),
        (
            "trusted_hosts",
            builder().trusted_hosts(["https://x.example"]),
        ),
        ("token_url", builder().token_url("x")),
        (
            "client_id",
            Client::builder("acme.my.salesforce.com", "", "x"),
        ),
        (
            "client_secret",
            Client::builder("acme.my.salesforce.com", "x", ""),
        ),
        ("login URL", Client::builder("acme", "x", "x")),
    ];
    for (name, builder) in table {
        let error = builder.build().expect_err(name);
        assert!(error.message().contains(name), "{name}: {error}");
        assert!(error.help().is_some(), "{name}");
        assert_eq!(error.kind(), crate::ErrorKind::Configuration);
    }
}

#[test]
fn nothing_is_shown() {
    let builder = builder().proxy(Proxy::Url("http://u:hunter22@127.0.0.1:1".to_owned()));
    assert!(!format!("{builder:?}").contains("hunter22"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("hunter22"));
}

#[test]
fn the_login_url_may_be_empty_beside_a_token_url() {
    let client = Client::builder("", "id", "secret")
        .token_url("https://gw.example/token")
        .build()
        .unwrap();
    assert_eq!(client.login_host(), "gw.example");
}
