use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<ProxyServer, Error> {
    ProxyServer::parse(text, ProxySource::Variable("HTTPS_PROXY"))
}

fn decision(variables: &[(&str, &str)], url: &str) -> String {
    let environment = Environment::of(variables.iter().copied());
    let rules = ProxyRules::new(&Proxy::Environment, &environment).unwrap();
    let url = Url::parse(url).unwrap();
    rules.decide(&url).to_string()
}

#[test]
fn addresses_as_people_write_them() {
    for (text, url) in [
        ("http://proxy.example:3128", "http://proxy.example:3128/"),
        ("http://proxy.example:3128/", "http://proxy.example:3128/"),
        (
            " \"http://proxy.example:3128\"\n",
            "http://proxy.example:3128/",
        ),
        (
            "\u{feff}http://proxy.example:3128\u{200b}",
            "http://proxy.example:3128/",
        ),
        ("proxy.example:3128", "http://proxy.example:3128/"),
        ("//proxy.example:3128", "http://proxy.example:3128/"),
        ("proxy.example", "http://proxy.example/"),
        ("proxy:80", "http://proxy/"),
        ("http://proxy", "http://proxy/"),
        ("localhost", "http://localhost/"),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128/"),
        ("https://proxy.example", "https://proxy.example/"),
        ("https://proxy.example:80", "https://proxy.example:80/"),
        ("[::1]:3128", "http://[::1]:3128/"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080/"),
        (
            "http://me:p@ss@proxy.example:1",
            "http://me:p%40ss@proxy.example:1/",
        ),
        (
            "http://me:p%40ss@proxy.example:1",
            "http://me:p%40ss@proxy.example:1/",
        ),
        (
            "http://me:100%@proxy.example:1",
            "http://me:100%25@proxy.example:1/",
        ),
        (
            "http://me:a/b?c#d:e@proxy.example:1",
            "http://me:a%2Fb%3Fc%23d%3Ae@proxy.example:1/",
        ),
        (
            r"CORP\user:pw@proxy.example:8080",
            "http://CORP%5Cuser:pw@proxy.example:8080/",
        ),
        (
            r"http://CORP\user:pw@proxy.example:8080",
            "http://CORP%5Cuser:pw@proxy.example:8080/",
        ),
        ("http://me@proxy.example:1", "http://me@proxy.example:1/"),
        (
            "me:x://y@proxy.example:1",
            "http://me:x%3A%2F%2Fy@proxy.example:1/",
        ),
        ("socks5://proxy.example", "socks5://proxy.example:1080"),
        (
            "socks5h://me:pw@proxy.example:9050",
            "socks5h://me:pw@proxy.example:9050",
        ),
        ("socks4a://proxy.example:80", "socks4a://proxy.example:80"),
        ("socks://proxy.example:1080/", "socks4://proxy.example:1080"),
    ] {
        let server = parsed(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(server.url.as_str(), url, "{text}");
        let option = ProxyServer::parse(text, ProxySource::Option).unwrap();
        assert_eq!(
            option.url, server.url,
            "the option and the variable are read alike"
        );
    }
}

#[test]
fn what_can_not_be_used_is_refused_by_name() {
    for text in [
        "htp://hunter22.example:1",
        "ftp://hunter22.example:1",
        "foo:bar:baz",
        "http://",
        "http:///hunter22",
        "http://:3128",
        "http://me:hunter22@",
        "http://me:hunter22@:3128",
        "http://hunter22:port",
        "http://proxy.example:99999",
        "http://proxy.example:0",
        "http://hunter22 x:1",
        "http://hunter22\\x:1",
        "http://pro\u{200b}xy.example:1",
        "http://hunter22.example/proxy.pac",
        "http://me:hunter22@proxy.example:1/x",
        "socks4://me:hunter22@proxy.example:1",
        "http:proxy.example:1",
        "none",
        "true",
        "0",
        "hunter22",
        "1234567890123456789",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1",
        "",
    ] {
        let error = parsed(text).expect_err(text);
        assert_eq!(error.kind(), crate::ErrorKind::Configuration, "{text}");
        assert!(error.message().contains("`HTTPS_PROXY`"), "{error}");
        assert!(!format!("{error:?}").contains("hunter22"), "{error:?}");
        let error = ProxyServer::parse(text, ProxySource::Option).expect_err(text);
        assert!(error.message().contains("option `proxy`"), "{error}");
    }
}

#[test]
fn nothing_of_a_password_is_shown() {
    let rules = ProxyRules::new(
        &Proxy::Url("http://hunter21:hunter@22@proxy.example:1".to_owned()),
        &Environment::of([("", ""); 0]),
    )
    .unwrap();
    let url = Url::parse("https://acme.my.salesforce.com").unwrap();
    let shown = format!("{rules:?} {:?} {}", rules.decide(&url), rules.decide(&url));
    assert!(!shown.contains("hunter"), "{shown}");
    let redactor = rules.redactor();
    // Basic authentication is one of them.
    for form in [
        "hunter@22",
        "hunter%4022",
        "aHVudGVyMjE6aHVudGVyQDIy",
        "hunter21",
    ] {
        assert!(!redactor.clean(form, 99).contains(form), "{form}");
    }
}

#[test]
fn the_decision_says_why() {
    const URL: &str = "https://acme.my.salesforce.com/services/oauth2/token";
    let upper = ("HTTPS_PROXY", "http://me:pw@upper.example:3128");
    let lower = ("https_proxy", "http://lower.example:3128");
    let all = ("ALL_PROXY", "socks5h://all.example");
    let table: &[(&[(&str, &str)], &str)] = &[
        (&[], "direct (no proxy variable)"),
        (
            &[("HTTP_PROXY", "http://no.example:1")],
            "direct (no proxy variable)",
        ),
        (&[("HTTPS_PROXY", " ")], "direct (no proxy variable)"),
        (&[upper], "through upper.example:3128 (HTTPS_PROXY)"),
        (&[upper, lower], "through lower.example:3128 (https_proxy)"),
        (&[upper, all], "through upper.example:3128 (HTTPS_PROXY)"),
        (
            &[("https_proxy", ""), upper],
            "through upper.example:3128 (HTTPS_PROXY)",
        ),
        (&[all], "through socks5h://all.example:1080 (ALL_PROXY)"),
        (
            &[upper, ("NO_PROXY", "x,.salesforce.com")],
            "direct (NO_PROXY matches .salesforce.com)",
        ),
        (
            &[upper, ("NO_PROXY", "*"), ("no_proxy", "x")],
            "through upper.example:3128 (HTTPS_PROXY)",
        ),
        (&[upper, ("no_proxy", "*")], "direct (no_proxy matches *)"),
    ];
    for (variables, expected) in table {
        assert_eq!(decision(variables, URL), *expected, "{variables:?}");
    }
    // For plain http, which carries no token but to loopback, HTTPS_PROXY is not meant.
    assert_eq!(
        decision(&[upper], "http://x.example"),
        "direct (no proxy variable)"
    );
    assert!(decision(&[all], "http://x.example").starts_with("through "));
}

#[test]
fn this_machine_is_never_reached_through_a_proxy() {
    let option = Proxy::Url("http://proxy.example:1".to_owned());
    let environment = Environment::of([
        ("HTTPS_PROXY", "http://proxy.example:1"),
        ("ALL_PROXY", "http://proxy.example:1"),
        ("HTTP_PROXY", "http://proxy.example:1"),
    ]);
    for proxy in [option, Proxy::Environment] {
        let rules = ProxyRules::new(&proxy, &environment).unwrap();
        for url in [
            "http://127.0.0.1:8080/services/oauth2/token",
            "http://127.9.9.9/",
            "http://localhost:1/",
            "http://x.localhost/",
            "http://[::1]:1/",
            "http://[::ffff:127.0.0.1]/",
            "https://127.0.0.1:1/",
        ] {
            let decision = rules.decide(&Url::parse(url).unwrap()).to_string();
            assert_eq!(decision, "direct (it is this machine)", "{url}");
        }
        let away = Url::parse("https://acme.my.salesforce.com").unwrap();
        assert!(rules.decide(&away).server().is_some());
    }
}

#[test]
fn without_a_proxy_nothing_is_read() {
    let environment = Environment::of([("HTTPS_PROXY", "htp://x")]);
    let rules = ProxyRules::new(&Proxy::None, &environment).unwrap();
    let url = Url::parse("https://acme.my.salesforce.com").unwrap();
    assert_eq!(
        rules.decide(&url).to_string(),
        "direct (the option says so)"
    );
    assert!(ProxyRules::new(&Proxy::Environment, &environment).is_err());
}

proptest! {
    /// Whatever user and password are, the URL holds them, and the host is the one behind the last `@`.
    #[test]
    fn any_password_comes_through(user in "[^:\\p{C}\\p{Z}%\"']{1,12}", password in "[^\\p{C}\\p{Z}%\"']{0,12}") {
        let server = parsed(&format!("http://{user}:{password}@proxy.example:3128"));
        // What nobody can see is refused before.
        prop_assume!(server.is_ok());
        let url = server.unwrap().url;
        prop_assert_eq!(url.host_str(), Some("proxy.example"));
        prop_assert_eq!(decoded(url.username()), user.as_bytes());
        prop_assert_eq!(decoded(url.password().unwrap_or_default()), password.as_bytes());
        // Plain in the grammar of every URL parser between here and the proxy.
        prop_assert!(url.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b":/@.-_~%".contains(&b)));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Ok(server) = parsed(&text) {
            prop_assert!(server.url.host_str().is_some_and(|host| !host.is_empty()));
        }
    }
}
