//! docs/errors.md holds the core's table of errors: this fails when the two differ.
//!
//! `FORCEGRANT_UPDATE_DOCS=1 cargo test -p forcegrant --test error_catalogue` writes the table anew.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use forcegrant::{ErrorCode, ErrorKind, SetupStep};

const BEGIN: &str =
    "<!-- errors: begin (written by crates/forcegrant/tests/error_catalogue.rs) -->\n";
const END: &str = "<!-- errors: end -->";
/// The classes of the packages for Python and Node. A test of the Python package compares the page with them.
const CLASSES: [(ErrorKind, &str); 9] = [
    (ErrorKind::Configuration, "ConfigurationError"),
    (ErrorKind::Refused, "RefusedError"),
    (ErrorKind::LoginRate, "LoginRateError"),
    (ErrorKind::Timeout, "RequestTimeoutError"),
    (ErrorKind::Transport, "TransportError"),
    (ErrorKind::Unavailable, "UnavailableError"),
    (ErrorKind::Response, "ResponseError"),
    (ErrorKind::Token, "TokenRejectedError"),
    (ErrorKind::Internal, "InternalError"),
];

#[test]
fn the_catalogue_holds_the_table() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md"));
    let text = std::fs::read_to_string(&path).expect("docs/errors.md can be read");
    let (before, rest) = text
        .split_once(BEGIN)
        .expect("the mark where the table begins");
    let (found, after) = rest.split_once(END).expect("the mark where the table ends");
    let table = table();
    if std::env::var_os("FORCEGRANT_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}"))
            .expect("docs/errors.md can be written");
        return;
    }
    for (written, expected) in found.lines().zip(table.lines()) {
        assert_eq!(
            written, expected,
            "docs/errors.md differs from the code; see the head of this test"
        );
    }
    assert_eq!(
        found.lines().count(),
        table.lines().count(),
        "docs/errors.md has other rows than the code; see the head of this test"
    );
}

#[test]
fn the_guide_and_the_readme_have_a_place_for_every_step() {
    for file in ["README.md", "docs/guides/setup.md"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(file);
        let text = std::fs::read_to_string(&path).expect("the file can be read");
        for step in SetupStep::ALL {
            let anchor = format!("<a id=\"{}\"></a>", step.as_str());
            assert_eq!(text.matches(&anchor).count(), 1, "{file}: {anchor}");
        }
    }
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/setup.md");
    let guide = std::fs::read_to_string(guide).expect("the guide can be read");
    for step in SetupStep::ALL {
        let path = step.setup_path();
        assert!(
            guide.contains(path),
            "docs/guides/setup.md does not name the place `{path}`"
        );
    }
}

#[test]
fn the_guide_tells_of_every_code_at_its_step() {
    let guide = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/setup.md");
    let guide = std::fs::read_to_string(guide).expect("the guide can be read");
    for code in ErrorCode::ALL {
        let Some(step) = code.setup_step() else {
            continue;
        };
        let begin = guide
            .find(&format!("<a id=\"{}\"></a>", step.as_str()))
            .expect("a place for every step");
        let section = guide[begin..].split("\n## ").next().unwrap_or_default();
        let cell = format!("| `{code}` |");
        assert!(section.contains(&cell), "{}: {cell}", step.as_str());
    }
}

#[test]
fn a_row_is_one_sentence_in_a_table_cell() {
    let mut meanings = HashSet::new();
    for code in ErrorCode::ALL {
        assert!(!code.meaning().contains(['|', '\n']), "{code}");
        assert!(code.meaning().ends_with('.'), "{code}");
        assert!(
            meanings.insert(code.meaning()),
            "{code}: said of another code too"
        );
    }
}

fn table() -> String {
    let mut text = String::from(
        "\n| code | kind | class in Python and Node | retry | step | what it means, and what to do |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for code in ErrorCode::ALL {
        let (_, class) = CLASSES
            .iter()
            .find(|(kind, _)| *kind == code.kind())
            .expect("a class for every kind");
        let step = code.setup_step().map_or_else(String::new, |step| {
            let step = step.as_str();
            format!("[{step}](guides/setup.md#{step})")
        });
        let _ = writeln!(
            text,
            "| `{}` | `{}` | `{}` | {} | {step} | {} |",
            code,
            code.kind().as_str(),
            class,
            if code.is_retryable() { "yes" } else { "no" },
            code.meaning(),
        );
    }
    text.push('\n');
    text
}
