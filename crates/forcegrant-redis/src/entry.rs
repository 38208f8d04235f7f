//! The value of an entry in Redis: a header, and then the entry.

use std::time::Duration;

use forcegrant_proto::store::Stored;
use redis::Value;

/// A bound on the header before an entry, in bytes: the script of `get` has this number.
#[cfg(test)]
pub(crate) const MAX_ENTRY_HEADER: usize = 64;

/// What precedes an entry: the version of the layout, the fence and the length of the entry. A value that was cut or
/// that another program wrote does not match it. The script of `put` reads the fence.
pub(crate) fn header(fence: u64, length: usize) -> String {
    format!("1 {fence} {length}\n")
}

/// An entry with the time it has left; `None` unless its header matches.
pub(crate) fn parse(found: Value) -> Option<Stored> {
    let Value::Array(parts) = found else {
        return None;
    };
    let [Value::BulkString(value), Value::Int(left)] = &parts[..] else {
        return None;
    };
    let end = value.iter().position(|byte| *byte == b'\n')?;
    let mut words = std::str::from_utf8(&value[..end]).ok()?.split(' ');
    let entry = &value[end + 1..];
    if words.next() != Some("1") || words.nth(1)?.parse() != Ok(entry.len()) {
        return None;
    }
    Some(Stored {
        entry: entry.to_vec(),
        // It is negative if somebody removed the time to live.
        left: u64::try_from(*left).ok().map(Duration::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_is_not_as_it_was_put_counts_as_absent() {
        let parsed = |whole: &[u8]| {
            let parts = vec![Value::BulkString(whole.to_vec()), Value::Int(1500)];
            parse(Value::Array(parts)).map(|stored| stored.entry)
        };
        let whole = [header(7, 5).as_bytes(), b"entry"].concat();
        assert_eq!(parsed(&whole).as_deref(), Some(&b"entry"[..]));
        for cut in 0..whole.len() {
            assert_eq!(parsed(&whole[..cut]), None, "cut at {cut}");
        }
        for foreign in [
            &b""[..],
            b"x",
            b"\n",
            b"2 7 5\nentry",
            b"1 7\nentry",
            b"1 7 5 \xff\nentry",
            b"1 7 6\nentry",
        ] {
            assert_eq!(parsed(foreign), None, "{foreign:?}");
        }
        assert_eq!(parse(Value::Nil), None);
    }
}
