//! The Rust part of `make soak`: memory does not grow, and no secret stays in it.
//!
//! ```text
//! soak leaks [DIVISOR]     100,000 clients, 100,000 logins, 1,000,000 awaits, 50,000 calls (each divided by DIVISOR)
//! soak memory              how much of a secret is left in a process's memory after its client is dropped
//! ```
//!
//! Lines that begin with `soak: ` are the summary. Exit code 1 and a reason if a check fails.

mod leaks;
mod memory;
mod wiping;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: wiping::Wiping = wiping::Wiping;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["leaks"] => leaks::run(1),
        ["leaks", divisor] => match divisor.parse() {
            Ok(divisor @ 1..) => leaks::run(divisor),
            _ => Err("the divisor is a number of 1 or more".to_owned()),
        },
        ["memory"] => memory::run(),
        ["memory-child", what, ref address @ ..] => memory::child(what, address),
        _ => Err("soak leaks [DIVISOR] | soak memory".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
