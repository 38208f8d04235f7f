//! Events, on their way from the worker thread to a function of JavaScript.

use std::sync::{Arc, OnceLock};

use forcegrant::{ClientBuilder, ClientPoolBuilder, Event, Measurement, MeasurementKind, ffi};
use napi::bindgen_prelude::Function;
use serde_json::{Map, Value, json};

use crate::callback::Callback;
use crate::data::{self, Result, milliseconds};
use crate::failpoint::failpoint;

/// Takes the events of a client to the loop of their listener's thread. It is opened once somebody listens: until then
/// an event costs a look at an empty cell.
#[derive(Clone, Default)]
pub(crate) struct EventQueue(Arc<OnceLock<Callback<Value>>>);

impl EventQueue {
    /// Has the builder's client send its events here.
    pub(crate) fn attach(&self, builder: ClientBuilder) -> ClientBuilder {
        let queue = self.clone();
        ffi::on_event(builder, move |event| queue.send(event, Map::new))
    }

    /// The same for the clients of a pool.
    pub(crate) fn attach_pool(&self, builder: ClientPoolBuilder) -> ClientPoolBuilder {
        let queue = self.clone();
        ffi::on_pool_event(builder, move |host, key, event| {
            queue.send(event, || {
                Map::from_iter([
                    ("key".to_owned(), key.into()),
                    ("loginHost".to_owned(), host.into()),
                ])
            });
        })
    }

    /// From now on events go to `listener`; when its thread has ended, they are dropped. The first listener stays.
    pub(crate) fn open(&self, listener: &Function<'_, Value, ()>) -> Result<()> {
        let _ = self.0.set(Callback::new(listener)?);
        Ok(())
    }

    fn send(&self, event: &Event, source: impl FnOnce() -> Map<String, Value>) {
        let Some(callback) = self.0.get() else {
            return;
        };
        failpoint("event");
        let mut data = source();
        data.insert("name".to_owned(), event.name().into());
        if let Value::Object(fields) = fields(event) {
            data.extend(fields);
        }
        let measurements = event.measurements();
        let measurements = measurements.iter().map(measurement).collect();
        data.insert("measurements".to_owned(), measurements);
        callback.call(Value::Object(data));
    }
}

/// What events of this name have. An event that this version does not know has its name alone.
fn fields(event: &Event) -> Value {
    match event {
        Event::LoginStarted { background, .. } => json!({ "background": background }),
        Event::LoginRetried {
            error,
            attempts,
            pause,
            ..
        } => {
            let pause = milliseconds(*pause);
            json!({ "error": data::error(error), "attempts": attempts, "pause": pause })
        }
        Event::LoginSucceeded {
            fingerprint,
            expiry,
            lifetime,
            attempts,
            took,
            ..
        } => json!({
            "fingerprint": fingerprint,
            "expiry": data::expiry(*expiry),
            "lifetime": milliseconds(*lifetime),
            "attempts": attempts,
            "took": milliseconds(*took),
        }),
        Event::LoginFailed {
            error,
            attempts,
            took,
            ..
        } => {
            let took = milliseconds(*took);
            json!({ "error": data::error(error), "attempts": attempts, "took": took })
        }
        Event::TokenAdopted {
            fingerprint,
            expiry,
            lifetime,
            ..
        } => json!({
            "fingerprint": fingerprint,
            "expiry": data::expiry(*expiry),
            "lifetime": milliseconds(*lifetime),
        }),
        Event::Invalidated {
            fingerprint, age, ..
        } => json!({ "fingerprint": fingerprint, "age": milliseconds(*age) }),
        Event::LoginBudgetWarning { used, stop, .. } => json!({ "used": used, "stop": stop }),
        Event::CredentialsRotated {
            client_id,
            fingerprint,
            ..
        } => json!({ "clientId": client_id, "fingerprint": fingerprint }),
        Event::IntrospectionFailed { error, .. }
        | Event::StoreFailed { error, .. }
        | Event::CredentialsReloadFailed { error, .. } => json!({ "error": data::error(error) }),
        Event::RefreshDue { fingerprint, .. }
        | Event::ServingStale { fingerprint, .. }
        | Event::SameTokenReturned { fingerprint, .. }
        | Event::SignatureMismatch { fingerprint, .. } => json!({ "fingerprint": fingerprint }),
        _ => Value::Null,
    }
}

fn measurement(measured: &Measurement) -> Value {
    let attributes = measured.attributes.iter();
    let attributes = attributes.map(|&(key, value)| (key.to_owned(), value.into()));
    json!({
        "name": measured.name,
        "kind": match measured.kind {
            MeasurementKind::Counter => "counter",
            MeasurementKind::Histogram => "histogram",
        },
        "unit": measured.unit,
        "value": measured.value,
        "attributes": attributes.collect::<Map<_, _>>(),
    })
}
