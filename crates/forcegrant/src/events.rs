//! Delivers events to callbacks and to `tracing`.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcegrant_proto::event::Event;
use forcegrant_support::process::{PerProcess, ProcessRef};

/// Events that may wait for a slow callback; then the oldest are dropped.
const MAX_QUEUED_EVENTS: usize = 1_024;

/// Delivers events to the user's callback and, with the feature, to `tracing`.
#[derive(Clone, Default)]
pub(crate) struct Events(Option<Arc<EventSink>>);

/// Takes the login host, the key of a pool's client (otherwise an empty text), and what happened.
type Listener = dyn Fn(&str, &str, &Event) + Send + Sync;

/// Where events go.
struct EventSink {
    listener: Box<Listener>,
    /// The events for a thread of their own; `None`: delivered on the thread where they happen.
    outbox: Option<PerProcess<Outbox>>,
}

/// Events that a thread of its own delivers.
#[derive(Default)]
struct Outbox(Mutex<OutboxQueue>);

/// A login host, a key, and what happened.
type EmittedEvent = (Box<str>, Box<str>, Event);

#[derive(Default)]
struct OutboxQueue {
    events: VecDeque<EmittedEvent>,
    /// Whether a thread delivers them. It ends after the last event.
    is_served: bool,
}

impl Events {
    /// To a callback on a thread of its own, so that a slow one delays no login.
    pub(crate) fn apart(listener: impl Fn(&str, &str, &Event) + Send + Sync + 'static) -> Self {
        Self::to(listener, Some(PerProcess::default()))
    }

    /// To a callback on the thread where things happen.
    pub(crate) fn inline(listener: impl Fn(&str, &str, &Event) + Send + Sync + 'static) -> Self {
        Self::to(listener, None)
    }

    fn to(
        listener: impl Fn(&str, &str, &Event) + Send + Sync + 'static,
        outbox: Option<PerProcess<Outbox>>,
    ) -> Self {
        Self(Some(Arc::new(EventSink {
            listener: Box::new(listener),
            outbox,
        })))
    }

    /// Delivers one event. A callback that panics harms nothing but itself.
    pub(crate) fn emit(&self, host: &str, key: &str, event: &Event) {
        trace(host, event);
        let Some(sink) = &self.0 else { return };
        match &sink.outbox {
            None => sink.call(host, key, event),
            Some(outbox) => {
                let queued = (host.into(), key.into(), event.clone());
                Outbox::send(&outbox.current(), sink, queued);
            }
        }
    }
}

impl EventSink {
    fn call(&self, host: &str, key: &str, event: &Event) {
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| (self.listener)(host, key, event)));
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, OutboxQueue> {
        // No user code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(own: &ProcessRef<Self>, sink: &Arc<EventSink>, event: EmittedEvent) {
        let mut queue = own.lock();
        if queue.events.len() == MAX_QUEUED_EVENTS {
            queue.events.pop_front();
        }
        queue.events.push_back(event);
        if queue.is_served {
            return;
        }
        let (own, sink) = (own.clone(), Arc::clone(sink));
        let thread = std::thread::Builder::new().name("forcegrant-events".to_owned());
        // If no thread can be started, they wait for the next event.
        queue.is_served = thread.spawn(move || own.serve(&sink)).is_ok();
    }

    fn serve(&self, sink: &EventSink) {
        while let Some((host, key, event)) = self.next() {
            sink.call(&host, &key, &event);
        }
    }

    fn next(&self) -> Option<EmittedEvent> {
        let mut queue = self.lock();
        let event = queue.events.pop_front();
        queue.is_served = event.is_some();
        event
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Events").field(&self.0.is_some()).finish()
    }
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &str, _: &Event) {}

#[cfg(feature = "tracing")]
fn trace(host: &str, event: &Event) {
    use tracing::{debug, info, warn};
    let name = event.name();
    match event {
        Event::LoginStarted { background, .. } => {
            debug!(target: "forcegrant", host, background, "{name}");
        }
        Event::LoginRetried {
            error,
            attempts,
            pause,
            ..
        } => {
            warn!(target: "forcegrant", host, code = error.code().as_str(), attempts, ?pause, "{name}");
        }
        Event::LoginSucceeded {
            fingerprint,
            expiry,
            attempts,
            took,
            ..
        } => {
            info!(target: "forcegrant", host, %fingerprint, source = expiry.source().as_str(), attempts, ?took, "{name}");
        }
        Event::LoginFailed {
            error,
            attempts,
            took,
            ..
        } => {
            warn!(target: "forcegrant", host, code = error.code().as_str(), attempts, ?took, message = error.message(), "{name}");
        }
        Event::Invalidated {
            fingerprint, age, ..
        } => {
            info!(target: "forcegrant", host, %fingerprint, ?age, "{name}");
        }
        Event::RefreshDue { fingerprint, .. } => {
            debug!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        Event::LoginBudgetWarning { used, stop, .. } => {
            warn!(target: "forcegrant", host, used, stop, "{name}");
        }
        Event::CredentialsRotated { fingerprint, .. } => {
            info!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        Event::TokenAdopted {
            fingerprint,
            expiry,
            ..
        } => {
            info!(target: "forcegrant", host, %fingerprint, source = expiry.source().as_str(), "{name}");
        }
        Event::IntrospectionFailed { error, .. }
        | Event::StoreFailed { error, .. }
        | Event::CredentialsReloadFailed { error, .. } => {
            warn!(target: "forcegrant", host, code = error.code().as_str(), message = error.message(), "{name}");
        }
        Event::ServingStale { fingerprint, .. }
        | Event::SameTokenReturned { fingerprint, .. }
        | Event::SignatureMismatch { fingerprint, .. } => {
            warn!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        _ => debug!(target: "forcegrant", host, "{name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use forcegrant_proto::error::{Error, ErrorCode};

    use super::*;

    fn started() -> Event {
        Event::login_started(false)
    }

    #[test]
    fn a_panicking_callback_harms_nothing() {
        for events in [
            Events::inline(|_, _, _| panic!("a callback that panics, on purpose")),
            Events::apart(|_, _, _| panic!("a callback that panics, on purpose")),
        ] {
            events.emit("acme.my.salesforce.com", "", &started());
            events.emit("acme.my.salesforce.com", "", &started());
        }
    }

    /// The callback does not return before the test lets it; meanwhile events are emitted.
    #[test]
    fn a_slow_callback_delays_nobody_and_loses_only_the_oldest() {
        let (go, gate) = mpsc::channel::<()>();
        let (sender, receiver) = mpsc::channel();
        let gate = Mutex::new(gate);
        let events = Events::apart(move |_, _, event| {
            let _ = gate.lock().unwrap().recv();
            let Event::LoginFailed { attempts, .. } = event else {
                return;
            };
            sender.send(*attempts).unwrap();
        });
        let last = u32::try_from(MAX_QUEUED_EVENTS).unwrap() + 100;
        for attempts in 1..=last {
            events.emit(
                "acme.my.salesforce.com",
                "",
                &Event::login_failed(
                    Error::new(ErrorCode::Timeout, "on purpose"),
                    attempts,
                    Duration::ZERO,
                ),
            );
        }
        drop(go);
        drop(events);
        let numbers: Vec<_> = receiver.iter().collect();
        assert!(numbers.is_sorted() && numbers.last() == Some(&last));
        assert!(
            (MAX_QUEUED_EVENTS..=MAX_QUEUED_EVENTS + 1).contains(&numbers.len()),
            "{}",
            numbers.len()
        );
    }
}
