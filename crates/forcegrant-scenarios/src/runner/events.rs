//! The step `events`.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use forcegrant::Event;

use super::{MAIN, World};
use crate::driver::Driver;
use crate::expect::{self, Checked};
use crate::scenario::Listed;

/// They come on a thread of their own.
const LATEST: Duration = Duration::from_secs(2);

/// What a client or a pool has told: keys, and what happened.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Ear>);

#[derive(Default)]
struct Ear {
    events: Mutex<Vec<(String, Event)>>,
    told: Condvar,
}

impl Heard {
    /// Takes one event down.
    pub(super) fn hear(&self, key: &str, event: &Event) {
        let Ear { events, told } = &*self.0;
        let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((key.to_owned(), event.clone()));
        told.notify_all();
    }

    /// Hands over what was told, once there are that many or it takes too long.
    fn take(&self, count: usize) -> Vec<(String, Event)> {
        let Ear { events, told } = &*self.0;
        let events = events.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(events, LATEST, |events| events.len() < count);
        std::mem::take(&mut waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl<D: Driver> World<'_, D> {
    pub(super) fn events(&self, with: Option<&str>, expected: &[Listed]) -> Checked {
        self.settle(with)?;
        let name = with.unwrap_or(MAIN);
        let heard = self.heard.get(name);
        let heard = heard.ok_or_else(|| format!("nobody listens to {name}"))?;
        let events = heard.take(expected.len());
        if events.len() != expected.len() {
            let names: Vec<_> = events.iter().map(|(_, event)| event.name()).collect();
            return Err(format!("what happened is {names:?}"));
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
