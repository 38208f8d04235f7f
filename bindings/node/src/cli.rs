//! The command line: the program of `forcegrant-cli`, run in this process.

use std::ffi::OsString;
use std::io;

use napi_derive::napi;

/// Runs the command line with the arguments after the program's name, and returns the exit code.
/// It writes to the process's own standard streams, and blocks until the command is done.
#[napi(catch_unwind)]
pub fn cli(args: Vec<String>) -> u8 {
    let args = args.into_iter().map(OsString::from);
    forcegrant_cli::run(args, &mut io::stdout(), &mut io::stderr())
}
