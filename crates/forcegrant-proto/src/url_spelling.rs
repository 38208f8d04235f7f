//! Whether every parser reads a URL alike, and the spelling in which it does. Pure.
//!
//! The token may go to a host only if the library that connects reads the same host. This project
//! reads URLs as browsers do (WHATWG); others follow RFC 3986 and read `https://acme\@evil.example`,
//! `https:////evil.example` or a tab in a host differently. So a URL that others read differently is refused.

use url::Url;

/// Why other parsers may read this absolute URL differently than `url`, which is how it was parsed
/// here; `None` if they read the same host, port and scheme.
pub fn oddity(text: &str, url: &Url) -> Option<&'static str> {
    if has_controls(text) {
        return Some("it holds a tab, a line break or another control character");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Some("its scheme is not followed by exactly two slashes");
    };
    if !scheme.eq_ignore_ascii_case(url.scheme()) {
        return Some("it does not begin with its scheme");
    }
    if has_backslash(text) {
        return Some("it holds a backslash before its query");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Some("its scheme is not followed by exactly two slashes");
    }
    if authority.contains('@') {
        return Some("it holds a user name");
    }
    // The colons of an IPv6 address stand in brackets.
    let colon = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
    let is_port = port.len() <= 6 && port.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    let is_same = url
        .host_str()
        .is_some_and(|read| read.eq_ignore_ascii_case(host));
    if !is_same || !is_port {
        return Some("its host or port is not written as it is read");
    }
    // In an address in brackets there are colons too.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    (!host.bytes().all(is_plain)).then_some("its host holds a character that no host name has")
}

/// Why parsers may read this relative reference differently.
pub fn relative_oddity(text: &str) -> Option<&'static str> {
    if has_controls(text) {
        Some("it holds a tab, a line break or another control character")
    } else if has_backslash(text) {
        Some("it holds a backslash before its query")
    } else {
        None
    }
}

/// The text of a URL that every parser reads alike: ASCII without blanks and without backslashes.
pub fn spelled(url: Url) -> String {
    let text = String::from(url);
    // Only a query or a fragment can hold one here.
    if text.contains('\\') {
        text.replace('\\', "%5C")
    } else {
        text
    }
}

/// Whether a path with its query, which begins with one slash, is in this spelling already. `false` may be wrong: then a
/// parser decides, which is only slower.
pub fn is_plain_path(path: &str) -> bool {
    let bytes = path.as_bytes();
    path.starts_with('/')
        && !path.starts_with("//")
        && bytes.iter().all(|byte| PLAIN[usize::from(*byte)])
        // Dots may be segments that a parser removes, encoded ones too.
        && !bytes.windows(2).any(|pair| pair == b"/." || pair == b"%2")
}

const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        plain[byte as usize] = byte.is_ascii_graphic()
            && !matches!(
                byte,
                b'"' | b'#' | b'\'' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'
            );
        byte += 1;
    }
    plain
};

fn has_controls(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control())
}

/// In a query it is an ordinary character.
fn has_backslash(text: &str) -> bool {
    let before = text.split(['?', '#']).next().unwrap_or_default();
    before.contains('\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_parsers_read_differently_is_odd() {
        for (text, is_odd) in [
            ("https://acme.my.salesforce.com", false),
            ("https://acme.my.salesforce.com/", false),
            ("HTTPS://ACME.my.salesforce.com:443/a b?c\\d#e", false),
            ("https://acme.my.salesforce.com:/a", false),
            ("http://127.0.0.1:8080/a", false),
            ("http://[::1]:8080/a", false),
            ("http://[::1]/a", false),
            (" https://acme.my.salesforce.com/", true),
            ("https:/acme.my.salesforce.com/", true),
            ("https:acme.my.salesforce.com/", true),
            ("https:///acme.my.salesforce.com/", true),
            ("https:////acme.my.salesforce.com/", true),
            ("https:\\\\acme.my.salesforce.com/", true),
            ("https://acme.my.salesforce.com\\@evil.example/", true),
            ("https://acme.my.salesforce.com\\.evil.example/", true),
            ("https://acme.my.salesforce.com/a\\b", true),
            ("https://@acme.my.salesforce.com/", true),
            ("https://:@acme.my.salesforce.com/", true),
            ("https://evil.example@acme.my.salesforce.com/", true),
            ("ht\ntps://acme.my.salesforce.com/", true),
            ("https://acme.my.sales\tforce.com/", true),
            ("https://acme.my.salesforce.com/\r\n", true),
            ("https://acme.my.salesforce.com\u{0}/", true),
            ("https://acme%2Emy.salesforce.com/", true),
            ("https://acme\u{3002}my.salesforce.com/", true),
            ("https://\u{ff41}cme.my.salesforce.com/", true),
            ("https://a'b.trusted.example/", true),
            ("https://a;b.trusted.example/", true),
            ("https://a,b.trusted.example/", true),
            ("http://127.1:8080/", true),
            ("http://0x7f000001/", true),
            ("http://2130706433/", true),
            ("http://[0:0:0:0:0:0:0:1]/", true),
        ] {
            // What is no URL leads nowhere at all.
            let odd = Url::parse(text).map_or(Some("no URL"), |url| oddity(text, &url));
            assert_eq!(odd.is_some(), is_odd, "{text:?}: {odd:?}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_path_stays_as_it_is(path in "/[ -~]{0,30}") {
            if is_plain_path(&path) {
                let whole = format!("https://acme.my.salesforce.com{path}");
                let url = Url::parse(&whole).unwrap();
                prop_assert_eq!(spelled(url), whole);
            }
        }

        #[test]
        fn the_spelling_is_plain(text in "https://[ -~\\PC]{0,40}") {
            if let Ok(url) = Url::parse(&text) {
                let host = url.host_str().map(str::to_owned);
                let spelling = spelled(url);
                prop_assert!(spelling.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
                let again = Url::parse(&spelling).unwrap();
                prop_assert_eq!(again.host_str(), host.as_deref());
                prop_assert_eq!(again.as_str(), &spelling);
            }
        }
    }
}
