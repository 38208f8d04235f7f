//! The steps of the set-up in Salesforce as data, for forms of the user's own.

use forcegrant::SetupStep;
use napi_derive::napi;

/// One step.
#[napi(object, object_from_js = false)]
pub struct NativeSetupStep {
    /// Its stable name.
    pub name: &'static str,
    /// What is done, in a few words.
    pub title: &'static str,
    /// Where in Salesforce's Setup.
    pub path: &'static str,
    /// How.
    pub text: &'static str,
}

/// All steps, in their order.
#[napi(catch_unwind)]
pub fn setup_steps() -> Vec<NativeSetupStep> {
    let steps = SetupStep::ALL.map(|step| NativeSetupStep {
        name: step.as_str(),
        title: step.title(),
        path: step.setup_path(),
        text: step.text(),
    });
    steps.into_iter().collect()
}
