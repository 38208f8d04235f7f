use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::credentials::ClientCredentials;
use crate::host::TrustPolicy;

fn credentials() -> ClientCredentials {
    ClientCredentials::new("3MVG9id", "hunter22").unwrap()
}

fn response_of(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response {
        status,
        content_type: Some("application/json".to_owned()),
        body: zeroize::Zeroizing::new(body.into()),
        ..Response::default()
    }
}

/// At the first contact.
fn read(response: &Response) -> Result<Grant, RequestFailure> {
    read_from(response, false)
}

fn read_from(response: &Response, known_endpoint: bool) -> Result<Grant, RequestFailure> {
    let credentials = credentials();
    decode(
        response,
        &ResponseContext {
            host: "acme.my.salesforce.com",
            credentials: &credentials,
            trust: &TrustPolicy::default(),
            now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            known_endpoint,
        },
    )
}

fn good() -> Value {
    json!({
        "access_token": "00D000000000001!AQ.a_b",
        "instance_url": "https://acme.my.salesforce.com",
        "id": "https://login.salesforce.com/id/00D000000000001EAA/005000000000001AAA",
        "token_type": "Bearer", "issued_at": "1700000000123", "scope": "api id",
        "token_format": "opaque", "signature": "x", "brand_new": {"a": 1},
    })
}

fn with(field: &str, value: Value) -> Response {
    let mut fields = good();
    fields[field] = value;
    response_of(200, fields.to_string())
}

fn error(response: &Response) -> Error {
    read(response).unwrap_err().error
}

#[test]
fn every_field_is_read_and_unknown_ones_are_kept() {
    let grant = read(&response_of(200, good().to_string())).unwrap();
    assert_eq!(grant.access_token.expose(), "00D000000000001!AQ.a_b");
    assert_eq!(grant.instance_url, "https://acme.my.salesforce.com");
    assert_eq!(grant.scope, "api id");
    assert_eq!(
        grant.issued_at,
        Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123))
    );
    assert_eq!(grant.token_format, TokenFormat::Opaque);
    assert_eq!(grant.expires_in, None);
    assert_eq!(grant.signature_matches, Some(false));
    assert_eq!(grant.extra["brand_new"]["a"], 1);
    assert_eq!(grant.extra.len(), 1);
}

#[test]
fn only_token_and_instance_are_required() {
    let body = json!({"access_token": "x", "instance_url": "https://acme.my.salesforce.com"});
    let grant = read(&response_of(200, body.to_string())).unwrap();
    assert_eq!(grant.signature_matches, None);
    assert!(grant.scope.is_empty() && grant.identity_url.is_none());
    for field in ["access_token", "instance_url"] {
        let error = error(&with(field, Value::Null));
        assert_eq!(error.code(), "unexpected_response");
        assert!(error.message().contains(field), "{error}");
    }
}

#[test]
fn wrong_types_are_refused_with_the_field_named() {
    for field in [
        "access_token",
        "instance_url",
        "id",
        "scope",
        "token_type",
        "token_format",
        "issued_at",
        "signature",
        "api_instance_url",
        "expires_in",
    ] {
        for value in [json!(["x"]), json!({"a": 1}), json!(true)] {
            let error = error(&with(field, value));
            assert_eq!(error.code(), "unexpected_response");
            assert!(error.message().contains(&format!("`{field}`")), "{error}");
        }
    }
    for text in ["", "a b", "a\r\nX: y", "ü"] {
        assert_eq!(
            error(&with("access_token", json!(text))).code(),
            "unexpected_response"
        );
    }
    assert!(
        error(&with("token_type", json!("MAC")))
            .message()
            .contains("Bearer")
    );
}

#[test]
fn expires_in_is_a_whole_number_of_seconds() {
    assert_eq!(
        read(&with("expires_in", json!(7200))).unwrap().expires_in,
        Some(7200)
    );
    assert_eq!(
        read(&with("expires_in", json!("7200"))).unwrap().expires_in,
        Some(7200)
    );
    assert_eq!(
        read(&with("expires_in", json!(0))).unwrap().expires_in,
        Some(0)
    );
    for wrong in [json!(-1), json!(1.5), json!("soon"), json!("NaN")] {
        assert!(
            error(&with("expires_in", wrong))
                .message()
                .contains("expires_in")
        );
    }
}

#[test]
fn the_signature_is_verified_with_the_client_secret() {
    let mut fields = good();
    let message = format!(
        "{}{}",
        fields["id"].as_str().unwrap(),
        fields["issued_at"].as_str().unwrap()
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"hunter22");
    fields["signature"] = json!(STANDARD.encode(hmac::sign(&key, message.as_bytes())));
    let grant = read(&response_of(200, fields.to_string())).unwrap();
    assert_eq!(grant.signature_matches, Some(true));
}

