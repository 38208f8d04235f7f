//! Events, on their way from the worker thread to a function of JavaScript.

use std::sync::{Arc, OnceLock};

use forcegrant::ffi::{EventFields, EventFunction};
use forcegrant::{Event, Measurement, MeasurementKind};
use napi::bindgen_prelude::Function;
use serde_json::{Map, Value, json};

use crate::data::{self, Result, milliseconds};
use crate::failpoint::failpoint;
use crate::js_callback::JsCallback;

/// Takes the events of a client to the loop of their listener's thread. It is opened once somebody listens: until then
/// an event costs a look at an empty cell.
#[derive(Clone, Default)]
pub(crate) struct EventForwarder(Arc<OnceLock<JsCallback<Value>>>);

impl EventForwarder {
    /// What the core calls with each event.
    pub(crate) fn listener(&self) -> Box<EventFunction> {
        let forwarder = self.clone();
        Box::new(move |host, key, event| {
            if let Some(callback) = forwarder.0.get() {
                failpoint("event");
                callback.call(data_of(host, key, event));
            }
        })
    }

    /// From now on events go to `listener`; when its thread has ended, they are dropped. The first listener stays.
    pub(crate) fn open(&self, listener: &Function<'_, Value, ()>) -> Result<()> {
        let _ = self.0.set(JsCallback::new(listener)?);
        Ok(())
    }
}

fn data_of(host: &str, key: Option<&str>, event: &Event) -> Value {
    let fields = EventFields::of(event);
    data::object(json!({
        "name": event.name(),
        "loginHost": host,
        "key": key,
        "background": fields.background,
        "attempts": fields.attempts,
        "pause": fields.pause.map(milliseconds),
        "took": fields.took.map(milliseconds),
        "age": fields.age.map(milliseconds),
        "fingerprint": fields.fingerprint,
        "expiry": fields.expiry.map(data::expiry),
        "lifetime": fields.lifetime.map(milliseconds),
        "clientId": fields.client_id,
        "used": fields.used,
        "stop": fields.stop,
        "error": fields.error.map(data::error),
        "measurements": event.measurements().iter().map(measurement).collect::<Value>(),
    }))
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
