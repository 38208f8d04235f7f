//! Where the person is: whether a browser can be opened, and opening it.

use std::process::{Command, Stdio};

use forcegrant::Environment;
use forcegrant::ffi::command_line::is_set;

/// Whether the person sits at another machine.
pub(super) fn is_remote(environment: &Environment) -> bool {
    ["SSH_CONNECTION", "SSH_TTY"]
        .into_iter()
        .any(|name| is_set(environment, name))
}

/// Whether a browser can show itself here.
pub(super) fn has_display(environment: &Environment) -> bool {
    let names = ["DISPLAY", "WAYLAND_DISPLAY"];
    cfg!(any(windows, target_os = "macos")) || names.iter().any(|name| is_set(environment, name))
}

/// Opens the link. If that fails, the person has it in the terminal.
pub(super) fn open(link: &str) {
    let (program, arguments): (&str, &[&str]) = if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else if cfg!(target_os = "macos") {
        ("open", &[])
    } else {
        ("xdg-open", &[])
    };
    let _ = Command::new(program)
        .args(arguments)
        .arg(link)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}