#[test]
fn jwt_times_are_read() {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let jwt =
        |payload: Value| format!("{}.{}.c2ln", part(&json!({"alg": "RS256"})), part(&payload));
    let grant = read(&with(
        "access_token",
        json!(jwt(json!({"iat": 100, "exp": 1900.7}))),
    ))
    .unwrap();
    assert_eq!(
        grant.jwt,
        Some(JwtTimes {
            issued: Some(100),
            ends: 1900
        })
    );
    // `token_format` said opaque, and is believed; the end is used all the same.
    assert_eq!(grant.token_format, TokenFormat::Opaque);
    for other in ["a.b.c", "a.b", "00D!x.y.z", "..", "e30.e30.x"] {
        assert_eq!(jwt_times(other), None, "{other}");
    }
}

#[test]
fn refusals_are_classified() {
    let body = json!({"error": "invalid_grant", "error_description": "no client credentials user enabled"});
    let failure = read(&response_of(400, body.to_string())).unwrap_err();
    assert_eq!(failure.error.code(), "no_run_as_user");
    assert!(!failure.transient);
    // Some gateways turn refusals into 200.
    assert_eq!(
        error(&response_of(200, body.to_string())).code(),
        "no_run_as_user"
    );
}

#[test]
fn transient_statuses_are_transient() {
    for status in [406, 408, 420, 425, 429, 500, 502, 503, 504, 599] {
        let failure = read(&response_of(status, "<html>hunter22</html>")).unwrap_err();
        assert!(failure.transient, "{status}");
        assert_eq!(failure.error.http_status(), Some(status));
        assert!(!format!("{:?}", failure.error).contains("hunter22"));
    }
}

#[test]
fn retry_after_in_seconds_or_as_a_date() {
    let wait = |text: &str| {
        let mut response = response_of(503, "");
        response.retry_after = Some(text.to_owned());
        error(&response).retry_after()
    };
    assert_eq!(wait("7"), Some(Duration::from_secs(7)));
    assert_eq!(
        wait("Tue, 14 Nov 2023 22:14:20 GMT"),
        Some(Duration::from_secs(60))
    );
    assert_eq!(wait("Tue, 14 Nov 2000 22:14:20 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("soon"), None);
}

#[test]
fn redirects_name_the_target_host_only() {
    let mut response = response_of(302, "");
    response.location = Some("https://evil.example/path?secret=hunter22".to_owned());
    let error = error(&response);
    assert_eq!(error.code(), "redirected");
    assert!(error.message().contains("evil.example"));
    assert!(!format!("{error:?}").contains("hunter22"));
}

#[test]
fn a_relative_redirect_names_the_host_itself() {
    for (location, expected) in [
        ("/login", "`acme.my.salesforce.com`"),
        ("login?x=1", "`acme.my.salesforce.com`"),
        ("//other.example/x", "`other.example`"),
        ("https://other.example:444/x", "`other.example`"),
        ("javascript:x", "no host (`javascript:`)"),
        ("https://[", "not a URL"),
    ] {
        let mut response = response_of(301, "");
        response.location = Some(location.to_owned());
        let error = error(&response);
        assert_eq!(error.code(), "redirected");
        assert!(error.message().contains(expected), "{error}");
    }
    assert!(
        error(&response_of(301, ""))
            .message()
            .contains("no address")
    );
}

#[test]
fn temporary_redirects_of_a_known_endpoint_pass() {
    let mut response = response_of(302, "");
    response.location = Some("https://maintenance.example/sorry".to_owned());
    let failure = read_from(&response, true).unwrap_err();
    assert!(failure.transient && failure.error.is_retryable());
    assert!(failure.error.message().contains("maintenance.example"));
    response.status = 301;
    assert!(!read_from(&response, true).unwrap_err().transient);
}

#[test]
fn what_no_token_endpoint_sends_is_temporary_once_the_endpoint_is_known() {
    let cut = good().to_string();
    let html = "<html>hunter22</html>";
    let table: [(u16, &[u8], &str); 12] = [
        (200, html.as_bytes(), "an HTML page"),
        (403, html.as_bytes(), "an HTML page"),
        (404, html.as_bytes(), "an HTML page"),
        (400, b"", "an empty body"),
        (200, &cut.as_bytes()[..40], "JSON that is cut short"),
        (200, b"\x1f\x8b\x08\0\0", "gzip"),
        (200, b"\xff\xfe{\0}\0", "UTF-16"),
        (200, b"\0{\0}", "UTF-16"),
        (200, b"[]", "other JSON"),
        (401, b"{\"hunter22\":1}", "other JSON"),
        (200, b"hunter22", "not JSON"),
        (200, b"{}", "`access_token` is missing"),
    ];
    for (status, body, words) in table {
        let first = read(&response_of(status, body)).unwrap_err();
        assert!(!first.transient && !first.error.is_retryable(), "{status}");
        assert_eq!(first.error.code(), "unexpected_response");
        let later = read_from(&response_of(status, body), true).unwrap_err();
        assert!(later.transient && later.error.is_retryable(), "{status}");
        assert_eq!(later.error.code(), "server_unavailable");
        for error in [first.error, later.error] {
            assert!(error.message().contains(words), "{error}");
            assert_eq!(error.http_status(), Some(status));
            assert!(!format!("{error:?}").contains("hunter22"));
        }
    }
    let mut huge = response_of(200, "x");
    huge.cut_at_limit = true;
    assert!(read_from(&huge, true).unwrap_err().transient);
    // Nobody but an administrator or a user changes these.
    let foreign = with("instance_url", json!("https://evil.example"));
    assert!(!read_from(&foreign, true).unwrap_err().transient);
}

#[test]
fn a_byte_order_mark_is_let_pass() {
    let body = format!("\u{feff}{}", good());
    assert_eq!(
        read(&response_of(200, body)).unwrap().access_token.expose(),
        "00D000000000001!AQ.a_b"
    );
    let refusal = "\u{feff}{\"error\":\"invalid_client\"}";
    assert_eq!(
        error(&response_of(400, refusal)).code(),
        "invalid_client_secret"
    );
}

#[test]
fn issued_at_is_a_text_or_a_number() {
    let expected = Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123));
    for value in [
        json!("1700000000123"),
        json!(1_700_000_000_123_u64),
        json!(1_700_000_000_123.0),
    ] {
        assert_eq!(read(&with("issued_at", value)).unwrap().issued_at, expected);
    }
    for value in [json!("soon"), json!(-1), json!(1e300)] {
        let error = error(&with("issued_at", value));
        assert!(error.message().contains("`issued_at`"), "{error}");
    }
}

