//! Prints the tables of `docs/simulation.md`: `cargo run --release -p xtask -- simulation`.

use std::process::ExitCode;

use super::{SimulationOptions, missed, run, run_settings};

const USAGE: &str =
    "usage: xtask simulation [--seed N] [--clients N] [--weeks N] [--false-rejections N]
                  [--small] [--settings]
  --seed N              the same seed gives the same table
  --clients N           each a process of its own
  --weeks N             simulated weeks
  --false-rejections N  of a million calls, so many 401s for a token that is alive
  --small               a small simulation; fails if a bar is missed
  --settings            this project's policy with other settings instead of the peers";

struct SimulationArguments {
    options: SimulationOptions,
    small: bool,
    settings: bool,
}

/// Returns the exit code of the task `simulation`.
pub(crate) fn main(arguments: impl Iterator<Item = String>) -> ExitCode {
    let wanted = match parse(arguments) {
        Ok(wanted) => wanted,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let options = wanted.options;
    let simulate = if wanted.settings { run_settings } else { run };
    let report = simulate(&options);
    println!(
        "{} clients of {} orgs, {} weeks, {} calls under each policy, seed {}\n\n{report}",
        report.clients, report.orgs, options.weeks, report.calls, options.seed
    );
    if !wanted.small || wanted.settings {
        return ExitCode::SUCCESS;
    }
    let missed = missed(&report);
    for bar in &missed {
        println!("missed: {bar}");
    }
    if missed.is_empty() {
        println!("all bars hold");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<SimulationArguments, String> {
    let mut wanted = SimulationArguments {
        options: SimulationOptions::default(),
        small: false,
        settings: false,
    };
    while let Some(argument) = arguments.next() {
        let options = &mut wanted.options;
        let field = match argument.as_str() {
            "--small" => {
                wanted.small = true;
                let small = SimulationOptions::small();
                (options.clients, options.weeks) = (small.clients, small.weeks);
                continue;
            }
            "--settings" => {
                wanted.settings = true;
                continue;
            }
            "--seed" => &mut options.seed,
            "--clients" => &mut options.clients,
            "--weeks" => &mut options.weeks,
            "--false-rejections" => &mut options.false_rejections,
            _ => return Err(format!("unknown argument `{argument}`")),
        };
        let number = arguments.next().and_then(|text| text.parse().ok());
        *field = number.ok_or_else(|| format!("`{argument}` wants a number"))?;
    }
    Ok(wanted)
}
