//! A secret that the inputs contain in every form in which a client may send it. The checks search for it in every
//! output.

use std::fmt::Write;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use forcegrant_proto::credentials::ClientCredentials;
use forcegrant_proto::error::Error;
use forcegrant_proto::redaction::Redactor;

pub(crate) const CLIENT_ID: &str = "3MVG9canary.key_QZ";
pub(crate) const CLIENT_SECRET: &str = "QZcanary/sec+ret=%&\"\\<\u{fc} QZ7351";

pub(crate) static PAIR: LazyLock<ClientCredentials> =
    LazyLock::new(|| ClientCredentials::new(CLIENT_ID, CLIENT_SECRET).expect("client credentials"));

/// The redactor that removes the credentials from texts. Made once, because that takes longer than most checks.
pub(crate) static REDACTOR: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new().hide_credentials(CLIENT_ID, CLIENT_SECRET));

/// Every form of the secret, by its placeholder in an input: `{raw}`.
static FORMS: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let credentials = format!("{CLIENT_ID}:{CLIENT_SECRET}");
    let encoded = format!(
        "{}:{}",
        percent(CLIENT_ID, "%20"),
        percent(CLIENT_SECRET, "%20")
    );
    let json = serde_json::to_string(CLIENT_SECRET).expect("a text");
    let json = json.trim_matches('"').to_owned();
    vec![
        ("{raw}", CLIENT_SECRET.to_owned()),
        ("{percent}", percent(CLIENT_SECRET, "%20")),
        (
            "{lower}",
            percent(CLIENT_SECRET, "%20")
                .replace("%2F", "%2f")
                .replace("%2B", "%2b"),
        ),
        ("{form}", percent(CLIENT_SECRET, "+")),
        ("{slashes}", json.replace('/', "\\/")),
        ("{json}", json),
        ("{html}", html(CLIENT_SECRET)),
        ("{base64}", STANDARD.encode(CLIENT_SECRET)),
        ("{basic}", STANDARD.encode(&credentials)),
        ("{basic-unpadded}", STANDARD_NO_PAD.encode(&credentials)),
        ("{basic-url}", URL_SAFE.encode(&credentials)),
        ("{basic-url-unpadded}", URL_SAFE_NO_PAD.encode(&credentials)),
        ("{basic-encoded}", STANDARD.encode(&encoded)),
    ]
});

/// Replaces the placeholders by the forms of the secret.
pub(crate) fn planted(text: &str) -> String {
    let mut planted = text.to_owned();
    for (word, form) in FORMS.iter() {
        planted = planted.replace(word, form);
    }
    planted
}

/// All texts of an error.
pub(crate) fn texts(error: &Error) -> String {
    let portable = serde_json::to_value(error.portable()).expect("plain values");
    let mut texts = format!("{error}\n{error:?}\n");
    for value in portable
        .as_object()
        .into_iter()
        .flat_map(|object| object.values())
    {
        texts.push_str(value.as_str().unwrap_or_default());
        texts.push('\n');
    }
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        let _ = writeln!(texts, "{source}\n{source:?}");
        next = source.source();
    }
    texts
}

/// No form of the secret is in a text.
pub(crate) fn assert_hidden(text: &str) {
    for (word, form) in FORMS.iter() {
        assert!(
            !text.contains(form),
            "the secret in the form {word} is in: {text}"
        );
    }
}

/// A text is one line, and holds nothing that changes how others are displayed.
pub(crate) fn assert_tidy(text: &str) {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    assert!(!text.contains(odd), "{text:?}");
}

/// The same for a text that a redactor has cleaned; and where a text was shortened, no first part of the secret is
/// left.
pub(crate) fn assert_redacted(text: &str) {
    assert_hidden(text);
    assert!(
        !text.contains(&CLIENT_SECRET[..8]),
        "a part of the secret is in: {text}"
    );
}

/// No text of an error holds the secret, and its message is one line of moderate length.
pub(crate) fn assert_harmless(error: &Error) {
    assert_hidden(&texts(error));
    let message = error.message();
    assert_tidy(message);
    assert!(
        message.chars().count() < 2_000,
        "{} characters",
        message.len()
    );
}

fn percent(text: &str, blank: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b' ' => encoded.push_str(blank),
            b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
        encoded
    })
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
