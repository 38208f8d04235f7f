//! The events of a client or a pool, on their way to Python.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use forcegrant::Event;
use forcegrant::ffi::PerProcess;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::event::{CoreEvent, PyEvent};
use crate::hooks;
use crate::process_queue::ProcessQueue;
use crate::python_call;

/// So many events may wait; then the oldest are dropped.
const MAX_QUEUED_EVENTS: usize = 256;

#[derive(Default)]
pub(crate) struct EventQueue {
    events: ProcessQueue<CoreEvent>,
    /// One thread delivers at a time, so that events stay in order; others leave it to that one.
    is_delivering: PerProcess<AtomicBool>,
}

impl EventQueue {
    pub(crate) fn push(&self, login_host: &str, key: Option<&str>, event: &Event) {
        let event = CoreEvent {
            at: SystemTime::now(),
            event: event.clone(),
            login_host: login_host.to_owned(),
            key: key.map(str::to_owned),
            missed: 0,
        };
        self.events.push(event, |events| {
            if events.len() < MAX_QUEUED_EVENTS {
                return;
            }
            if let (Some(dropped), Some(next)) = (events.pop_front(), events.front_mut()) {
                next.missed = dropped.missed + 1;
            }
        });
    }

    /// Hands what waits to the listener and to `logging`, on this thread. What a listener throws
    /// goes to `sys.unraisablehook`; only what is to end the program (Ctrl-C) goes to the caller.
    #[inline]
    pub(crate) fn deliver(&self, py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<()> {
        if self.events.is_filled() {
            return self.deliver_all(py, listener);
        }
        Ok(())
    }

    #[cold]
    fn deliver_all(&self, py: Python<'_>, listener: Option<&Py<PyAny>>) -> PyResult<()> {
        let is_delivering = self.is_delivering.current();
        // Again if others came by while this thread was about to leave.
        while self.events.is_filled() {
            let Some(_delivery) = DeliveryGuard::begin(&is_delivering) else {
                return Ok(());
            };
            while let Some(queued) = self.events.pop() {
                let event = Bound::new(py, PyEvent::new(py, queued)?)?;
                if let Some(listener) = listener {
                    let listener = listener.bind(py);
                    contain(listener, python_call::call(listener, (&event,), None))?;
                }
                log(&event)?;
            }
        }
        Ok(())
    }
}

/// The right to deliver; it ends whatever happens.
struct DeliveryGuard<'a>(&'a AtomicBool);

impl<'a> DeliveryGuard<'a> {
    fn begin(is_delivering: &'a AtomicBool) -> Option<Self> {
        // Not `then_some`: dropping what it would make ends the delivery of the other thread.
        (!is_delivering.swap(true, Ordering::AcqRel)).then(|| Self(is_delivering))
    }
}

impl Drop for DeliveryGuard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// To `logging`, if anything imported it: else there is nobody to read it.
fn log(event: &Bound<'_, PyEvent>) -> PyResult<()> {
    let py = event.py();
    let logged = || {
        let modules = py.import("sys")?.getattr("modules")?;
        if modules.contains("logging")? {
            return python_call::call(&hooks::function(py, "log_event")?, (event,), None);
        }
        Ok(py.None().into_bound(py))
    };
    contain(event, logged())
}

fn contain(source: &Bound<'_, PyAny>, outcome: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
    match outcome {
        Err(error) if error.is_instance_of::<PyException>(source.py()) => {
            python_call::unraisable(error, source);
            Ok(())
        }
        other => other.map(drop),
    }
}
