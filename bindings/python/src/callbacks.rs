//! The functions that a client or a pool calls back: `on_event`, `credentials_callback`, the methods of a store.
//! Events and requests wait in queues until a Python thread waits for a token, or comes by.

use std::sync::Arc;

use forcegrant::ClientBuilder;
use forcegrant::ffi::{CallbackFunctions, CallbackStore};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::invalid_option;
use crate::event_queue::EventQueue;
use crate::hooks;
use crate::options::is_store;
use crate::process_queue::ProcessQueue;
use crate::python_call;
use crate::request::{CallbackRequest, answer_all};
use crate::values::callable;

/// Each object in Python has one of its own, for the collector of cycles: a callback often is a method of what
/// holds the client.
pub(crate) struct Callbacks {
    queues: Arc<Queues>,
    on_event: Option<Py<PyAny>>,
    /// Has the credentials callback or the store answer a request, if there is either.
    request_handler: Option<Py<PyAny>>,
    pub(crate) has_credentials: bool,
    /// Whether there is a store, and whether it has a method `watch`.
    store_watches: Option<bool>,
}

#[derive(Default)]
struct Queues {
    events: EventQueue,
    requests: ProcessQueue<CallbackRequest>,
}

impl Callbacks {
    pub(crate) fn from_options(
        py: Python<'_>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut callbacks = Self {
            queues: Arc::default(),
            on_event: None,
            request_handler: None,
            has_credentials: false,
            store_watches: None,
        };
        let Some(options) = options else {
            return Ok(callbacks);
        };
        callbacks.on_event = callable(options, "on_event")?;
        let credentials = callable(options, "credentials_callback")?;
        let store = match options.get_item("store")? {
            Some(store) if is_store(&store)? => Some(store),
            _ => None,
        };
        callbacks.has_credentials = credentials.is_some();
        if let Some(store) = &store {
            callbacks.store_watches = Some(store.hasattr("watch")?);
        }
        if credentials.is_some() || store.is_some() {
            // Here, and not when there is a request: a child that is forked in the middle of the import in
            // this function waits for ever for its end.
            let handler = python_call::call(
                &hooks::function(py, "make_request_handler")?,
                (credentials, store),
                None,
            )?;
            callbacks.request_handler = Some(handler.unbind());
        }
        Ok(callbacks)
    }

    /// Raises `ConfigurationError` if a callback brings credentials: others are given.
    pub(crate) fn refuse_credentials(&self, py: Python<'_>) -> PyResult<()> {
        if !self.has_credentials {
            return Ok(());
        }
        Err(invalid_option(
            py,
            "credentials_callback",
            "it stands beside credentials that are given",
            "Give the one or the other: with a callback leave client_id and client_secret out, and use neither from_env nor a connection.",
        ))
    }

    /// What the core calls: all of it goes into the queues.
    pub(crate) fn functions(&self) -> CallbackFunctions {
        let queues = || Arc::clone(&self.queues);
        let events = queues();
        CallbackFunctions {
            event: Box::new(move |host, key, event| events.events.push(host, key, event)),
            credentials: self.has_credentials.then(|| {
                let queues = queues();
                let ask = move |request| queues.ask(CallbackRequest::Credentials(request));
                Box::new(ask) as Box<_>
            }),
            store: self.store_watches.map(|watches| {
                let queues = queues();
                CallbackStore::new(watches, move |call| {
                    queues.ask(CallbackRequest::Store(call));
                })
            }),
        }
    }

    /// Has the client of one login tell its events here; it calls nothing else.
    pub(crate) fn listener(&self) -> impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + use<> {
        let queues = Arc::clone(&self.queues);
        move |builder| {
            let queues = Arc::clone(&queues);
            let functions = CallbackFunctions {
                event: Box::new(move |host, key, event| queues.events.push(host, key, event)),
                credentials: None,
                store: None,
            };
            functions.attach(builder)
        }
    }

    /// Whether the core may have requests.
    pub(crate) fn has_requests(&self) -> bool {
        self.request_handler.is_some()
    }

    /// Has the core's requests answered, if any wait, on this thread. What a function throws is
    /// passed on to the core.
    #[inline]
    pub(crate) fn serve(&self, py: Python<'_>) -> PyResult<()> {
        if self.queues.requests.is_filled() {
            return self.serve_all(py);
        }
        Ok(())
    }

    #[cold]
    fn serve_all(&self, py: Python<'_>) -> PyResult<()> {
        let Some(handler) = &self.request_handler else {
            return Ok(());
        };
        answer_all(py, &self.queues.requests, handler)
    }

    /// Has the requests answered and tells the events that wait, on this thread.
    #[inline]
    pub(crate) fn deliver(&self, py: Python<'_>) -> PyResult<()> {
        self.serve(py)?;
        self.queues.events.deliver(py, self.on_event.as_ref())
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        let clone = |function: &Option<Py<PyAny>>| function.as_ref().map(|one| one.clone_ref(py));
        Self {
            queues: Arc::clone(&self.queues),
            on_event: clone(&self.on_event),
            request_handler: clone(&self.request_handler),
            ..*self
        }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.on_event)?;
        visit.call(&self.request_handler)
    }
}

impl Queues {
    fn ask(&self, request: CallbackRequest) {
        self.requests.push(request, |_| ());
    }
}
