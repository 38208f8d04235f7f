//! The short form of the soak test: the long one is `make soak`.
#![cfg(target_os = "linux")]

use std::process::Command;

fn soak(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(arguments)
        .output()
        .expect("the soak runs");
    let (printed, said) = (
        String::from_utf8_lossy(&done.stdout).into_owned(),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{printed}{said}");
    printed
}

#[test]
fn a_dropped_client_leaves_no_secret_in_memory() {
    let printed = soak(&["memory"]);
    assert_eq!(
        printed.matches("none once it is dropped").count(),
        2,
        "{printed}"
    );
}

#[test]
fn nothing_grows_with_clients_logins_awaits_and_calls() {
    let printed = soak(&["leaks", "1000"]);
    for expected in ["100 clients", "100 logins", "1000 awaits", "50 calls"] {
        assert!(printed.contains(expected), "{printed}");
    }
}
