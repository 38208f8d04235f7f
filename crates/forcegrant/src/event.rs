//! What happened, for logs, metrics and callbacks. No event holds a secret or a token.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::Error;
use crate::process::{PerProcess, ProcessRef};
use crate::token::Expiry;

/// Something that happened in a client. Tokens appear as fingerprints only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A login starts. `background`: a usable token is served meanwhile.
    #[non_exhaustive]
    LoginStarted {
        /// Nobody waits for it.
        background: bool,
    },
    /// One attempt of a login failed and another follows.
    #[non_exhaustive]
    LoginRetried {
        /// What the attempt met.
        error: Error,
        /// Attempts made so far.
        attempts: u32,
        /// The pause before the next.
        pause: Duration,
    },
    /// A login brought a token.
    #[non_exhaustive]
    LoginSucceeded {
        /// The token's fingerprint.
        fingerprint: String,
        /// When it ends.
        expiry: Expiry,
        /// What was left of its life when it arrived.
        lifetime: Duration,
        /// Attempts made.
        attempts: u32,
        /// From the first request to the token.
        took: Duration,
    },
    /// Another client's login brought a token that serves here too (option `store`).
    #[non_exhaustive]
    TokenAdopted {
        /// The token's fingerprint.
        fingerprint: String,
        /// When it ends.
        expiry: Expiry,
        /// What was left of its life when it was found.
        lifetime: Duration,
    },
    /// The store failed or was late. It is left out of the way for a while, and logins go ahead
    /// without it.
    #[non_exhaustive]
    StoreFailed {
        /// Why; its `retry_after` says how long.
        error: Error,
    },
    /// A login failed for good.
    #[non_exhaustive]
    LoginFailed {
        /// Why.
        error: Error,
        /// Attempts made.
        attempts: u32,
        /// From the first request to the failure.
        took: Duration,
    },
    /// A refresh of the token is due; it is served meanwhile. Once for each token.
    #[non_exhaustive]
    RefreshDue {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The token's estimated end has passed and refreshing it fails for a passing reason; it is
    /// served all the same. Once for each token.
    #[non_exhaustive]
    ServingStale {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// The current token was reported as rejected and is not served any more.
    #[non_exhaustive]
    Invalidated {
        /// The token's fingerprint.
        fingerprint: String,
        /// How long ago it was requested.
        age: Duration,
    },
    /// A new login returned the token that had been reported as rejected.
    #[non_exhaustive]
    SameTokenReturned {
        /// The token's fingerprint.
        fingerprint: String,
    },
    /// Introspection told nothing; the lifetime is estimated instead.
    #[non_exhaustive]
    IntrospectionFailed {
        /// Why.
        error: Error,
    },
    /// Three fifths of `login_budget` are used up: half of Salesforce's limit with the default.
    /// Once for each crossing.
    #[non_exhaustive]
    LoginBudgetWarning {
        /// Logins of this process in the last hour.
        used: u32,
        /// None is started from here on.
        stop: u32,
    },
    /// A login succeeded with other client credentials than the one before.
    #[non_exhaustive]
    CredentialsRotated {
        /// The client id now in use.
        client_id: String,
        /// The pair's fingerprint.
        fingerprint: String,
    },
    /// The source of the credentials could not be read again; those at hand are used.
    #[non_exhaustive]
    CredentialsReloadFailed {
        /// Why.
        error: Error,
    },
    /// The answer's signature does not fit the client secret. The token is used all the same:
    /// which secret signs while two are live is not documented.
    #[non_exhaustive]
    SignatureMismatch {
        /// The token's fingerprint.
        fingerprint: String,
    },
}

impl Event {
    /// A stable word for the kind of event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoginStarted { .. } => "login_started",
            Self::LoginRetried { .. } => "login_retried",
            Self::LoginSucceeded { .. } => "login_succeeded",
            Self::TokenAdopted { .. } => "token_adopted",
            Self::StoreFailed { .. } => "store_failed",
            Self::LoginFailed { .. } => "login_failed",
            Self::RefreshDue { .. } => "refresh_due",
            Self::ServingStale { .. } => "serving_stale",
            Self::Invalidated { .. } => "invalidated",
            Self::SameTokenReturned { .. } => "same_token_returned",
            Self::IntrospectionFailed { .. } => "introspection_failed",
            Self::LoginBudgetWarning { .. } => "login_budget_warning",
            Self::CredentialsRotated { .. } => "credentials_rotated",
            Self::CredentialsReloadFailed { .. } => "credentials_reload_failed",
            Self::SignatureMismatch { .. } => "signature_mismatch",
        }
    }
}

/// Events that may wait for a slow callback; then the oldest make room.
const MOST: usize = 1_024;

/// Delivers events to the user's callback and, with the feature, to `tracing`.
#[derive(Clone, Default)]
pub(crate) struct Events(Option<Arc<Delivery>>);

/// Takes the login host, the key of a pool's client, else an empty text; and what happened.
type Listener = dyn Fn(&str, &str, &Event) + Send + Sync;

