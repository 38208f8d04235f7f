//! What is only for this repository: `cargo run --package xtask -- TASK`. The examples of this package are programs that
//! other checks and measurements start.

use std::path::Path;
use std::process::ExitCode;

mod simulation;
#[cfg(test)]
mod store_model;
mod structure;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        Some("simulation") => return simulation::main(arguments),
        Some("structure") => {
            let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned();
            structure::run(Path::new(&arguments.next().unwrap_or(here)))
        }
        _ => Err("usage: xtask simulation [...] | structure [REPOSITORY]".to_owned()),
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
