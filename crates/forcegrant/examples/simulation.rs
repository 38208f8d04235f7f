//! Prints the table of `docs/simulation.md`:
//! `cargo run --release -p forcegrant --features simulation --example simulation`.

use std::process::ExitCode;

use forcegrant::simulation::{Options, run};

const USAGE: &str = "usage: simulation [--seed N] [--clients N] [--weeks N] [--small]";

fn main() -> ExitCode {
    match options(std::env::args().skip(1)) {
        Ok(options) => {
            let report = run(&options);
            println!(
                "{} clients of {} orgs, {} weeks, {} calls under each policy, seed {}\n\n{report}",
                report.clients, report.orgs, options.weeks, report.calls, options.seed
            );
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        let field = match argument.as_str() {
            "--small" => {
                options = Options::small();
                continue;
            }
            "--seed" => &mut options.seed,
            "--clients" => &mut options.clients,
            "--weeks" => &mut options.weeks,
            _ => return Err(format!("unknown argument `{argument}`")),
        };
        let number = arguments.next().and_then(|text| text.parse().ok());
        *field = number.ok_or_else(|| format!("`{argument}` wants a number"))?;
    }
    Ok(options)
}
