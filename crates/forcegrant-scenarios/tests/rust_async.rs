//! All scenarios through `forcegrant::Client`.

#[test]
fn scenarios() {
    forcegrant_scenarios::run::<forcegrant_scenarios::Async>();
}
