//! The command line: the program of `forcegrant-cli`, run in this process.

use std::ffi::OsString;
use std::io;

use pyo3::prelude::*;

/// Run the command line with the arguments after the program's name; give the exit code.
///
/// It writes to the process's own standard streams, past `sys.stdout` and `sys.stderr`. It looks
/// for no signals: leave Ctrl-C to the system before.
#[pyfunction]
pub(crate) fn cli(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| forcegrant_cli::run(args, &mut io::stdout(), &mut io::stderr()))
}
