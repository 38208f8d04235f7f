//! See `fuzz/README.md`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| forcegrant_fuzz::run("api_response", data));
