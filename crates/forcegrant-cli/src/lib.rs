//! The command line of forcegrant, as a function: one implementation behind the Rust program, the
//! Python package and the Node package.
//!
//! ```
//! let (mut out, mut err) = (Vec::new(), Vec::new());
//! let code = forcegrant_cli::run(["--version".into()], &mut out, &mut err);
//! assert_eq!(code, 0);
//! assert!(out.starts_with(b"forcegrant "));
//! ```
//!
//! The client secret is never printed. The access token is printed by the command `token` alone.

#![forbid(unsafe_code)]

mod arguments;
mod call;
mod commands;
mod completions;
mod configuration;
mod connect;
mod connections;
mod console;
mod doctor;
mod emulator;
mod errors;
mod exit_codes;
mod findings;
mod help;
mod login;
mod login_setup;
mod options;
mod problem;
mod report;
mod surroundings;
mod terminal;
mod time;
mod token;
mod verify;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};

use forcegrant::Environment;

use crate::arguments::Command;
use crate::console::Console;

pub use exit_codes::{CLIENT_ERROR, FAILED, FINE, INTERRUPTED, NOT_CONNECTED, SERVER_ERROR, USAGE};
pub use surroundings::Surroundings;

/// Runs one command and returns the exit code: [`FINE`], [`FAILED`] or [`USAGE`]; `connect` and `call` have codes of
/// their own, and `emulator` passes on that of the emulator.
///
/// `args` are those after the program's name. The process's environment is read, and its standard
/// input if an option says so. Blocks while the command runs; nothing is left running.
pub fn run(
    args: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut input = io::stdin();
    let surroundings = Surroundings {
        environment: Environment::process(),
        input_is_terminal: input.is_terminal(),
        input: &mut input,
        pause: &mut std::thread::sleep,
    };
    run_in(args, surroundings, out, err)
}

/// [`run`] with the environment and the standard input given, for tests.
///
/// The variables of the system's certificates are still read from the process.
pub fn run_in(
    args: impl IntoIterator<Item = OsString>,
    surroundings: Surroundings<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut console = Console::new(out, err);
    let done = match arguments::parse(args) {
        Ok(command) => carry_out(&command, surroundings, &mut console),
        Err(usage) => console.usage(&usage.0).map(|()| USAGE),
    };
    done.unwrap_or_else(|error| {
        // A closed pipe is no error: its reader has read enough.
        if error.kind() != io::ErrorKind::BrokenPipe {
            let _ = console.complain(&format!("the output could not be written: {error}"));
        }
        FAILED
    })
}

fn carry_out(
    command: &Command,
    surroundings: Surroundings<'_>,
    console: &mut Console<'_>,
) -> io::Result<u8> {
    match command {
        Command::Token { options, form } => token::run(options, *form, surroundings, console),
        Command::Verify(options) => verify::run(options, surroundings, console),
        Command::Doctor(options) => doctor::run(options, surroundings, console),
        Command::Connect {
            id,
            options,
            connection,
        } => connect::run(id, options, connection, surroundings, console),
        Command::Connections {
            action,
            options,
            connection,
        } => connections::run(action, options, connection, surroundings, console),
        Command::Call { options, call } => call::run(options, call, surroundings, console),
        Command::Emulator(arguments) => emulator::run(arguments, console),
        Command::Errors(code) => errors::run(code.as_deref(), console),
        Command::Completions(shell) => completions::run(shell, console),
        Command::Help(path) => console.say(&help::text(path)).map(|()| FINE),
        Command::Version => console
            .say(concat!("forcegrant ", env!("CARGO_PKG_VERSION")))
            .map(|()| FINE),
    }
}
