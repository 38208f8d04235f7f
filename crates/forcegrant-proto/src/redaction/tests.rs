use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const SECRET: &str = "Kä/+=%&\"\\ <s3>~'x";

fn html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    let escaped = escaped.replace('>', "&gt;").replace('"', "&quot;");
    escaped.replace('ä', "&auml;").replace('\'', "&#39;")
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].replace('/', "\\/")
}

fn json_ascii(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    units.collect()
}

fn form(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

type Encode = fn(&str) -> String;

/// What a server does with what it was sent.
const ENCODINGS: [(&str, Encode); 9] = [
    ("raw", str::to_owned),
    ("percent", |text| percent_encode(text)),
    ("percent, lower case", |text| {
        percent_encode(text).to_lowercase()
    }),
    ("form", form),
    ("JSON", json),
    ("JSON in ASCII", json_ascii),
    ("HTML", html),
    ("upper case", str::to_uppercase),
    ("HTML by number", |text| {
        let codes = text.chars().map(|c| format!("&#x{:X};", c as u32));
        codes.collect()
    }),
];

fn assert_hidden(secret: &str, echoed: &str, what: &str) {
    let redactor = Redactor::new().hide_credentials("3MVG9id", secret);
    let clean = redactor.clean(&format!("for [{echoed}] it is"), 10_000);
    assert_eq!(clean, "for [[redacted]] it is", "{what}: {echoed}");
}

#[test]
fn every_encoding_and_every_two_of_them_are_known() {
    for secret in [SECRET, "hunter22", "A1B2C3D4".repeat(8).as_str()] {
        for (name, encode) in ENCODINGS {
            assert_hidden(secret, &encode(secret), name);
            for (outer, encode_again) in ENCODINGS {
                let twice = encode_again(&encode(secret));
                assert_hidden(secret, &twice, &format!("{outer} of {name}"));
            }
        }
    }
}

#[test]
fn base64_is_known_alone_and_within_a_longer_text() {
    let secret = "s3cr3t/+=%&ü";
    let percent = percent_encode(secret);
    let redactor = Redactor::new().hide_credentials("3MVG9id", secret);
    for text in [
        format!("3MVG9id:{secret}"),
        format!("3MVG9id:{percent}"),
        format!("grant_type=x&client_id=a&client_secret={percent}&a=b"),
        format!("xgrant_type=x&client_id=a&client_secret={percent}&a=b"),
        format!("xxgrant_type=x&client_id=a&client_secret={}", form(secret)),
        secret.to_owned(),
    ] {
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            for echoed in [&encoded, &percent_encode(&encoded), &json(&encoded)] {
                let clean = redactor.clean(echoed, 10_000);
                assert!(clean.contains(HIDDEN), "{clean}");
                let secret_part = STANDARD.encode(percent.as_bytes());
                assert!(!clean.contains(&secret_part[..12]), "{clean}");
                // What is left does not hold enough of it.
                let left = clean.split(HIDDEN).map(str::len).max();
                assert!(left < Some(echoed.len() * 3 / 4), "{clean}");
            }
        }
    }
}

#[test]
fn a_part_of_a_secret_is_taken_out_too() {
    let secret = "0123456789ABCDEF".repeat(4);
    let redactor = Redactor::new().hide(&secret);
    for part in [&secret[..20], &secret[30..44], &secret[50..]] {
        assert_eq!(redactor.clean(&format!("a {part}"), 99), "a [redacted]");
    }
    // Cut by the limit on what is read, wrapped, or with characters between that nobody sees.
    let long = format!("{}{secret}", " x".repeat(MAX_CHARS_READ / 2 - 20));
    assert!(!redactor.clean(&long, 99_999).contains("01234567"));
    let wrapped = format!("{}\r\n{}", &secret[..30], &secret[30..]);
    assert_eq!(redactor.clean(&wrapped, 99), "[redacted]  [redacted]");
    let joined = format!("{}\u{200b}{}", &secret[..4], &secret[4..]);
    assert_eq!(redactor.clean(&joined, 99), "[redacted]");
    // Before the text is cut.
    assert_eq!(redactor.clean(&format!("abc {secret}"), 8), "abc [red");
}

