//! What is only for this repository: `cargo run --package xtask -- TASK`.

use std::path::Path;
use std::process::ExitCode;

mod structure;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["structure"] => structure::run(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))),
        ["structure", root] => structure::run(Path::new(root)),
        _ => Err("usage: xtask structure [REPOSITORY]".to_owned()),
    };
    match outcome {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
