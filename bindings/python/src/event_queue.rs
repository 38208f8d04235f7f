//! The way of a client's events to Python. No native thread touches the interpreter, so events wait
//! here until a Python thread comes by.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use forcegrant::{ClientBuilder, ClientPoolBuilder, ffi};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::event::Event;
use crate::per_process::PerProcess;
use crate::python_call;

/// Events that may wait; then the oldest make room.
const MOST: usize = 256;

#[derive(Default)]
pub(crate) struct EventQueue {
    /// Whether any event waits: all that a caller looks at mostly.
    some: AtomicBool,
    /// In a forked child the events are the parent's.
    desk: PerProcess<Desk>,
}

#[derive(Default)]
struct Desk {
    waiting: Mutex<Waiting>,
    /// Somebody delivers; whoever comes by leaves it to them, so that events stay in order.
    busy: AtomicBool,
}

/// An event, when it was, and of which client of a pool.
struct Told {
    at: SystemTime,
    event: forcegrant::Event,
    of: Option<Member>,
}

/// A client of a pool.
struct Member {
    host: String,
    key: String,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Told>,
    missed: u64,
}

impl EventQueue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Has the builder's client send its events here.
    pub(crate) fn attach(self: &Arc<Self>, builder: ClientBuilder) -> ClientBuilder {
        let event_queue = Arc::clone(self);
        ffi::on_event(builder, move |event| event_queue.put(event, None))
    }

    /// The same for the clients of a pool.
    pub(crate) fn attach_pool(self: &Arc<Self>, builder: ClientPoolBuilder) -> ClientPoolBuilder {
        let event_queue = Arc::clone(self);
        ffi::on_pool_event(builder, move |host, key, event| {
            let (host, key) = (host.to_owned(), key.to_owned());
            event_queue.put(event, Some(Member { host, key }));
        })
    }

    fn put(&self, event: &forcegrant::Event, of: Option<Member>) {
        let desk = self.desk.current();
        let mut waiting = desk.lock();
        if waiting.events.len() == MOST {
            waiting.events.pop_front();
            waiting.missed += 1;
        }
        waiting.events.push_back(Told {
            at: SystemTime::now(),
            event: event.clone(),
            of,
        });
        self.some.store(true, Ordering::Release);
    }

    /// Hands what waits to the listener and to `logging`, on this thread. What a listener throws
    /// goes to `sys.unraisablehook`; only what is to end the program (Ctrl-C) goes to the caller.
    #[inline]
    pub(crate) fn deliver(
        &self,
        py: Python<'_>,
        host: &str,
        listener: Option<&Py<PyAny>>,
    ) -> PyResult<()> {
        if self.some.load(Ordering::Acquire) {
            return self.hand_over(py, host, listener);
        }
        Ok(())
    }

    #[cold]
    fn hand_over(&self, py: Python<'_>, host: &str, listener: Option<&Py<PyAny>>) -> PyResult<()> {
        let desk = self.desk.current();
        // Again when others came by while this thread was about to leave.
        while self.some.load(Ordering::Acquire) {
            let Some(_turn) = Turn::take(&desk) else {
                return Ok(());
            };
            // Nothing of Python's runs under the lock.
            while let Some((told, missed)) = self.next(&desk) {
                let of = told.of.as_ref();
                let (host, key) = of.map_or((host, None), |of| (of.host.as_str(), Some(&of.key)));
                let event = Event::new(py, &told.event, host, told.at, missed)?;
                let event = Py::new(py, event.of_key(key))?;
                if let Some(listener) = listener {
                    contain(
                        py,
                        listener,
                        python_call::call(listener.bind(py), (&event,), None).map(drop),
                    )?;
                }
                log(py, &event)?;
            }
        }
        Ok(())
    }

    fn next(&self, desk: &Desk) -> Option<(Told, u64)> {
        let mut waiting = desk.lock();
        let Some(told) = waiting.events.pop_front() else {
            self.some.store(false, Ordering::Release);
            return None;
        };
        Some((told, std::mem::take(&mut waiting.missed)))
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to deliver; it ends whatever happens.
struct Turn<'a>(&'a Desk);

impl<'a> Turn<'a> {
    fn take(desk: &'a Desk) -> Option<Self> {
        // Not `then_some`: dropping what it would make ends the turn of whoever has it.
        (!desk.busy.swap(true, Ordering::AcqRel)).then(|| Self(desk))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// To `logging`, if anything imported it: else there is nobody to read it.
fn log(py: Python<'_>, event: &Py<Event>) -> PyResult<()> {
    let logging = || {
        let modules = py.import("sys")?.getattr("modules")?;
        if modules.contains("logging")? {
            let log = python_call::module(py, "forcegrant._events")?.getattr("log")?;
            python_call::call(&log, (event,), None)?;
        }
        Ok(())
    };
    contain(py, event.as_any(), logging())
}

fn contain(py: Python<'_>, whose: &Py<PyAny>, outcome: PyResult<()>) -> PyResult<()> {
    match outcome {
        Err(error) if error.is_instance_of::<PyException>(py) => {
            python_call::unraisable(error, whose.bind(py));
            Ok(())
        }
        other => other,
    }
}
