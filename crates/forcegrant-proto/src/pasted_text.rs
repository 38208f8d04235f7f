//! Texts that people paste or that files hold: removes what is around them by mistake, and finds invisible characters.

use crate::error::{Error, Setting};
use crate::secret::Secret;

pub const ANEW: &str =
    "Copy the value again, as plain text, or save the file as UTF-8 without a byte order mark.";

/// The text without what was pasted by mistake: blanks, line breaks, byte order marks and other invisible characters at
/// its ends, and quotes around it. No My Domain, consumer key, secret or address contains any of these.
pub fn meant(text: &str) -> &str {
    let text = text.trim_matches(is_invisible);
    let unquoted = ['"', '\''].into_iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        Some(inner.trim_matches(is_invisible))
    });
    unquoted.unwrap_or(text)
}

/// Refuses a damaged text: with invisible characters, or with the replacement for bytes that could not be read. `text` is
/// what [`meant`] returned.
pub fn check(setting: Setting<'_>, text: &str) -> Result<(), Error> {
    let found = text
        .chars()
        .find(|c| (is_invisible(*c) && *c != ' ') || *c == char::REPLACEMENT_CHARACTER);
    match found {
        None => Ok(()),
        Some(c) => Err(setting.wrong(
            &format!(
                "it holds a character that should not be there, U+{:04X}{}",
                u32::from(c),
                match c {
                    '\n' | '\r' => " (a line break)",
                    '\0' => " (is it UTF-16?)",
                    char::REPLACEMENT_CHARACTER => " (bytes that are not UTF-8)",
                    _ => "",
                }
            ),
            ANEW,
        )),
    }
}

/// The text in the bytes of a file.
pub fn decode(setting: Setting<'_>, bytes: Vec<u8>) -> Result<Secret, Error> {
    let utf_16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if utf_16 || bytes.contains(&0) {
        return Err(setting.wrong("the file is UTF-16, or not a text", ANEW));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(setting.wrong("the file is not valid UTF-8", ANEW)),
    }
}

/// Blanks, control characters, and characters without a width: soft hyphens, joiners, marks of direction, the byte order
/// mark, fillers.
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_text_goes() {
        for (pasted, expected) in [
            ("abc", "abc"),
            (" abc\r\n", "abc"),
            ("\u{feff}abc", "abc"),
            ("abc\u{200b}", "abc"),
            ("\u{a0}abc\u{2028}", "abc"),
            ("\"abc\"\n", "abc"),
            ("' abc '", "abc"),
            ("\"abc", "\"abc"),
            ("a\"b\"c", "a\"b\"c"),
            ("\"", "\""),
            ("\"\"", ""),
            ("\u{feff}\u{200b} ", ""),
        ] {
            assert_eq!(meant(pasted), expected, "{pasted:?}");
        }
    }

    #[test]
    fn what_is_inside_is_refused_by_name_and_not_shown() {
        for damaged in [
            "hunter\u{200b}22",
            "hunter\n22",
            "hunter\u{a0}22",
            "hunter\u{fffd}22",
            "hunter\u{202e}22",
            "h\0u\0n\0t\0e\0r\0",
        ] {
            let error = check(Setting::Variable("NAME"), damaged).unwrap_err();
            assert!(error.message().contains("`NAME`"), "{error}");
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
        check(Setting::Variable("NAME"), "a b-c/+=%&é").unwrap();
    }

    #[test]
    fn files_are_utf_8() {
        let setting = Setting::Option("client_secret_file");
        let utf_16: Vec<u8> = "hunter22"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        let marked = [&[0xff, 0xfe], utf_16.as_slice()].concat();
        for bytes in [utf_16, marked, b"hunter\xff22".to_vec()] {
            let error = decode(setting, bytes).unwrap_err();
            assert!(error.message().contains("client_secret_file"), "{error}");
            assert!(!format!("{error:?}").contains("hunter"), "{error:?}");
        }
        let text = decode(setting, b"\xef\xbb\xbfabc\r\n".to_vec()).unwrap();
        assert_eq!(meant(text.expose()), "abc");
    }
}
