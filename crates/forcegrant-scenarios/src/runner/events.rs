//! The step `events`.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use forcegrant::Event;

use super::{MAIN_CLIENT, ScenarioRun};
use crate::driver::ClientDriver;
use crate::expect::{self, CheckResult};
use crate::scenario::Expectations;

/// Events arrive on another thread.
const EVENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The events of a client or a pool, each with its key.
#[derive(Clone, Default)]
pub(super) struct RecordedEvents(Arc<EventRecord>);

#[derive(Default)]
struct EventRecord {
    events: Mutex<Vec<(String, Event)>>,
    added: Condvar,
}

impl RecordedEvents {
    /// Records one event.
    pub(super) fn record(&self, key: &str, event: &Event) {
        let EventRecord { events, added } = &*self.0;
        let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((key.to_owned(), event.clone()));
        added.notify_all();
    }

    /// Takes all events once there are `count` of them, or after `EVENT_TIMEOUT`.
    fn take(&self, count: usize) -> Vec<(String, Event)> {
        let EventRecord { events, added } = &*self.0;
        let events = events.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = added.wait_timeout_while(events, EVENT_TIMEOUT, |events| events.len() < count);
        std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

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
