//! The limits of a pool's logins. Their order is decided in `login_queue`.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::login_queue::{IDLE_CAPACITY, Lane, LoginQueue, NextLogin, PacingSettings, WaiterId};
use crate::clock::{Clock, millis};
use crate::login_permits::{AcquiringPermit, LoginPermit, LoginPermits};
use crate::single_flight::InFlight;
use crate::worker;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_proto::token::Token;
use forcegrant_support::process::{PerProcess, ProcessRef};

/// One for all the logins of a pool.
#[derive(Debug)]
pub(super) struct LoginLimiter(Arc<LimiterInner>);

#[derive(Debug)]
struct LimiterInner {
    settings: PacingSettings,
    clock: Clock,
    /// A forked child has neither the parent's logins nor its locks.
    state: PerProcess<Mutex<LimiterState>>,
}

#[derive(Debug, Default)]
struct LimiterState {
    /// Made at the first login.
    queue: Option<LoginQueue>,
    waiters: HashMap<WaiterId, oneshot::Sender<()>>,
    last: WaiterId,
    /// A timer is running that grants permits when the rate allows.
    is_timed: bool,
}

type LimiterStateRef = ProcessRef<Mutex<LimiterState>>;

/// A login in the queue, which it leaves when this is dropped.
struct QueuedLogin {
    limiter: Arc<LimiterInner>,
    state: LimiterStateRef,
    id: WaiterId,
    is_over: bool,
}

/// The right to log in; ends when it is dropped.
struct Permit {
    limiter: Arc<LimiterInner>,
    state: LimiterStateRef,
    lane: Lane,
}

/// The time until the rate allows another login: by the clock's boot time, and by real time.
struct Pause {
    until: u64,
    length: Duration,
}

impl LoginLimiter {
    pub(super) fn new(settings: PacingSettings, clock: Clock) -> Self {
        Self(Arc::new(LimiterInner {
            settings,
            clock,
            state: PerProcess::default(),
        }))
    }
}

impl LoginPermits for LoginLimiter {
    fn acquire<'a>(
        &'a self,
        flight: &'a InFlight<Token>,
        background: bool,
        limit: Duration,
    ) -> AcquiringPermit<'a> {
        Box::pin(async move {
            let permit = self.0.acquire(flight, background, limit).await?;
            Ok(Box::new(permit) as Box<dyn LoginPermit>)
        })
    }

    #[cfg(all(test, not(shuttle)))]
    fn waiting(&self) -> usize {
        let state = self.0.state.current();
        let state = lock(&state);
        state.queue.as_ref().map_or(0, LoginQueue::waiting)
    }
}

