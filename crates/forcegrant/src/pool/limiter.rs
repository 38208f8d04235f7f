//! Where logins wait for their turn. The order and the pace are decided in `pacing`.

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::{Clock, millis};
use crate::pool::login_queue::{KEPT, Lane, LoginQueue, Next, PacingSettings, WaiterId};
use crate::worker;
use forcegrant_proto::error::{Error, ErrorCode};
use forcegrant_support::process::{PerProcess, ProcessRef};

const SLOW_AFTER: Duration = Duration::from_secs(2);

/// One for all the logins of a pool.
#[derive(Debug)]
pub(crate) struct LoginLimiter {
    settings: PacingSettings,
    clock: Clock,
    /// A login in flight for so long is slow.
    pub(crate) slow_after: Duration,
    /// A forked child has neither the parent's logins nor its locks.
    room: PerProcess<Room>,
}

#[derive(Default)]
struct Room(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    /// Made when the first login comes.
    queue: Option<LoginQueue>,
    doors: HashMap<WaiterId, oneshot::Sender<()>>,
    last: WaiterId,
    /// A timer runs that looks again when the rate allows.
    is_timed: bool,
}

/// Leave to be in flight; ends with its drop.
pub(crate) struct Permit {
    limiter: Arc<LoginLimiter>,
    room: ProcessRef<Room>,
    lane: Lane,
}

/// Where a login shows its place in the line, so that others can hurry it.
#[derive(Debug, Default)]
pub(crate) struct QueuePosition(AtomicU64);

/// The bit beside the ticket that says: somebody waits for it.
const AWAITED: u64 = 1 << 63;

/// Until the rate allows another login: by the clock's boot time, and how long that is from now.
struct Pause {
    until: u64,
    length: Duration,
}

/// A place in the line; given up with its drop.
struct Waiter<'a> {
    limiter: &'a Arc<LoginLimiter>,
    room: ProcessRef<Room>,
    id: WaiterId,
    position: &'a QueuePosition,
}

impl QueuePosition {
    /// Before each login: nobody waits for it yet.
    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

impl LoginLimiter {
    pub(crate) fn new(settings: PacingSettings, clock: Clock) -> Self {
        Self {
            settings,
            clock,
            slow_after: SLOW_AFTER,
            room: PerProcess::default(),
        }
    }

    /// Waits for the turn of a login. `limit`: the longest wait of a login that somebody waits for, by
    /// real time or by a test clock; one in the background waits for as long as it takes.
    pub(crate) async fn pass(
        self: &Arc<Self>,
        position: &QueuePosition,
        background: bool,
        limit: Duration,
    ) -> Result<Permit, Error> {
        let room = self.room.current();
        let late = self.clock.now().boot.saturating_add(millis(limit));
        let mut moved = self.clock.moved_to(late);
        let (door, mut opened) = oneshot::channel();
        let place = {
            let mut inside = room.lock();
            inside.last += 1;
            let waiter = inside.last;
            inside.doors.insert(waiter, door);
            // Whoever hurries it sees the ticket, or is seen here.
            let awaited = position.0.swap(waiter, Ordering::SeqCst) & AWAITED != 0;
            let urgent = awaited || !background;
            self.queue(&mut inside).arrive(waiter, urgent);
            Waiter {
                limiter: self,
                room: room.clone(),
                id: waiter,
                position,
            }
        };
        self.open_doors(&room);
        if background {
            let _ = opened.await;
        } else {
            let opened_or_moved = poll_fn(|context| {
                let opened = Pin::new(&mut opened).poll(context).is_ready();
                let moved = moved.as_mut();
                let is_late = moved.is_some_and(|moved| Pin::new(moved).poll(context).is_ready());
                if opened || is_late {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            let _ = tokio::time::timeout(limit, opened_or_moved).await;
        }
        place.leave().ok_or_else(|| {
            let waiting = room.lock().queue.as_ref().map_or(0, LoginQueue::waiting);
            no_turn(limit, waiting)
        })
    }

    /// Somebody waits for the login whose turn this is.
    pub(crate) fn promote(&self, position: &QueuePosition) {
        let waiter = position.0.fetch_or(AWAITED, Ordering::SeqCst) & !AWAITED;
        if waiter != 0 {
            let room = self.room.current();
            self.queue(&mut room.lock()).promote(waiter);
        }
    }

    /// How many logins wait for their turn.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let room = self.room.current();
        let inside = room.lock();
        inside.queue.as_ref().map_or(0, LoginQueue::waiting)
    }

    fn queue<'a>(&self, inside: &'a mut Inside) -> &'a mut LoginQueue {
        let now = self.clock.now().boot;
        inside
            .queue
            .get_or_insert_with(|| LoginQueue::new(self.settings, now))
    }

