use proptest::prelude::*;

use super::*;
use crate::redaction::Redactor;

fn none() -> TrustPolicy {
    TrustPolicy::default()
}

/// All that an error says.
fn text(error: &Error) -> String {
    format!("{error}\n{}", error.help().unwrap_or_default())
}

#[test]
fn pasted_forms_become_the_login_host() {
    let table = [
        ("acme.my.salesforce.com", "acme.my.salesforce.com"),
        ("  ACME.My.Salesforce.com \n", "acme.my.salesforce.com"),
        ("https://acme.my.salesforce.com/", "acme.my.salesforce.com"),
        ("http://acme.my.salesforce.com", "acme.my.salesforce.com"),
        ("//acme.my.salesforce.com/x", "acme.my.salesforce.com"),
        ("acme.my.salesforce.com.", "acme.my.salesforce.com"),
        ("acme.my.salesforce.com:443", "acme.my.salesforce.com"),
        (
            "https://acme.my.salesforce.com/lightning/page?x=1#y",
            "acme.my.salesforce.com",
        ),
        (
            "acme--uat.sandbox.my.salesforce.com",
            "acme--uat.sandbox.my.salesforce.com",
        ),
        ("acme--uat.my.salesforce.com", "acme--uat.my.salesforce.com"),
        (
            "acme--uat.cs42.my.salesforce.com",
            "acme--uat.cs42.my.salesforce.com",
        ),
        (
            "acme-dev-ed.develop.my.salesforce.com",
            "acme-dev-ed.develop.my.salesforce.com",
        ),
        ("x.scratch.my.salesforce.com", "x.scratch.my.salesforce.com"),
        (
            "x.trailblaze.my.salesforce.com",
            "x.trailblaze.my.salesforce.com",
        ),
        ("x.demo.my.salesforce.com", "x.demo.my.salesforce.com"),
        ("x.patch.my.salesforce.com", "x.patch.my.salesforce.com"),
        ("x.free.my.salesforce.com", "x.free.my.salesforce.com"),
        ("acme.my.salesforce.mil", "acme.my.salesforce.mil"),
        ("acme.my.sfcrmproducts.cn", "acme.my.sfcrmproducts.cn"),
        ("acme.cloudforce.com", "acme.cloudforce.com"),
        ("acme.database.com", "acme.database.com"),
        (
            "https://acme.lightning.force.com/lightning/setup/SetupOneHome/home",
            "acme.my.salesforce.com",
        ),
        (
            "acme--uat.sandbox.lightning.force.com",
            "acme--uat.sandbox.my.salesforce.com",
        ),
        ("acme.my.salesforce-setup.com", "acme.my.salesforce.com"),
        ("acme--c.vf.force.com", "acme.my.salesforce.com"),
        (
            "acme--uat--c.sandbox.vf.force.com",
            "acme--uat.sandbox.my.salesforce.com",
        ),
        ("acme.lightning.crmforce.mil", "acme.my.salesforce.mil"),
        ("acme.lightning.sfcrmapps.cn", "acme.my.sfcrmproducts.cn"),
        ("acme.my.salesforce.com.mcas.ms", "acme.my.salesforce.com"),
        ("acme.lightning.force.com.mcas.ms", "acme.my.salesforce.com"),
        ("acme.my", "acme.my.salesforce.com"),
        (
            "acme--uat.sandbox.my",
            "acme--uat.sandbox.my.salesforce.com",
        ),
    ];
    for (pasted, host) in table {
        assert_eq!(
            login_host(pasted, &none()).as_deref().unwrap(),
            host,
            "{pasted}"
        );
    }
}

