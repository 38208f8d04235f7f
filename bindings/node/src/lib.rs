//! The native part of the Node package: it translates between the core and JavaScript values, and decides nothing.
//! Errors cross as data; TypeScript makes their classes.
#![allow(
    // What JavaScript sees is public, although no Rust code reaches it.
    unreachable_pub,
    // The macros of napi want owned arguments, and their callers are in JavaScript.
    clippy::needless_pass_by_value,
    clippy::must_use_candidate
)]

mod callbacks;
mod calls;
mod client;
mod clock;
mod connection;
mod connections;
mod credentials;
mod data;
mod event;
mod failpoint;
mod given;
mod js_callback;
mod options;
mod pending;
mod pool;
mod setup_steps;
mod source;
mod store;

use std::ffi::OsString;
use std::io;

use napi_derive::napi;

/// The version that the package compares with its own.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// `release` or `debug`: only the former is measured and packed.
#[napi]
pub fn profile() -> &'static str {
    if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    }
}

/// Runs the command line with the arguments after the program's name, and returns the exit code. It writes to the
/// process's own standard streams, and blocks until the command is done.
#[napi(catch_unwind)]
pub fn cli(args: Vec<String>) -> u8 {
    let args = args.into_iter().map(OsString::from);
    forcegrant_cli::run(args, &mut io::stdout(), &mut io::stderr())
}
