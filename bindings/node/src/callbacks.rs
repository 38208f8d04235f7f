//! The functions of JavaScript that a client or a pool calls: the listener, the credentials callback, the store.

use forcegrant::ffi::CallbackFunctions;
use napi::bindgen_prelude::Function;
use serde_json::Value;

use crate::credentials::{self, NativeQuestion};
use crate::data::Result;
use crate::event::EventForwarder;
use crate::js_callback::JsCallback;
use crate::store::{NativeStoreStep, store_of};

/// What the core calls, and where the events go.
pub(crate) fn callback_functions(
    on_event: Option<Function<'_, Value, ()>>,
    credentials: Option<Function<'_, NativeQuestion, ()>>,
    store: Option<Function<'_, NativeStoreStep, ()>>,
) -> Result<(CallbackFunctions, EventForwarder)> {
    let events = EventForwarder::default();
    if let Some(listener) = on_event {
        events.open(&listener)?;
    }
    let mut functions = CallbackFunctions {
        event: events.listener(),
        credentials: None,
        store: None,
    };
    if let Some(function) = credentials {
        let callback = JsCallback::new(&function)?;
        functions.credentials = Some(Box::new(move |request| {
            credentials::ask(&callback, request);
        }));
    }
    if let Some(function) = store {
        functions.store = Some(store_of(&function)?);
    }
    Ok((functions, events))
}