#[test]
fn the_password_of_a_proxy_is_known_decoded() {
    let url = Url::parse("http://CORP%5Cme:p%40ss%2Bw%C3%B6rd@proxy.example:3128").unwrap();
    let redactor = Redactor::new().hide_proxy(&url);
    let basic = STANDARD.encode("CORP\\me:p@ss+wörd");
    for text in [
        "p@ss+wörd",
        "p%40ss%2Bw%C3%B6rd",
        "CORP\\me",
        basic.trim_end_matches('='),
    ] {
        assert_eq!(redactor.clean(text, 99), HIDDEN, "{text}");
    }
}

#[test]
fn words_that_resemble_a_client_id_stay() {
    let redactor = Redactor::new().hide_credentials("my-salesforce-app", "hunter22");
    let text = "`acme.my.salesforce.com` has my-salesforce-app";
    let expected = "`acme.my.salesforce.com` has [redacted]";
    assert_eq!(redactor.clean(text, 99), expected);
    // Too short to be told from words.
    assert_eq!(Redactor::new().hide("a b").clean("a b c", 99), "a b c");
}

#[test]
fn nothing_changes_how_the_rest_is_displayed() {
    let text = "a\u{202e}b\u{2066}c\u{200f}d\u{feff}e\u{e0041}f\u{61c}g\u{2028}h\u{85}i\u{1b}[0mj";
    assert_eq!(printable(text, 99), "abcdefg h i [0mj");
    for c in ('\u{0}'..='\u{10ffff}').filter(|c| c.is_control()) {
        assert!(!printable(&format!("a{c}b"), 9).contains(c), "{c:?}");
    }
}

#[test]
fn what_looks_like_a_secret_is_taken_out() {
    let table = [
        ("1234567890123456789", HIDDEN),
        ("https://1234567890123456789/x", "https://[redacted]/x"),
        ("00Dxx0000001gPL!AQ8.AQ_x a!b", "[redacted] a!b"),
        ("3MVG9.EMU_k3yabcdefghij.k", HIDDEN),
        ("eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln", HIDDEN),
        (
            "Authorization: Basic YTpiOmM6ZDpl1g==",
            "Authorization: Basic [redacted]==",
        ),
        ("bearer abc1defg", "bearer [redacted]"),
        ("basic authentication", "basic authentication"),
        (
            "at https://u:p@w@h.example/x y",
            "at https://[redacted]@h.example/x y",
        ),
        ("mail me@example.com", "mail me@example.com"),
        ("Abcdefghij0123456789", HIDDEN),
        // Names and ids stay.
        (
            "eyjafjallajokull.my.salesforce.com",
            "eyjafjallajokull.my.salesforce.com",
        ),
        (
            "acme--uat.sandbox.my.salesforce.com",
            "acme--uat.sandbox.my.salesforce.com",
        ),
        (
            "00D000000000062EAA 005000000000001AAA",
            "00D000000000062EAA 005000000000001AAA",
        ),
        (
            "no client credentials user enabled",
            "no client credentials user enabled",
        ),
        (
            "2026-11-30T16:00:00Z 127.0.0.1:41234",
            "2026-11-30T16:00:00Z 127.0.0.1:41234",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(printable(text, 99), expected);
    }
    let hex = "0123456789abcdef".repeat(4);
    assert_eq!(
        printable(&format!("{hex}.example"), 99),
        "[redacted].example"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,80}", secret in ".{0,20}") {
        let _ = Redactor::new().hide_credentials(&secret, &text).clean(&text, 50);
    }

    #[test]
    fn escapes_never_make_it_panic(text in "[%\\\\&u{}x#;0-9a-f+ü]{0,60}") {
        let _ = Redactor::new().hide("%u00fc;ab").clean(&text, 50);
    }

    #[test]
    fn no_encoding_hides_a_secret(
        secret in "[!-~äöü€😀]{8,40}", first in 0..ENCODINGS.len(), second in 0..ENCODINGS.len(),
        before in "[a-z ]{0,9}",
    ) {
        let echoed = ENCODINGS[second].1(&ENCODINGS[first].1(&secret));
        let redactor = Redactor::new().hide(&secret);
        let clean = redactor.clean(&format!("{before} {echoed} "), 10_000);
        // Of the whole encoded text no more than a few characters of it may be left.
        let chars: Vec<char> = echoed.chars().collect();
        let left = chars.windows(8 * 6).any(|part| clean.contains(&part.iter().collect::<String>()));
        prop_assert!(!left && !clean.contains(&secret), "{echoed} became {clean}");
    }
}
