//! `forcegrant errors`.

use std::fmt::Write as _;
use std::io;

use forcegrant::{ErrorCode, ErrorKind};

use crate::console::Console;
use crate::exit_codes::{FINE, USAGE};
use crate::problem::number;

pub(crate) fn run(code: Option<&str>, console: &mut Console<'_>) -> io::Result<u8> {
    let Some(code) = code else {
        let lines: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|code| format!("{code:<24} {}", code.meaning()))
            .collect();
        return console.say(&lines.join("\n")).map(|()| FINE);
    };
    let text = code.trim().to_ascii_lowercase().replace('-', "_");
    match ErrorCode::ALL.iter().find(|code| **code == *text) {
        Some(code) => console.say(&explain(*code)).map(|()| FINE),
        None => console.usage(&unknown(&text)).map(|()| USAGE),
    }
}

fn explain(code: ErrorCode) -> String {
    let again = if code.is_retryable() {
        "may help: the same request can succeed later with nothing changed"
    } else {
        "does not help before something is changed"
    };
    let mut text = format!(
        "{code}\n  {}\n  Class: {} in Python and Node, kind `{}` in Rust\n  Trying again: {again}",
        code.meaning(),
        class(code.kind()),
        code.kind().as_str(),
    );
    if let Some(step) = code.setup_step() {
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

/// The class of a kind in the packages for Python and Node.
fn class(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "ConfigurationError",
        ErrorKind::Refused => "RefusedError",
        ErrorKind::LoginRate => "LoginRateError",
        ErrorKind::Timeout => "RequestTimeoutError",
        ErrorKind::Transport => "TransportError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::Response => "ResponseError",
        ErrorKind::Token => "TokenRejectedError",
        _ => "InternalError",
    }
}

/// Names the codes that share a word with the given one.
fn unknown(code: &str) -> String {
    let words: Vec<_> = code.split('_').filter(|word| word.len() > 2).collect();
    let near: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|code| code.as_str())
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
    fn the_classes_are_those_of_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        let page = std::fs::read_to_string(page).unwrap();
        for code in ErrorCode::ALL {
            let (kind, class) = (code.kind().as_str(), class(code.kind()));
            let row = format!("| `{code}` | `{kind}` | `{class}` |");
            assert!(page.contains(&row), "{row}");
        }
    }

    #[test]
    fn every_code_is_explained() {
        for &code in ErrorCode::ALL {
            let text = explain(code);
            assert!(text.contains(code.meaning()));
            assert_eq!(text.contains("Setup >"), code.setup_step().is_some());
        }
    }
}