#[test]
fn refusals_that_ask_for_another_attempt_are_temporary() {
    for (error, description) in [
        ("unknown_error", "retry your request"),
        ("server_error", ""),
        ("temporarily_unavailable", "x"),
    ] {
        let body = json!({"error": error, "error_description": description});
        for known in [false, true] {
            let mut response = response_of(400, body.to_string());
            response.retry_after = Some("3".to_owned());
            let failure = read_from(&response, known).unwrap_err();
            assert!(failure.transient && failure.error.is_retryable());
            assert_eq!(failure.error.oauth_error(), Some(error));
            let wait = failure.error.retry_after();
            assert_eq!(wait, Some(Duration::from_secs(3)));
        }
    }
}

#[test]
fn the_form_for_other_processes_holds_no_secret() {
    let basic = STANDARD.encode("3MVG9id:hunter22");
    let echo = format!(
        "authorization: Basic {basic} client_secret=hunter22 {}",
        "x".repeat(290)
    );
    let body = json!({"error": echo, "error_description": echo});
    let error = error(&response_of(400, body.to_string()));
    let portable = serde_json::to_string(&error.portable()).unwrap();
    for secret in ["hunter22", &basic, &basic[12..]] {
        assert!(!portable.contains(secret), "{portable}");
    }
}

#[test]
fn an_instance_that_repeats_a_secret_is_refused() {
    let secret = "a1B2c3D4e5F6g7H8";
    let credentials = ClientCredentials::new("3MVG9id", secret).unwrap();
    let url = format!("https://{secret}.my.salesforce.com");
    let context = ResponseContext {
        host: "acme.my.salesforce.com",
        credentials: &credentials,
        trust: &TrustPolicy::default(),
        now: UNIX_EPOCH,
        known_endpoint: false,
    };
    let error = decode(&with("instance_url", json!(url)), &context).unwrap_err();
    let shown = format!("{:?}", error.error).to_lowercase();
    assert!(!shown.contains("a1b2c3d4"), "{shown}");
}

#[test]
fn anything_else_is_described_but_not_quoted() {
    for (status, body) in [
        (200, "<html>hunter22"),
        (200, ""),
        (200, "[]"),
        (404, "hunter22"),
        (400, "{}"),
        (401, "null"),
    ] {
        let error = error(&response_of(status, body));
        assert_eq!(error.code(), "unexpected_response", "{status} {body}");
        assert!(!format!("{error:?}").contains("hunter22"));
    }
    let mut huge = response_of(200, "x");
    huge.cut_at_limit = true;
    assert_eq!(error(&huge).code(), "response_too_large");
}

#[test]
fn foreign_instances_are_refused() {
    for field in ["instance_url", "api_instance_url"] {
        let error = error(&with(field, json!("https://evil.example")));
        assert_eq!(error.code(), "untrusted_instance_url");
        assert!(error.message().contains(field));
    }
}

proptest! {
    #[test]
    fn no_body_can_make_it_panic(
        status in 100u16..600, known in any::<bool>(), body in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let failure = read_from(&response_of(status, body), known).unwrap_err();
        // What is tried again may be tried again by the caller too.
        prop_assert!(!failure.transient || failure.error.is_retryable());
    }
}
