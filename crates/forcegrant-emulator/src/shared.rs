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
use crate::jwt::Signer;
use crate::state::State;
use crate::tls::Authority;

/// A wait that a reset cuts short.
pub(crate) type Pause = Pin<Box<dyn Future<Output = Result<(), Ended>> + Send>>;

/// A reset came: what was under way is to leave no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended;

pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) start_config: Config,
    pub(crate) authority: Arc<Authority>,
    pub(crate) tls: Arc<rustls::ServerConfig>,
    pub(crate) signer: Signer,
    pub(crate) https_port: u16,
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

impl Shared {
    pub(crate) fn new(
        config: Config,
        authority: Arc<Authority>,
        tls: Arc<rustls::ServerConfig>,
        https_port: u16,
    ) -> Self {
        Self {
            state: Mutex::new(State::new(config.clone(), 0)),
            start_config: config,
            authority,
            tls,
            signer: Signer::new(),
            https_port,
            arrived: Notify::new(),
            signals: watch::Sender::new(Signals::default()),
            stop_asked: AtomicBool::new(false),
            stop: watch::Sender::new(false),
            panic: Mutex::new(None),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere is reported at the end; the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to a fresh state. Whatever was under way ends.
    pub(crate) fn reset(&self, config: Config) {
        let mut state = self.state();
        *state = State::new(config, state.generation + 1);
        self.signals
            .send_modify(|signals| signals.generation = state.generation);
        self.arrived.notify_waiters();
    }

    /// Lets all held requests go on and removes the rules that hold.
    pub(crate) fn release(&self) {
        let mut state = self.state();
        state.faults.clear_holds();
        self.signals.send_modify(|signals| signals.releases += 1);
    }

    /// Waits for the next release. Call it under the lock of the state: a
    /// release that comes later is not missed.
    pub(crate) fn hold(&self, generation: u64) -> Pause {
        let mut signals = self.signals.subscribe();
        let releases = signals.borrow().releases;
        Box::pin(async move {
            let changed = signals.wait_for(|signals| {
                signals.releases != releases || signals.generation != generation
            });
            match changed.await {
                Ok(signals) if signals.generation == generation => Ok(()),
                _ => Err(Ended),
            }
        })
    }

    /// Waits for that much real time.
    pub(crate) fn pause(&self, time: Duration, generation: u64) -> Pause {
        let mut signals = self.signals.subscribe();
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok(()),
                _ = signals.wait_for(|signals| signals.generation != generation) => Err(Ended),
            }
        })
    }

    /// Stops as soon as the one who asked has an answer.
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
            // An error means that the sender is gone, which is stopped as well.
            let _ = stop.wait_for(|stopped| *stopped).await;
        }
    }

    /// Runs a connection; a panic in it is kept for the end.
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

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
