//! `forcegrant errors`.

use std::fmt::Write as _;
use std::io;

use forcegrant::ffi::{Row, TABLE};

use crate::console::Console;
use crate::problem::{number, row};
use crate::{FINE, USAGE};

pub(crate) fn run(code: Option<&str>, console: &mut Console<'_>) -> io::Result<u8> {
    let Some(code) = code else {
        let lines: Vec<_> = TABLE
            .iter()
            .map(|row| format!("{:<24} {}", row.code, row.meaning))
            .collect();
        return console.say(&lines.join("\n")).map(|()| FINE);
    };
    let code = code.trim().to_ascii_lowercase().replace('-', "_");
    match row(&code) {
        Some(row) => console.say(&explain(row)).map(|()| FINE),
        None => console.usage(&unknown(&code)).map(|()| USAGE),
    }
}

fn explain(row: &Row) -> String {
    let again = if row.retryable {
        "may help: the same request can succeed later with nothing changed"
    } else {
        "does not help before something is changed"
    };
    let mut text = format!(
        "{}\n  {}\n  Kind: {}\n  Trying again: {again}",
        row.code,
        row.meaning,
        row.kind.as_str(),
    );
    if let Some(step) = row.setup_step {
        let _ = write!(
            text,
            "\n  Set-up step: {}. {}\n  Where: {}",
            number(step),
            step.as_str(),
            step.setup_path()
        );
    }
    text
}

/// Names the codes that share a word with what was asked for.
fn unknown(code: &str) -> String {
    let words: Vec<_> = code.split('_').filter(|word| word.len() > 2).collect();
    let near: Vec<_> = TABLE
        .iter()
        .map(|row| row.code)
        .filter(|known| words.iter().any(|word| known.contains(word)))
        .collect();
    let hint = if near.is_empty() {
        "`forcegrant errors` lists all".to_owned()
    } else {
        format!("did you mean {}?", near.join(", "))
    };
    format!("there is no such error code; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_codes_are_offered() {
        assert!(unknown("client_secret").contains("invalid_client_secret"));
        assert!(unknown("x").contains("lists all"));
    }

    #[test]
    fn every_code_is_explained() {
        for row in TABLE {
            let text = explain(row);
            assert!(text.contains(row.meaning));
            assert_eq!(text.contains("Setup >"), row.setup_step.is_some());
        }
    }
}