struct Delivery {
    listener: Box<Listener>,
    /// Events on their way to a thread of their own; `None`: delivered where they happen.
    outbox: Option<PerProcess<Outbox>>,
}

#[derive(Default)]
struct Outbox(Mutex<Queue>);

/// A login host, a key, and what happened.
type Told = (Box<str>, Box<str>, Event);

#[derive(Default)]
struct Queue {
    events: VecDeque<Told>,
    /// A thread delivers; it ends with the last event.
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
        Self(Some(Arc::new(Delivery {
            listener: Box::new(listener),
            outbox,
        })))
    }

    /// Delivers one event. A callback that panics harms nothing but itself.
    pub(crate) fn emit(&self, host: &str, key: &str, event: &Event) {
        trace(host, event);
        let Some(delivery) = &self.0 else { return };
        match &delivery.outbox {
            None => delivery.call(host, key, event),
            Some(outbox) => {
                let told = (host.into(), key.into(), event.clone());
                Outbox::send(&outbox.current(), delivery, told);
            }
        }
    }
}

impl Delivery {
    fn call(&self, host: &str, key: &str, event: &Event) {
        let _ = std::panic::catch_unwind(AssertUnwindSafe(|| (self.listener)(host, key, event)));
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No foreign code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(own: &ProcessRef<Self>, delivery: &Arc<Delivery>, told: Told) {
        let mut queue = own.lock();
        if queue.events.len() == MOST {
            queue.events.pop_front();
        }
        queue.events.push_back(told);
        if queue.is_served {
            return;
        }
        let (own, delivery) = (own.clone(), Arc::clone(delivery));
        let thread = std::thread::Builder::new().name("forcegrant-events".to_owned());
        // Without a thread they wait for the next event.
        queue.is_served = thread.spawn(move || own.serve(&delivery)).is_ok();
    }

    fn serve(&self, delivery: &Delivery) {
        while let Some((host, key, event)) = self.next() {
            delivery.call(&host, &key, &event);
        }
    }

    fn next(&self) -> Option<Told> {
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
        Event::LoginStarted { background } => {
            debug!(target: "forcegrant", host, background, "{name}");
        }
        Event::LoginRetried {
            error,
            attempts,
            pause,
        } => {
            warn!(target: "forcegrant", host, code = error.code(), attempts, ?pause, "{name}");
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
        } => {
            warn!(target: "forcegrant", host, code = error.code(), attempts, ?took, message = error.message(), "{name}");
        }
        Event::Invalidated { fingerprint, age } => {
            info!(target: "forcegrant", host, %fingerprint, ?age, "{name}");
        }
        Event::RefreshDue { fingerprint } => {
            debug!(target: "forcegrant", host, %fingerprint, "{name}");
        }
        Event::LoginBudgetWarning { used, stop } => {
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
        Event::IntrospectionFailed { error }
        | Event::StoreFailed { error }
        | Event::CredentialsReloadFailed { error } => {
            warn!(target: "forcegrant", host, code = error.code(), message = error.message(), "{name}");
        }
        Event::ServingStale { fingerprint }
        | Event::SameTokenReturned { fingerprint }
        | Event::SignatureMismatch { fingerprint } => {
            warn!(target: "forcegrant", host, %fingerprint, "{name}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const STARTED: Event = Event::LoginStarted { background: false };

    #[test]
    fn a_panicking_callback_harms_nothing() {
        for events in [
            Events::inline(|_, _, _| panic!("a callback that panics, on purpose")),
            Events::apart(|_, _, _| panic!("a callback that panics, on purpose")),
        ] {
            events.emit("acme.my.salesforce.com", "", &STARTED);
            events.emit("acme.my.salesforce.com", "", &STARTED);
        }
    }

    /// The callback does not return before the test lets it; whoever emits goes on meanwhile.
    #[test]
    fn a_slow_callback_delays_nobody_and_loses_only_the_oldest() {
        let (go, gate) = mpsc::channel::<()>();
        let (told, heard) = mpsc::channel();
        let gate = Mutex::new(gate);
        let events = Events::apart(move |_, _, event| {
            let _ = gate.lock().unwrap().recv();
            let Event::LoginFailed { attempts, .. } = event else {
                return;
            };
            told.send(*attempts).unwrap();
        });
        let last = u32::try_from(MOST).unwrap() + 100;
        for attempts in 1..=last {
            events.emit(
                "acme.my.salesforce.com",
                "",
                &Event::LoginFailed {
                    error: crate::error::Error::new(crate::error::Code::Timeout, "on purpose"),
                    attempts,
                    took: Duration::ZERO,
                },
            );
        }
        drop(go);
        drop(events);
        let numbers: Vec<_> = heard.iter().collect();
        assert!(numbers.is_sorted() && numbers.last() == Some(&last));
        assert!(
            (MOST..=MOST + 1).contains(&numbers.len()),
            "{}",
            numbers.len()
        );
    }
}
