//! The native part of the Node package: it translates between the core and
//! JavaScript values, and decides nothing. Errors cross as data; the classes
//! are made in TypeScript.
#![allow(
    // What JavaScript sees is public, although no Rust code reaches it.
    unreachable_pub,
    // The macros of napi want owned arguments, and their callers are in JavaScript.
    clippy::needless_pass_by_value,
    clippy::must_use_candidate
)]

mod calls;
mod classification;
mod cli;
mod client;
mod clock;
mod credentials;
mod data;
mod defect;
mod event;
mod options;
mod pool;
mod store;
mod wait;

use napi_derive::napi;

/// The version that the package checks itself against.
#[napi]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// `release` or `debug`: what is measured and packed must be the former.
#[napi]
pub fn profile() -> &'static str {
    if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    }
}

/// One row of the core's table of errors.
#[napi(object, object_from_js = false)]
pub struct NativeErrorRow {
    /// The stable code.
    pub code: String,
    /// The kind, which decides the class.
    pub kind: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// The step of the set-up that it points to.
    pub setup_step: Option<String>,
}

/// One instrument of the core's catalogue.
#[napi(object, object_from_js = false)]
pub struct NativeInstrument {
    /// Its name.
    pub name: String,
    /// `counter` or `histogram`.
    pub kind: String,
    /// Its unit.
    pub unit: String,
    /// The keys of its attributes.
    pub attributes: Vec<String>,
    /// What it tells.
    pub meaning: String,
}

/// The core's catalogue of instruments.
#[napi]
pub fn instruments() -> Vec<NativeInstrument> {
    let keys = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect();
    forcegrant::measurement::CATALOGUE
        .iter()
        .map(|row| NativeInstrument {
            name: row.name.to_owned(),
            kind: event::kind(row.kind).to_owned(),
            unit: row.unit.to_owned(),
            attributes: keys(row.attributes),
            meaning: row.meaning.to_owned(),
        })
        .collect()
}

/// The core's table of errors, for the test that compares it with the classes.
#[napi]
pub fn error_table() -> Vec<NativeErrorRow> {
    forcegrant::ErrorCode::ALL
        .iter()
        .map(|code| NativeErrorRow {
            code: code.as_str().to_owned(),
            kind: code.kind().as_str().to_owned(),
            retryable: code.is_retryable(),
            setup_step: code.setup_step().map(|step| step.as_str().to_owned()),
        })
        .collect()
}