    /// Lets in who may start, and sets a timer for the next if only the rate holds it back.
    fn open_doors(self: &Arc<Self>, room: &ProcessRef<Room>) {
        let mut inside = room.lock();
        let Some(mut pause) = self.open(&mut inside) else {
            return;
        };
        if inside.is_timed {
            return;
        }
        let (limiter, own) = (Arc::clone(self), room.clone());
        let timer = worker::spawn(async move {
            loop {
                match limiter.clock.moved_to(pause.until) {
                    Some(moved) => moved.await,
                    None => tokio::time::sleep(pause.length).await,
                }
                let mut inside = own.lock();
                let Some(another) = limiter.open(&mut inside) else {
                    inside.is_timed = false;
                    return;
                };
                pause = another;
            }
        });
        // Without a thread the next login that comes or ends tries again.
        inside.is_timed = timer.is_ok();
    }

    /// `Some`: the next may start after this.
    fn open(&self, inside: &mut Inside) -> Option<Pause> {
        let now = self.clock.now().boot;
        loop {
            match self.queue(inside).next(now) {
                Next::Start(waiter) => {
                    // Should nobody stand there any more, the place's drop gives the permit back.
                    if let Some(door) = inside.doors.remove(&waiter) {
                        let _ = door.send(());
                    }
                }
                Next::Wait(wait) => {
                    return Some(Pause {
                        until: now.saturating_add(wait),
                        length: Duration::from_millis(wait),
                    });
                }
                Next::Nothing => {
                    if inside.doors.is_empty() {
                        inside.doors.shrink_to(KEPT);
                    }
                    return None;
                }
            }
        }
    }
}

impl Permit {
    /// Runs a login. One that takes long is counted apart from the quick ones.
    pub(crate) async fn carry<F: Future + Unpin>(mut self, mut login: F) -> F::Output {
        if let Ok(output) = tokio::time::timeout(self.limiter.slow_after, &mut login).await {
            return output;
        }
        self.lane = Lane::Slow;
        self.limiter.queue(&mut self.room.lock()).slow_down();
        self.limiter.open_doors(&self.room);
        login.await
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.limiter
            .queue(&mut self.room.lock())
            .complete(self.lane);
        self.limiter.open_doors(&self.room);
    }
}

impl Waiter<'_> {
    /// The permit, if the door was opened.
    fn leave(&self) -> Option<Permit> {
        if self.position.0.swap(0, Ordering::SeqCst) & !AWAITED != self.id {
            return None;
        }
        let mut inside = self.room.lock();
        if inside.doors.remove(&self.id).is_some() {
            self.limiter.queue(&mut inside).leave(self.id);
            return None;
        }
        Some(Permit {
            limiter: Arc::clone(self.limiter),
            room: self.room.clone(),
            lane: Lane::Quick,
        })
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // A permit that nobody took is given back.
        drop(self.leave());
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        // No foreign code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

fn no_turn(limit: Duration, waiting: usize) -> Error {
    Error::new(
        ErrorCode::Timeout,
        format!("the login had no turn within {limit:?}: {waiting} logins of this pool wait"),
    )
    .with_help("The pool starts only so many logins in a second and at once: `logins_per_second` and `concurrent_logins`.\nLog in ahead with `prewarm`, allow more, or give callers more time with `total_timeout`.")
}
