//! Texts in the form of a secret, which people paste into the wrong place. Pure.

use crate::secret::HIDDEN;

/// Takes out what has the form of a secret, and the user and password of a URL.
pub(super) fn without_lookalikes(text: &str) -> String {
    let text = without_user_info(text);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.as_str();
    let mut before = "";
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let scheme = before.eq_ignore_ascii_case("basic") || before.eq_ignore_ascii_case("bearer");
        if looks_secret(word) || (scheme && looks_like_credentials(word)) {
            clean.push_str(HIDDEN);
        } else if let Some(word) = without_long_parts(word) {
            clean.push_str(&word);
        } else {
            clean.push_str(word);
        }
        let next = after.find(is_of_a_word).unwrap_or(after.len());
        clean.push_str(&after[..next]);
        if !word.is_empty() {
            before = word;
        }
        rest = &after[next..];
    }
    clean
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '!' | '.' | '_' | '-' | '+' | '~')
}

/// Whether a text has the form of a consumer secret (64 hexadecimal digits, or about 19 decimal ones
/// in very old apps), a consumer key, a session id or a JWT, as in Salesforce's samples.
pub fn looks_secret(word: &str) -> bool {
    let starts = |start: &str| {
        word.get(..start.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(start))
    };
    let key = word.len() >= 20 && starts("3MVG9");
    let session = word.split_once('!').is_some_and(|(org, rest)| {
        matches!(org.len(), 15 | 18) && starts("00D") && rest.len() >= 6
    });
    let jwt = word.starts_with("eyJ") && word.find('.').is_some_and(|header| header >= 16);
    key || session || jwt || looks_random(word)
}

/// A part of a word, of letters and digits alone, that no name has.
pub fn looks_random(part: &str) -> bool {
    let all = |is: fn(&u8) -> bool| part.bytes().all(|byte| is(&byte));
    let any = |is: fn(&u8) -> bool| part.bytes().any(|byte| is(&byte));
    let mixed =
        any(u8::is_ascii_digit) && any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase);
    match part.len() {
        0..16 => false,
        16..20 => all(u8::is_ascii_digit),
        20..32 => all(u8::is_ascii_digit) || (all(u8::is_ascii_alphanumeric) && mixed),
        32..=40 => all(u8::is_ascii_hexdigit) || (all(u8::is_ascii_alphanumeric) && mixed),
        _ => all(u8::is_ascii_alphanumeric),
    }
}

/// What stands behind `Basic` or `Bearer`, unless it is an ordinary word.
fn looks_like_credentials(word: &str) -> bool {
    word.len() >= 8
        && word
            .bytes()
            .any(|byte| byte.is_ascii_digit() || byte == b'!')
}

/// A word without its parts that look random. `None`: it has none.
fn without_long_parts(word: &str) -> Option<String> {
    let parts = || word.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let bare = |part: &str| {
        part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())
            .len()
    };
    if !parts().any(|part| looks_random(&part[..bare(part)])) {
        return None;
    }
    let hidden = parts().map(|part| {
        let (name, end) = part.split_at(bare(part));
        let name = if looks_random(name) { HIDDEN } else { name };
        format!("{name}{end}")
    });
    Some(hidden.collect())
}

/// `https://user:password@host` becomes `https://[redacted]@host`.
fn without_user_info(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + 3);
        clean.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`'))
            .unwrap_or(after.len());
        let authority = &after[..end];
        match authority.rfind('@') {
            Some(at) => {
                clean.push_str(HIDDEN);
                clean.push_str(&authority[at..]);
            }
            None => clean.push_str(authority),
        }
        rest = &after[end..];
    }
    clean.push_str(rest);
    clean
}
