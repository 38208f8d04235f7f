//! Requests and values that are meant to do harm.

use std::fmt::Write as _;

use super::*;

#[test]
fn half_open_connections_block_nobody() {
    let page = TestPage::start(accepting());
    let idle: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = TcpStream::connect(page.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
            stream
        })
        .collect();
    let path = page.open();
    assert_eq!(status(&page.post(&path, FORM.as_bytes())), 200);
    assert!(matches!(page.end(), PageEnd::Connected(_)));
    drop(idle);
}

#[test]
fn a_head_or_a_body_without_end_is_refused() {
    let count = Arc::new(AtomicU32::new(0));
    let page = TestPage::start(refusing(&count));
    let path = page.open();
    let host = page.address;
    let bomb = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n",
        "a".repeat(64 * 1024)
    );
    assert_eq!(status(&page.send(bomb.as_bytes())), 431);
    let many = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\n{}\r\n",
        "X: y\r\n".repeat(200)
    );
    assert_eq!(status(&page.send(many.as_bytes())), 431);
    let mut chunked = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    for _ in 0..5 {
        write!(chunked, "1000\r\n{}\r\n", "a".repeat(4096)).unwrap();
    }
    assert_eq!(status(&page.send(chunked.as_bytes())), 413);
    assert_eq!(status(&page.post(&path, &vec![b'a'; 16 * 1024 + 1])), 413);
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_form_that_is_not_the_pages_is_refused() {
    let count = Arc::new(AtomicU32::new(0));
    let page = TestPage::start(refusing(&count));
    let path = page.open();
    for form in [
        &b"a=b"[..],
        b"login_url=a&login_url=b&client_id=c&client_secret=d",
        b"login_url=a&client_id=c&client_secret=d&folder=/etc",
    ] {
        assert_eq!(status(&page.post(&path, form)), 400, "{form:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // Bytes that are no UTF-8 are entries like others, and harmless.
    page.post(
        &path,
        b"login_url=%ff%00%fe&client_id=%0d%0a&client_secret=%",
    );
    assert_eq!(status(&page.get(&path)), 200);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[test]
fn no_entry_and_no_text_of_a_server_becomes_markup() {
    const ATTACKS: [&str; 8] = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' autofocus onfocus=alert(1) x='",
        "</style><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "&lt;script&gt;",
        "<!-- --!><svg/onload=alert(1)>",
        "javascript:alert(1)",
    ];
    for attack in ATTACKS {
        let mut saved = completed();
        for field in [
            &mut saved.id,
            &mut saved.login_host,
            &mut saved.org_id,
            &mut saved.user_id,
        ] {
            *field = attack.to_owned();
        }
        saved.notes = vec![attack.to_owned()];
        let refused = RefusedAttempt {
            code: attack.into(),
            message: attack.into(),
            help: attack.into(),
            field: Some(InputField::LoginUrl),
            step: None,
            other_org: true,
        };
        let form = crate::connect::page::form(
            &crate::connect::page::FormPage {
                connection: attack,
                login_url: attack,
                client_id: attack,
                has_secret: true,
                replaces: Some(attack),
                refused: Some(&refused),
                attempts: 1,
            },
            "n",
        );
        for html in [
            form,
            crate::connect::page::connected(&saved, "n", 1),
            crate::connect::page::message(attack, attack, "n"),
        ] {
            assert_eq!(html.matches("<script").count(), 0, "{attack}");
            for (markup, count) in [
                ("<img", 0),
                ("<svg", 0),
                ("<!--", 0),
                ("</title>", 1),
                ("</style>", 1),
            ] {
                assert_eq!(html.matches(markup).count(), count, "{attack}: {markup}");
            }
            // A quote that is not escaped would end the value of an attribute.
            assert!(
                attack.find('"').is_none() || !html.contains(attack),
                "{attack}"
            );
            assert!(
                attack.find('\'').is_none() || !html.contains(attack),
                "{attack}"
            );
            assert!(
                attack.find('&').is_none() || html.contains("&amp;lt;script"),
                "{attack}"
            );
        }
    }
}