impl LimiterInner {
    /// `limit` is by real time or by a test clock.
    async fn acquire(
        self: &Arc<Self>,
        flight: &InFlight<Token>,
        background: bool,
        limit: Duration,
    ) -> Result<Permit, Error> {
        let state = self.state.current();
        let late = self.clock.now().boot.saturating_add(millis(limit));
        let mut moved = self.clock.moved_to(late);
        let (grant, mut granted) = oneshot::channel();
        let mut waiter = self.enqueue(&state, grant, !background);
        let id = waiter.id;
        if background {
            let (limiter, state) = (Arc::clone(self), state.clone());
            flight.on_awaited(move || limiter.queue(&mut lock(&state)).promote(id));
        }
        self.grant_permits(&state);
        if background {
            let _ = granted.await;
        } else {
            let granted_or_moved = poll_fn(|context| {
                let granted = Pin::new(&mut granted).poll(context).is_ready();
                let moved = moved.as_mut();
                let is_late = moved.is_some_and(|moved| Pin::new(moved).poll(context).is_ready());
                if granted || is_late {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            let _ = timeout(limit, granted_or_moved).await;
        }
        waiter.take().ok_or_else(|| {
            let state = lock(&state);
            let waiting = state.queue.as_ref().map_or(0, LoginQueue::waiting);
            timed_out(limit, waiting)
        })
    }

    fn enqueue(
        self: &Arc<Self>,
        state: &LimiterStateRef,
        grant: oneshot::Sender<()>,
        urgent: bool,
    ) -> QueuedLogin {
        let mut locked = lock(state);
        locked.last += 1;
        let id = locked.last;
        locked.waiters.insert(id, grant);
        self.queue(&mut locked).arrive(id, urgent);
        QueuedLogin {
            limiter: Arc::clone(self),
            state: state.clone(),
            id,
            is_over: false,
        }
    }

    fn queue<'a>(&self, state: &'a mut LimiterState) -> &'a mut LoginQueue {
        let now = self.clock.now().boot;
        state
            .queue
            .get_or_insert_with(|| LoginQueue::new(self.settings, now))
    }

    /// Grants permits to the logins that may start, and sets a timer for the next if only the rate holds it back.
    fn grant_permits(self: &Arc<Self>, state: &LimiterStateRef) {
        let mut locked = lock(state);
        let Some(mut pause) = self.grant(&mut locked) else {
            return;
        };
        if locked.is_timed {
            return;
        }
        let (limiter, state) = (Arc::clone(self), state.clone());
        let timer = worker::spawn(async move {
            loop {
                match limiter.clock.moved_to(pause.until) {
                    Some(moved) => moved.await,
                    None => sleep(pause.length).await,
                }
                let mut locked = lock(&state);
                let Some(another) = limiter.grant(&mut locked) else {
                    locked.is_timed = false;
                    return;
                };
                pause = another;
            }
        });
        // Without a thread the next login that comes or ends tries again.
        locked.is_timed = timer.is_ok();
    }

    /// `Some`: the next login may start after this.
    fn grant(&self, state: &mut LimiterState) -> Option<Pause> {
        let now = self.clock.now().boot;
        loop {
            match self.queue(state).next(now) {
                NextLogin::Start(waiter) => {
                    // If it does not wait any more, its drop gives the permit back.
                    if let Some(grant) = state.waiters.remove(&waiter) {
                        let _ = grant.send(());
                    }
                }
                NextLogin::Wait(wait) => {
                    return Some(Pause {
                        until: now.saturating_add(wait),
                        length: Duration::from_millis(wait),
                    });
                }
                NextLogin::Nothing => {
                    if state.waiters.is_empty() {
                        state.waiters.shrink_to(IDLE_CAPACITY);
                    }
                    return None;
                }
            }
        }
    }
}

impl QueuedLogin {
    /// Leaves the queue, with a permit if there was one.
    fn take(&mut self) -> Option<Permit> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let mut state = lock(&self.state);
        if state.waiters.remove(&self.id).is_some() {
            self.limiter.queue(&mut state).leave(self.id);
            return None;
        }
        Some(Permit {
            limiter: Arc::clone(&self.limiter),
            state: self.state.clone(),
            lane: Lane::Quick,
        })
    }
}

impl Drop for QueuedLogin {
    fn drop(&mut self) {
        // A permit that was not taken is given back.
        drop(self.take());
    }
}

impl LoginPermit for Permit {
    fn slow_after(&self) -> Duration {
        self.limiter.settings.slow_after
    }

    fn slow_down(&mut self) {
        self.lane = Lane::Slow;
        self.limiter.queue(&mut lock(&self.state)).slow_down();
        self.limiter.grant_permits(&self.state);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter
            .queue(&mut lock(&self.state))
            .complete(self.lane);
        self.limiter.grant_permits(&self.state);
    }
}

fn lock(state: &Mutex<LimiterState>) -> MutexGuard<'_, LimiterState> {
    // No foreign code runs under this lock.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn timed_out(limit: Duration, waiting: usize) -> Error {
    Error::new(
        ErrorCode::Timeout,
        format!("timed out after {limit:?} waiting to log in; {waiting} logins are queued in this pool"),
    )
    .with_help("The pool starts only so many logins in a second and at once: `logins_per_second` and `concurrent_logins`.\nLog in ahead with `prewarm`, allow more, or give callers more time with `total_timeout`.")
}