#[test]
fn refused_forms_say_what_to_do() {
    let table = [
        ("login.salesforce.com", "My Domain"),
        ("https://test.salesforce.com/", "My Domain"),
        ("welcome.salesforce.com", "My Domain"),
        ("acme", "acme.my.salesforce.com"),
        ("acme.my.site.com", "acme.my.salesforce.com"),
        ("acme.salesforce-sites.com", "acme.my.salesforce.com"),
        ("acme--c.file.force.com", "acme.my.salesforce.com"),
        ("na44.salesforce.com", "instance host"),
        ("acme.salesforce.com", "acme.my.salesforce.com"),
        ("my.salesforce.com", "missing"),
        ("", "empty"),
        ("https://", "names no host"),
        ("evil.com/acme.my.salesforce.com", "evil.com"),
        ("acme.my.salesforce.com.evil.com", "trusted_hosts"),
        ("xmy.salesforce.com", "xmy.my.salesforce.com"),
        ("my.salesforce.com.", "missing"),
        ("user:pw@acme.my.salesforce.com", "user name"),
        ("acme.my.salesforce.com@evil.com", "user name"),
        ("acme.my.salesforce.com:8443", "port"),
        ("evil.com\\.my.salesforce.com", "backslash"),
        ("evil.com%2f.my.salesforce.com", "'%'"),
        ("127.0.0.1", "IP address"),
        ("2130706433", "IP address"),
        ("0x7f.1", "IP address"),
        ("[::1]", "IP address"),
        ("ftp://acme.my.salesforce.com", "scheme"),
        ("acme..my.salesforce.com", "two dots"),
        (".my.salesforce.com", "starts with one"),
        ("ac me.my.salesforce.com", "' '"),
        ("аcme.my.salesforce.com", "U+0430"),
        ("acme。my.salesforce.com", "U+3002"),
        ("xn--cme-6cd.my.salesforce.com", "xn--"),
        ("acme.force.com", "trusted_hosts"),
        ("--c.vf.force.com", "host name"),
    ];
    for (pasted, hint) in table {
        let error = login_host(pasted, &none()).expect_err(pasted);
        assert!(text(&error).contains(hint), "{pasted}: {error}");
        assert!(matches!(
            error.code(),
            ErrorCode::InvalidLoginUrl | ErrorCode::UntrustedHost
        ));
        assert!(error.help().is_some(), "{pasted}");
    }
}

#[test]
fn user_info_query_and_pasted_secrets_are_not_shown() {
    let secret = "0123456789ABCDEFHUNTER22".repeat(3);
    for pasted in [
        secret.as_str(),
        &format!("https://{secret}/"),
        "00D5g0000012abc!AQEAQhunter22",
    ] {
        let error = text(&login_host(pasted, &none()).unwrap_err()).to_lowercase();
        assert!(!error.contains("hunter22"), "{error}");
    }
    for pasted in [
        "https://me:hunter22@acme.my.salesforce.com",
        "http://x.evil/?secret=hunter22",
    ] {
        let error = login_host(pasted, &none()).unwrap_err();
        assert!(!text(&error).contains("hunter22"), "{error}");
    }
}

#[test]
fn trusted_hosts_are_explicit_and_on_a_dot_boundary() {
    let trust = TrustPolicy::new(
        [".corp.example".to_owned(), "sso.acme.example".to_owned()],
        false,
    )
    .unwrap();
    for good in ["a.corp.example", "https://sso.acme.example/x"] {
        assert!(login_host(good, &trust).is_ok(), "{good}");
    }
    for bad in [
        "corp.example",
        "xcorp.example",
        "a.sso.acme.example",
        "acme.example",
    ] {
        assert_eq!(
            login_host(bad, &trust).unwrap_err().code(),
            "untrusted_host",
            "{bad}"
        );
    }
    for wrong in ["https://x.example", "", "*", "a b.example", ".", "com"] {
        let error = TrustPolicy::new([wrong.to_owned()], false).unwrap_err();
        assert!(error.message().contains("trusted_hosts"), "{wrong}");
    }
}

#[test]
fn http_only_to_loopback_and_only_when_asked() {
    let asked = TrustPolicy::new([], true).unwrap();
    let endpoint = LoginEndpoint::from_login_url("http://127.0.0.1:8080/", &asked).unwrap();
    assert_eq!(
        endpoint.token_url(),
        "http://127.0.0.1:8080/services/oauth2/token"
    );
    assert_eq!(endpoint.host(), "127.0.0.1:8080");
    let unasked = LoginEndpoint::from_login_url("http://127.0.0.1:8080/", &none()).unwrap_err();
    assert!(text(&unasked).contains("allow_http_loopback"));
    let named = TrustPolicy::new(["localhost".to_owned()], false).unwrap();
    assert!(LoginEndpoint::from_login_url("https://localhost", &named).is_ok());
    assert!(LoginEndpoint::from_login_url("http://10.0.0.1:8080/", &asked).is_err());
    assert!(LoginEndpoint::from_token_url("http://10.0.0.1/token", &mut asked.clone()).is_err());
    assert!(LoginEndpoint::from_token_url("http://127.0.0.1/token", &mut none()).is_err());
}

#[test]
fn token_url_is_checked_and_its_host_becomes_trusted() {
    let mut trust = none();
    LoginEndpoint::from_token_url("https://gw.example:8443/oauth/token", &mut trust).unwrap();
    assert!(trust.allows_credentials("gw.example"));
    for wrong in [
        "gw.example",
        "https://gw.example",
        "https://u:p@gw.example/t",
        "ftp://gw.example/t",
        "https://gw.example/t#x",
    ] {
        let error = LoginEndpoint::from_token_url(wrong, &mut none()).unwrap_err();
        assert!(error.message().contains("token_url"), "{wrong}");
        assert!(!text(&error).contains("u:p"));
    }
}

