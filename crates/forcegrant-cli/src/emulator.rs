//! `forcegrant emulator`: runs the Salesforce emulator, which is a package of its own.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::process::Command;

use crate::console::Console;
use crate::exit_codes::FAILED;

const PROGRAM: &str = "forcegrant-emulator";

const MISSING: &str = "the emulator is not installed\n  Python: pip install 'forcegrant[testing]'. Node: npm install --save-dev forcegrant-emulator, and `npx forcegrant emulator`.\n  Or name its program in FORCEGRANT_EMULATOR.";

/// Passes the standard streams on, and gives its exit code.
pub(crate) fn run(arguments: &[OsString], console: &mut Console<'_>) -> io::Result<u8> {
    for program in candidates() {
        match Command::new(&program).args(arguments).status() {
            Ok(status) => {
                let code = status.code().unwrap_or(i32::from(FAILED));
                return Ok(u8::try_from(code).unwrap_or(FAILED));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                let text = format!("{} cannot be started: {error}", program.display());
                return console.complain(&text).map(|()| FAILED);
            }
        }
    }
    console.complain(MISSING).map(|()| FAILED)
}

/// The program that the environment names alone; else the one that was installed beside this one, or on the path.
fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("FORCEGRANT_EMULATOR").filter(|name| !name.is_empty()) {
        return vec![named.into()];
    }
    let file = format!("{PROGRAM}{}", std::env::consts::EXE_SUFFIX);
    // In a package for Python this is the interpreter, beside which `pip` puts programs.
    let beside = std::env::current_exe().ok();
    let beside = beside.map(|program| program.with_file_name(file));
    beside.into_iter().chain([PathBuf::from(PROGRAM)]).collect()
}
