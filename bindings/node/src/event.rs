//! Events, on their way from the worker thread to a function of JavaScript.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use forcegrant::{ClientBuilder, ClientPoolBuilder, Event, Measurement, MeasurementKind, ffi};
use napi::Status;
use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::data::{NativeError, NativeExpiry, milliseconds};
use crate::defect::reach;

/// An event: its name, and what events of that name have.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeEvent {
    /// A stable word.
    pub name: String,
    /// The client's key in its pool.
    pub key: Option<String>,
    /// The host of a pool's client.
    pub login_host: Option<String>,
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
    /// What was left of the token's life when it arrived.
    pub lifetime: Option<f64>,
    /// What went wrong.
    pub error: Option<NativeError>,
    /// The event as numbers.
    pub measurements: Vec<NativeMeasurement>,
}

/// One number about an event.
#[napi(object, object_from_js = false)]
pub struct NativeMeasurement {
    /// The instrument.
    pub name: String,
    /// `counter` or `histogram`.
    pub kind: String,
    /// The unit.
    pub unit: String,
    /// The value.
    pub value: f64,
    /// Keys and values from small fixed sets.
    #[napi(ts_type = "Record<string, string>")]
    pub attributes: HashMap<String, String>,
}

/// The way of a client's events to the loop of the listener's thread. It is made once somebody
/// listens: until then an event costs a look at an empty cell.
#[derive(Clone, Default)]
pub(crate) struct EventQueue(Arc<OnceLock<Call>>);

type Call = ThreadsafeFunction<NativeEvent, (), NativeEvent, Status, false, true>;

impl EventQueue {
    /// Has the builder's client send its events here.
    pub(crate) fn attach(&self, builder: ClientBuilder) -> ClientBuilder {
        let event_queue = Arc::clone(&self.0);
        ffi::on_event(builder, move |event| {
            if let Some(call) = event_queue.get() {
                reach("event");
                // A queue that is closing has nobody to deliver to.
                let _ = call.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
            }
        })
    }

    /// The same for the clients of a pool.
    pub(crate) fn attach_pool(&self, builder: ClientPoolBuilder) -> ClientPoolBuilder {
        let event_queue = Arc::clone(&self.0);
        ffi::on_pool_event(builder, move |host, key, event| {
            if let Some(call) = event_queue.get() {
                let event = NativeEvent {
                    key: Some(key.to_owned()),
                    login_host: Some(host.to_owned()),
                    ..event.into()
                };
                let _ = call.call(event, ThreadsafeFunctionCallMode::NonBlocking);
            }
        })
    }

    /// From now on events go to `listener`, which does not keep its loop alive; when its thread has
    /// ended, they are dropped. A second listener is not taken.
    pub(crate) fn open(&self, listener: &Function<'_, NativeEvent, ()>) -> Result<()> {
        let call = listener
            .build_threadsafe_function::<NativeEvent>()
            .weak::<true>()
            .build()?;
        // The cell is set already: the first listener stays.
        let _ = self.0.set(call);
        Ok(())
    }
}

/// A stable word.
pub(crate) fn kind(kind: MeasurementKind) -> &'static str {
    match kind {
        MeasurementKind::Counter => "counter",
        MeasurementKind::Histogram => "histogram",
    }
}

impl From<&Measurement> for NativeMeasurement {
    fn from(measured: &Measurement) -> Self {
        let attributes = measured.attributes.iter();
        Self {
            name: measured.name.to_owned(),
            kind: kind(measured.kind).to_owned(),
            unit: measured.unit.to_owned(),
            value: measured.value,
            attributes: attributes
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }
}

impl From<&Event> for NativeEvent {
    fn from(event: &Event) -> Self {
        let mut data = Self {
            name: event.name().to_owned(),
            measurements: event.measurements().iter().map(Into::into).collect(),
            ..Self::default()
        };
        match event {
            Event::LoginStarted { background, .. } => data.background = Some(*background),
            Event::LoginRetried {
                error,
                attempts,
                pause,
                ..
            } => {
                data.error = Some(error.into());
                data.attempts = Some(*attempts);
                data.pause = Some(milliseconds(*pause));
            }
            Event::LoginSucceeded {
                fingerprint,
                expiry,
                lifetime,
                attempts,
                took,
                ..
            } => {
                data.lifetime = Some(milliseconds(*lifetime));
                data.fingerprint = Some(fingerprint.clone());
                data.expiry = Some((*expiry).into());
                data.attempts = Some(*attempts);
                data.took = Some(milliseconds(*took));
            }
            Event::LoginFailed {
                error,
                attempts,
                took,
                ..
            } => {
                data.error = Some(error.into());
                data.attempts = Some(*attempts);
                data.took = Some(milliseconds(*took));
            }
            Event::TokenAdopted {
                fingerprint,
                expiry,
                lifetime,
                ..
            } => {
                data.fingerprint = Some(fingerprint.clone());
                data.expiry = Some((*expiry).into());
                data.lifetime = Some(milliseconds(*lifetime));
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
            | Event::StoreFailed { error, .. }
            | Event::CredentialsReloadFailed { error, .. } => data.error = Some(error.into()),
            Event::RefreshDue { fingerprint, .. }
            | Event::ServingStale { fingerprint, .. }
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
