//! What must hold for any bytes that come from outside, as one function for each kind of input.
//!
//! Compiled for tests and with `--cfg fuzzing`, so it is in no build of a user. Each check panics when
//! a promise does not hold. The replay (`replay.rs`) runs them over the corpus in `fuzz/corpus` and over
//! mutations of it; the binaries in `fuzz/` run them under libFuzzer. `fuzz/README.md` lists the promises.

mod calls;
mod canary;
mod grant;
mod hosts;
mod input;
mod origin;
mod proxy;
#[cfg(test)]
mod replay;
mod retry_after;
mod store;

/// One kind of input, and the check of what must hold for it.
pub struct Target {
    /// The name of its binary and of its folder in the corpus.
    pub name: &'static str,
    /// Panics when a promise does not hold.
    pub check: fn(&[u8]),
}

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}

/// Every target.
pub const TARGETS: [Target; 9] = [
    target("login_host", hosts::login_host),
    target("instance_url", hosts::instance_url),
    target("token_response", grant::token_response),
    target("refusal", grant::refusal),
    target("api_response", calls::api_response),
    target("call_url", calls::call_url),
    target("proxy", proxy::proxy),
    target("retry_after", retry_after::retry_after),
    target("store_entry", store::store_entry),
];

/// Runs one target.
///
/// # Panics
/// When there is no such target, or when one of its promises does not hold.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of this name").check)(data);
}
