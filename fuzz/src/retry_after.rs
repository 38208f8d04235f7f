//! The header `Retry-After`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::input::{NOW, fields, text};
use forcegrant_proto::retry_after;

const YEAR: u64 = 366 * 24 * 3_600;

/// A number of seconds on the first line, and then the text of a header. The text is a number of whole seconds or a date or
/// nothing; and the date that is that number of seconds from now is read as that wait.
pub(crate) fn retry_after(data: &[u8]) {
    check_retry_after(data, retry_after::parse);
}

pub(crate) fn check_retry_after(data: &[u8], parse: impl Fn(&str, SystemTime) -> Option<Duration>) {
    let [line, header] = fields(data);
    let now = UNIX_EPOCH + Duration::from_millis(NOW.wall.unsigned_abs());
    let header = text(header);
    let wait = parse(&header, now);
    assert!(
        wait.is_none_or(|wait| wait <= Duration::from_secs(YEAR)),
        "{header}"
    );
    let plain = header.trim();
    if !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = plain.parse().unwrap_or(u64::MAX).min(YEAR);
        assert_eq!(wait, Some(Duration::from_secs(seconds)), "{header}");
    } else {
        let has_month = || {
            let months = "jan feb mar apr may jun jul aug sep oct nov dec";
            let header = header.to_ascii_lowercase();
            months.split(' ').any(|month| header.contains(month))
        };
        assert!(wait.is_none() || has_month(), "{header}");
    }
    if let Ok(seconds) = text(line).trim().parse::<u32>() {
        let seconds = u64::from(seconds) % YEAR;
        let header = written(NOW.wall.unsigned_abs() / 1_000 + seconds);
        assert_eq!(
            parse(&header, now),
            Some(Duration::from_secs(seconds)),
            "{header}"
        );
    }
}

/// An HTTP date, counted year by year and month by month: slow, and hard to get wrong.
fn written(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS
        .iter()
        .cycle()
        .nth(usize::try_from(days % 7).expect("a day"))
        .expect("a day");
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut months = MONTHS.iter();
    let month = loop {
        let (name, days) = months.next().expect("a year has no more days");
        let days = days + u64::from(*name == "Feb" && is_leap(year));
        if left < days {
            break name;
        }
        left -= days;
    };
    let (day, hour, minute, second) = (left + 1, second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}
