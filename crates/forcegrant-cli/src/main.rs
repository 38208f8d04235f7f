//! The program `forcegrant`.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    ExitCode::from(forcegrant_cli::run(
        arguments,
        &mut io::stdout(),
        &mut io::stderr(),
    ))
}
