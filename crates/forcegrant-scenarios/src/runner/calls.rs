//! The steps `call` and `limits`.

use serde_json::json;

use super::scenario_run::{ScenarioRun, control};
use crate::driver::ClientDriver;
use crate::expect::CheckResult;
use crate::scenario::{CallRequest, ExpectedCall, ExpectedUsage};

impl<D: ClientDriver> ScenarioRun<'_, D> {
    pub(super) fn call(
        &self,
        with: Option<&str>,
        request: &CallRequest,
        callers: usize,
        release_after_arrival: Option<u64>,
        expected: Option<&ExpectedCall>,
    ) -> CheckResult {
        let (client, secrets) = self.client(with)?;
        let mut released = Ok(());
        let outcomes = D::call(client, &self.env.web, request, callers, &mut || {
            if let Some(count) = release_after_arrival {
                released = self.release_after("data", count);
            }
        });
        released?;
        outcomes
            .iter()
            .try_for_each(|outcome| self.called(outcome, expected, &secrets))
    }

    /// Waits until that many requests have arrived and releases them. They are released also when the wait fails, so
    /// that no caller hangs.
    pub(super) fn release_after(&self, endpoint: &str, count: u64) -> CheckResult {
        let arrived = self.arrived(endpoint, count);
        let released = control(&self.env.emulator, json!({ "op": "release" }));
        arrived.and(released.map(drop))
    }

    /// Waits until that many requests have arrived.
    pub(super) fn arrived(&self, endpoint: &str, count: u64) -> CheckResult {
        let wait = json!({ "op": "wait_requests", "endpoint": endpoint, "count": count });
        control(&self.env.emulator, wait).map(drop)
    }

    pub(super) fn limits(&self, with: Option<&str>, expected: &ExpectedUsage) -> CheckResult {
        let known = D::limits(self.client(with)?.0).map(|usage| (usage.used, usage.limit));
        match *expected {
            ExpectedUsage::None(true) if known.is_none() => Ok(()),
            ExpectedUsage::Usage { used, limit } if known == Some((used, limit)) => Ok(()),
            _ => Err(format!("the usage is {known:?}")),
        }
    }
}
