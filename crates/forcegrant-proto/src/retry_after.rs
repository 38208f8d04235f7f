//! The header `Retry-After`, in both of its forms (RFC 9110 section 10.2.3). Pure.

use std::time::{Duration, SystemTime};

/// No response seriously asks for more, and sums with it cannot overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// How long the header asks to wait from `now` on: whole seconds, or an HTTP date in any of its three
/// forms. A date that has passed asks for no wait; at most a year is returned.
pub fn parse(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let wait = if is_number {
        // More digits than fit are longer than any cap.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(text).ok()?;
        at.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1994-11-06 08:49:30 UTC.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770)
    }

    #[test]
    fn both_forms_are_read() {
        for (text, seconds) in [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7)),
            ("Sun Nov  6 08:49:37 1994", Some(7)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("99999999999999999999999999", Some(LONGEST.as_secs())),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(LONGEST.as_secs())),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
            ("06 Nov 1994", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(parse(text, now()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in ".{0,40}") {
            prop_assert!(parse(&text, now()).is_none_or(|wait| wait <= LONGEST));
        }
    }
}
