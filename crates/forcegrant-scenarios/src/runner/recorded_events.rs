//! The events of a client or a pool.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use forcegrant::Event;

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
    pub(super) fn take(&self, count: usize) -> Vec<(String, Event)> {
        let EventRecord { events, added } = &*self.0;
        let events = events.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = added.wait_timeout_while(events, EVENT_TIMEOUT, |events| events.len() < count);
        std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}
