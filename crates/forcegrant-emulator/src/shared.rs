//! What all connections and the control API share.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::ids;
use crate::jwt::Signer;
use crate::state::EmulatorState;
use crate::tls::Authority;

/// A wait that a reset ends early.
pub(crate) type InterruptibleWait = Pin<Box<dyn Future<Output = Result<(), EndedByReset>> + Send>>;

/// The emulator was reset: a request that was in progress leaves no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EndedByReset;

pub(crate) struct SharedEmulator {
    state: Mutex<EmulatorState>,
    pub(crate) start_config: Config,
    pub(crate) authority: Arc<Authority>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) signer: Signer,
    pub(crate) https_port: u16,
    /// Of the control API: nobody guesses it.
    pub(crate) control_path: String,
    /// Whether only this machine reaches it.
    pub(crate) is_loopback: bool,
    /// Woken at each arrival of a request.
    pub(crate) arrived: Notify,
    signals: watch::Sender<Signals>,
    stop_asked: AtomicBool,
    stop: watch::Sender<bool>,
    panic: Mutex<Option<String>>,
}

#[derive(Clone, Copy, Default)]
struct Signals {
    generation: u64,
    releases: u64,
}

impl SharedEmulator {
    pub(crate) fn new(
        config: Config,
        authority: Arc<Authority>,
        tls: Arc<rustls::ServerConfig>,
        https_port: u16,
        is_loopback: bool,
    ) -> Self {
        Self {
            state: Mutex::new(EmulatorState::new(config.clone(), 0)),
            start_config: config,
            authority,
            tls,
            signer: Signer::new(),
            control_path: format!("/{}", ids::random_hex()),
            is_loopback,
            https_port,
            arrived: Notify::new(),
            signals: watch::Sender::new(Signals::default()),
            stop_asked: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            panic: Mutex::new(None),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, EmulatorState> {
        // A panic elsewhere is reported at the end; the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to a fresh state. Requests in progress end.
    pub(crate) fn reset(&self, config: Config) {
        let mut state = self.state();
        *state = EmulatorState::new(config, state.generation + 1);
        self.signals
            .send_modify(|signals| signals.generation = state.generation);
        self.arrived.notify_waiters();
    }

    /// Resumes all held requests and removes the rules that hold.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.faults.clear_holds();
        self.signals.send_modify(|signals| signals.releases += 1);
    }

    /// Waits for the next release. Call it under the lock of the state: a
    /// release that comes later is not missed.
    pub(crate) fn hold(&self, generation: u64) -> InterruptibleWait {
        let mut signals = self.signals.subscribe();
        let releases = signals.borrow().releases;
        Box::pin(async move {
            let changed = signals.wait_for(|signals| {
                signals.releases != releases || signals.generation != generation
            });
            match changed.await {
                Ok(signals) if signals.generation == generation => Ok(()),
                _ => Err(EndedByReset),
            }
        })
    }

    /// Waits for that much real time.
    pub(crate) fn pause(&self, time: Duration, generation: u64) -> InterruptibleWait {
        let mut signals = self.signals.subscribe();
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok(()),
                _ = signals.wait_for(|signals| signals.generation != generation) => Err(EndedByReset),
            }
        })
    }

    /// Stops once the response to this request has been sent.
    pub(crate) fn ask_to_stop(&self) {
        self.stop_asked.store(true, Ordering::Release);
    }

    pub(crate) fn stop_is_asked(&self) -> bool {
        self.stop_asked.load(Ordering::Acquire)
    }

    pub(crate) fn stop_if_asked(&self) {
        if self.stop_is_asked() {
            self.stop();
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.subscribe();
        async move {
            // An error means that the sender is gone: the emulator has stopped.
            let _ = stop.wait_for(|stopped| *stopped).await;
        }
    }

    /// Runs a connection; a panic in it is reported when the emulator is dropped.
    pub(crate) fn spawn(self: &Arc<Self>, connection: impl Future<Output = ()> + Send + 'static) {
        let mut connection = Box::pin(connection);
        let shared = Arc::clone(self);
        tokio::spawn(poll_fn(move |context| {
            let poll = AssertUnwindSafe(|| connection.as_mut().poll(context));
            catch_unwind(poll).unwrap_or_else(|payload| {
                shared.panicked(&*payload);
                Poll::Ready(())
            })
        }));
    }

    fn panicked(&self, payload: &(dyn Any + Send)) {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        let mut panic = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        panic.get_or_insert(text.unwrap_or_else(|| "a panic without a text".to_owned()));
    }

    /// The first panic of a connection.
    pub(crate) fn panic(&self) -> Option<String> {
        self.panic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl fmt::Debug for SharedEmulator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedEmulator")
            .finish_non_exhaustive()
    }
}