#[test]
fn instance_urls_pass_the_trust_policy() {
    for good in [
        "https://acme.my.salesforce.com",
        "https://acme.my.salesforce.com/",
        "https://acme.my.salesforce.com:443",
        "https://na44.salesforce.com",
        "https://api.salesforce.com",
        "https://test.api.salesforce.com",
    ] {
        let url = check_instance_url("instance_url", good, &none(), &Redactor::new).unwrap();
        assert!(!url.ends_with('/'), "{good}");
    }
    for bad in [
        "https://evil.com",
        "http://acme.my.salesforce.com",
        "https://acme.my.salesforce.com:8443",
        "https://acme.my.salesforce.com@evil.com",
        "https://acme.my.salesforce.com.evil.com",
        "https://acme.force.com",
        "https://salesforce.com",
        "https://127.0.0.1",
        "https://acme.my.salesforce.com/path",
        "https://acme%24.my.salesforce.com",
        "https://acme..my.salesforce.com",
        "https://acme.my.salesforce.com..",
        "javascript:alert(1)",
        "",
    ] {
        let error =
            check_instance_url("instance_url", bad, &none(), &Redactor::new).expect_err(bad);
        assert_eq!(error.code(), "untrusted_instance_url");
    }
}

proptest! {
    /// Whatever is pasted: a trusted host or an error with a suggestion; and the host is a fixed point.
    #[test]
    fn any_text_is_a_trusted_host_or_a_helpful_error(text in any_paste()) {
        match login_host(&text, &none()) {
            Ok(host) => {
                prop_assert!(none().allows_credentials(&host));
                prop_assert_eq!(login_host(&host, &none()).unwrap(), host.clone());
                let url = Url::parse(&format!("https://{host}/")).unwrap();
                prop_assert_eq!(url.host_str(), Some(host.as_str()));
            }
            Err(error) => prop_assert!(error.help().is_some_and(|help| !help.is_empty())),
        }
    }
}

fn any_paste() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("acme".to_owned()),
        Just("my".to_owned()),
        Just("salesforce".to_owned()),
        Just("com".to_owned()),
        Just("lightning.force.com".to_owned()),
        Just(".my.salesforce.com".to_owned()),
        Just("evil.com".to_owned()),
        Just("vf.force.com".to_owned()),
        Just("mcas.ms".to_owned()),
        "[a-z0-9-]{0,6}",
        "\\PC{0,4}",
        "[./:@?#%\\\\ -]{1,2}",
    ];
    prop_oneof![
        any::<String>(),
        proptest::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat()),
    ]
}

#[test]
fn a_token_goes_to_its_instances_and_to_trusted_hosts_only() {
    let trust = TrustPolicy::new([".example.com".to_owned()], false).unwrap();
    let instances = [
        "https://acme.my.salesforce.com",
        "https://api.salesforce.com",
    ];
    let table = [
        ("https://acme.my.salesforce.com/services/data", true),
        ("https://ACME.my.salesforce.com:443/", true),
        ("https://api.salesforce.com/x", true),
        ("https://gateway.example.com:8443/x", true),
        ("https://other.my.salesforce.com/", false),
        ("https://acme.my.salesforce.com:8443/", false),
        ("https://acme.my.salesforce.com.evil.test/", false),
        ("https://acme.my.salesforce.com@evil.test/", false),
        ("https://user:word@acme.my.salesforce.com/", false),
        ("http://acme.my.salesforce.com/", false),
        ("http://gateway.example.com/", false),
        ("ftp://acme.my.salesforce.com/", false),
        ("/services/data", false),
        ("", false),
        // What others read differently.
        ("https://acme.my.salesforce.com\\@evil.test/", false),
        ("https://acme.my.salesforce.com\\.evil.test/", false),
        ("https:////acme.my.salesforce.com/", false),
        ("https:acme.my.salesforce.com/", false),
        ("https://@acme.my.salesforce.com/", false),
        ("https://acme.my.\tsalesforce.com/", false),
        (" https://acme.my.salesforce.com/", false),
        ("https://gateway.example.com\\.evil.test/", false),
    ];
    for (url, expected) in table {
        assert_eq!(trust.is_allowed_for(url, &instances), expected, "{url}");
    }
}

#[test]
fn a_token_goes_to_plain_loopback_only_when_that_is_allowed() {
    let instance = ["http://127.0.0.1:8080"];
    for allowed in [false, true] {
        let trust = TrustPolicy::new([], allowed).unwrap();
        assert_eq!(
            trust.is_allowed_for("http://127.0.0.1:8080/x", &instance),
            allowed
        );
        assert!(!trust.is_allowed_for("http://127.0.0.1:8081/x", &instance));
    }
}
