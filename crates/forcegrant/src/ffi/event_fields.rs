//! An event as a flat record: the fields have the same names in every language.

use std::time::Duration;

use forcegrant_proto::error::Error;
use forcegrant_proto::event::Event;
use forcegrant_proto::expiry::Expiry;

/// The fields of an [`Event`]; those that events of its name do not have are `None`.
#[derive(Clone, Debug, Default)]
#[allow(
    missing_docs,
    reason = "they are documented at the variants of `Event`"
)]
pub struct EventFields<'a> {
    pub background: Option<bool>,
    pub attempts: Option<u32>,
    pub pause: Option<Duration>,
    pub took: Option<Duration>,
    pub age: Option<Duration>,
    pub fingerprint: Option<&'a str>,
    pub expiry: Option<Expiry>,
    pub lifetime: Option<Duration>,
    pub client_id: Option<&'a str>,
    pub used: Option<u32>,
    pub stop: Option<u32>,
    pub error: Option<&'a Error>,
}

impl<'a> EventFields<'a> {
    /// The fields of this event.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        let none = Self::default();
        match event {
            Event::LoginStarted { background, .. } => Self {
                background: Some(*background),
                ..none
            },
            Event::LoginRetried {
                error,
                attempts,
                pause,
                ..
            } => Self {
                error: Some(error),
                attempts: Some(*attempts),
                pause: Some(*pause),
                ..none
            },
            Event::LoginSucceeded {
                fingerprint,
                expiry,
                lifetime,
                attempts,
                took,
                ..
            } => Self {
                fingerprint: Some(fingerprint),
                expiry: Some(*expiry),
                lifetime: Some(*lifetime),
                attempts: Some(*attempts),
                took: Some(*took),
                ..none
            },
            Event::LoginFailed {
                error,
                attempts,
                took,
                ..
            } => Self {
                error: Some(error),
                attempts: Some(*attempts),
                took: Some(*took),
                ..none
            },
            Event::TokenAdopted {
                fingerprint,
                expiry,
                lifetime,
                ..
            } => Self {
                fingerprint: Some(fingerprint),
                expiry: Some(*expiry),
                lifetime: Some(*lifetime),
                ..none
            },
            Event::Invalidated {
                fingerprint, age, ..
            } => Self {
                fingerprint: Some(fingerprint),
                age: Some(*age),
                ..none
            },
            Event::LoginBudgetWarning { used, stop, .. } => Self {
                used: Some(*used),
                stop: Some(*stop),
                ..none
            },
            Event::CredentialsRotated {
                client_id,
                fingerprint,
                ..
            } => Self {
                client_id: Some(client_id),
                fingerprint: Some(fingerprint),
                ..none
            },
            Event::IntrospectionFailed { error, .. }
            | Event::StoreFailed { error, .. }
            | Event::CredentialsReloadFailed { error, .. } => Self {
                error: Some(error),
                ..none
            },
            Event::RefreshDue { fingerprint, .. }
            | Event::ServingStale { fingerprint, .. }
            | Event::SameTokenReturned { fingerprint, .. }
            | Event::SignatureMismatch { fingerprint, .. } => Self {
                fingerprint: Some(fingerprint),
                ..none
            },
            _ => none,
        }
    }
}

/// How much an event matters, as the records for `tracing` have it: `debug`, `info` or `warning`.
#[must_use]
pub fn event_level(event: &Event) -> &'static str {
    match event {
        Event::LoginStarted { .. } | Event::RefreshDue { .. } => "debug",
        Event::LoginSucceeded { .. }
        | Event::TokenAdopted { .. }
        | Event::Invalidated { .. }
        | Event::CredentialsRotated { .. } => "info",
        _ => "warning",
    }
}
