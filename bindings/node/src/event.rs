//! Events, on their way from the worker thread to a function of JavaScript.

use forcegrant::{ClientBuilder, Event};
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;

use crate::data::{NativeError, NativeExpiry, milliseconds};

/// An event: its name, and what events of that name have.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeEvent {
    /// A stable word.
    pub name: String,
    /// Whether nobody waits for the login.
    pub background: Option<bool>,
    /// Attempts made.
    pub attempts: Option<u32>,
    /// Before the next attempt.
    pub pause: Option<f64>,
    /// Since the first request.
    pub took: Option<f64>,
    /// Since the token was asked for.
    pub age: Option<f64>,
    /// The token's digest.
    pub fingerprint: Option<String>,
    /// When the token ends.
    pub expiry: Option<NativeExpiry>,
    /// The client id now in use.
    pub client_id: Option<String>,
    /// Logins in the last hour.
    pub used: Option<u32>,
    /// How many are allowed.
    pub stop: Option<u32>,
    /// What went wrong.
    pub error: Option<NativeError>,
}

/// Has each event passed on to the loop of the listener's thread. The listener
/// does not keep that loop alive; when the thread has ended, events are dropped.
pub(crate) fn pass_on(
    builder: ClientBuilder,
    listener: &Function<'_, NativeEvent, ()>,
) -> Result<ClientBuilder> {
    let call = listener
        .build_threadsafe_function::<NativeEvent>()
        .weak::<true>()
        .build()?;
    Ok(builder.on_event(move |event| {
        // A queue that is closing has nobody to deliver to.
        let _ = call.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

impl From<&Event> for NativeEvent {
    fn from(event: &Event) -> Self {
        let mut data = Self {
            name: event.name().to_owned(),
            ..Self::default()
        };
        match event {
            Event::MintStarted { background, .. } => data.background = Some(*background),
            Event::MintRetried {
                error,
                attempts,
                pause,
                ..
            } => {
                data.error = Some(error.into());
                data.attempts = Some(*attempts);
                data.pause = Some(milliseconds(*pause));
            }
            Event::MintSucceeded {
                fingerprint,
                expiry,
                attempts,
                took,
                ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.expiry = Some((*expiry).into());
                data.attempts = Some(*attempts);
                data.took = Some(milliseconds(*took));
            }
            Event::MintFailed {
                error,
                attempts,
                took,
                ..
            } => {
                data.error = Some(error.into());
                data.attempts = Some(*attempts);
                data.took = Some(milliseconds(*took));
            }
            Event::Invalidated {
                fingerprint, age, ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.age = Some(milliseconds(*age));
            }
            Event::LoginBudgetWarning { used, stop, .. } => {
                data.used = Some(*used);
                data.stop = Some(*stop);
            }
            Event::CredentialsRotated {
                client_id,
                fingerprint,
                ..
            } => {
                data.client_id = Some(client_id.clone());
                data.fingerprint = Some(fingerprint.clone());
            }
            Event::IntrospectionFailed { error, .. }
            | Event::CredentialsReloadFailed { error, .. } => data.error = Some(error.into()),
            Event::LeaseAged { fingerprint, .. }
            | Event::LeaseLapsed { fingerprint, .. }
            | Event::SameTokenReturned { fingerprint, .. }
            | Event::SignatureMismatch { fingerprint, .. } => {
                data.fingerprint = Some(fingerprint.clone());
            }
            // An event that this version does not know goes by its name alone.
            _ => {}
        }
        data
    }
}
