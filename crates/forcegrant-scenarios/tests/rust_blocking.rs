//! All scenarios through `forcegrant::blocking::Client`.

#[test]
fn scenarios() {
    forcegrant_scenarios::run::<forcegrant_scenarios::Blocking>();
}
