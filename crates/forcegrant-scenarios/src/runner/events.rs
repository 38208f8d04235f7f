//! The step `events`.

use super::scenario_run::{MAIN_CLIENT, ScenarioRun};
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult};
use crate::scenario::Expectations;

impl<D: ClientDriver> ScenarioRun<'_, D> {
    pub(super) fn events(&self, with: Option<&str>, expected: &[Expectations]) -> CheckResult {
        self.settle(with)?;
        let name = with.unwrap_or(MAIN_CLIENT);
        let recorded = self.recorded.get(name);
        let recorded = recorded.ok_or_else(|| format!("the events of {name} are not recorded"))?;
        let events = recorded.take(expected.len());
        if events.len() != expected.len() {
            let names: Vec<_> = events.iter().map(|(_, event)| event.name()).collect();
            return Err(format!("the events were {names:?}"));
        }
        events
            .iter()
            .zip(expected)
            .try_for_each(|((key, event), expected)| {
                expect::event(key, event, expected, &self.saved)
                    .map_err(|problem| format!("{}: {problem}", event.name()))
            })
    }
}
