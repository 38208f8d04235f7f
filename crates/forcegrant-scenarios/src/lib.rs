//! Runs the cases of `tests/scenarios` against the core, through its asynchronous and its blocking interface. What a case means is said in `tests/scenarios/README.md`.
//!
//! A crate of its own, so that the core's development dependencies stay few.

mod block_on;
mod calls;
mod driver;
mod expect;
mod options;
mod placeholders;
mod pool;
mod runner;
mod scenario;
mod test_environment;

use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::json;

use crate::scenario::Scenario;
use crate::test_environment::TestEnvironment;

pub use calls::{CallContext, CallFailure, ReadResponse};
pub use driver::{Async, Blocking, ClientDriver, Finish, TokenSource};
pub use pool::PoolDriver;
pub use scenario::{CallBody, CallRequest};

/// Runs all scenarios and writes the report, if one is asked for.
///
/// # Panics
///
/// When a scenario fails, with all that failed; or when the scenarios cannot be read.
pub fn run<D: ClientDriver>() {
    let only = env::var("FORCEGRANT_SCENARIO").ok();
    let env = TestEnvironment::start();
    let mut ran = Vec::new();
    let mut failed = Vec::new();
    for scenario in scenarios::<D>() {
        if only
            .as_ref()
            .is_some_and(|text| !scenario.id.contains(text))
        {
            continue;
        }
        if let Err(problem) = runner::run::<D>(&env, &scenario) {
            failed.push(format!("{}: {problem}", scenario.id));
        }
        ran.push(scenario.id);
    }
    assert!(
        failed.is_empty(),
        "{}: {} of {} scenarios failed\n{}",
        D::NAME,
        failed.len(),
        ran.len(),
        failed.join("\n")
    );
    assert!(!ran.is_empty(), "no scenario was run");
    println!("{}: {} scenarios", D::NAME, ran.len());
    if let (None, Some(folder)) = (only, env::var_os("FORCEGRANT_SCENARIO_REPORT_DIR")) {
        report::<D>(Path::new(&folder), &ran);
    }
}

fn report<D: ClientDriver>(folder: &Path, ran: &[String]) {
    fs::create_dir_all(folder).expect("the report folder can be made");
    let text = json!({ "runner": D::NAME, "ran": ran }).to_string();
    fs::write(folder.join(format!("{}.json", D::NAME)), text).expect("the report can be written");
}

/// What a runner runs: the scenarios of all languages and, in one runner, the tables of the core.
fn scenarios<D: ClientDriver>() -> Vec<Scenario> {
    let folder = folder();
    let mut all = scenario::load(&folder);
    let core = folder.join("core");
    if D::NAME == <Async as ClientDriver>::NAME && core.is_dir() {
        all.extend(scenario::load(&core));
    }
    all
}

fn folder() -> PathBuf {
    match env::var_os("FORCEGRANT_SCENARIO_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios"),
    }
}
