//! Wall, boot-time and coarse clocks, and the clock that tests move by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

pub(crate) use forcegrant_proto::moment::{Moment, millis, to_system_time, to_wall};
use forcegrant_support::process::PerProcess;

/// Where a client reads the time.
#[derive(Clone, Debug, Default)]
pub struct Clock(TimeSource);

#[derive(Clone, Debug, Default)]
enum TimeSource {
    #[default]
    System,
    Test(TestClock),
}

impl Clock {
    /// The machine's clocks: the default.
    #[must_use]
    pub fn system() -> Self {
        Self(TimeSource::System)
    }

    pub(crate) fn now(&self) -> Moment {
        match &self.0 {
            TimeSource::System => Moment {
                wall: to_wall(SystemTime::now()),
                boot: system::boot(),
            },
            TimeSource::Test(test) => test.moment(),
        }
    }

    /// Wall-clock milliseconds, cheap and a few milliseconds late.
    #[inline]
    pub(crate) fn coarse_wall(&self) -> i64 {
        match &self.0 {
            TimeSource::System => system::coarse_wall(),
            TimeSource::Test(test) => test.moment().wall,
        }
    }

    /// A number that tells clocks apart: 0 is the machine's.
    pub(crate) fn identity(&self) -> u64 {
        match &self.0 {
            TimeSource::System => 0,
            TimeSource::Test(test) => test.0.identity,
        }
    }

    /// For how long a reading of both clocks may be reused, in milliseconds. Not at all with a test clock, which moves
    /// only by hand.
    pub(crate) fn view_length(&self) -> u64 {
        match &self.0 {
            TimeSource::System => 1_000,
            TimeSource::Test(_) => 0,
        }
    }
}

impl Clock {
    /// A future that is ready when a test clock has reached this time of its boot-time clock. `None`: this is not a test
    /// clock.
    pub(crate) fn moved_to(&self, boot: u64) -> Option<Moved> {
        match &self.0 {
            TimeSource::System => None,
            TimeSource::Test(test) => Some(Moved {
                until: boot,
                clock: test.clone(),
            }),
        }
    }
}

impl From<TestClock> for Clock {
    fn from(test: TestClock) -> Self {
        Self(TimeSource::Test(test))
    }
}

/// A clock that stands still until it is moved, so that code which waits for a token to end can
/// be tested without sleeping. Clones share the same time.
///
/// ```
/// use forcegrant::TestClock;
/// use std::time::{Duration, SystemTime};
///
/// let clock = TestClock::new(SystemTime::UNIX_EPOCH);
/// clock.advance(Duration::from_secs(90));
/// assert_eq!(clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(90));
/// ```
#[derive(Clone, Debug)]
pub struct TestClock(Arc<TestTime>);

#[derive(Debug)]
struct TestTime {
    identity: u64,
    wall: AtomicI64,
    boot: AtomicU64,
    /// The tasks that wait for it to move. A forked child has none.
    waiting: PerProcess<ClockWakers>,
}

#[derive(Debug, Default)]
struct ClockWakers(Mutex<Vec<Waker>>);

impl ClockWakers {
    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        // No user code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Is ready when a test clock has moved on.
#[derive(Debug)]
pub(crate) struct Moved {
    clock: TestClock,
    until: u64,
}

impl Future for Moved {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waiting = self.clock.0.waiting.current();
        let mut waiting = waiting.lock();
        // Under the lock, which `advance` takes after it has moved the clock.
        if self.clock.moment().boot >= self.until {
            return Poll::Ready(());
        }
        if !waiting.iter().any(|one| one.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl TestClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: SystemTime) -> Self {
        static IDENTITY: AtomicU64 = AtomicU64::new(1);
        Self(Arc::new(TestTime {
            identity: IDENTITY.fetch_add(1, Ordering::Relaxed),
            wall: AtomicI64::new(to_wall(start)),
            boot: AtomicU64::new(0),
            waiting: PerProcess::default(),
        }))
    }

    /// A clock that shows the present time and stands still.
    #[must_use]
    pub fn starting_now() -> Self {
        Self::new(SystemTime::now())
    }

    /// Lets time pass: both the wall clock and the boot-time clock move. Whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = millis(by);
        self.0.boot.fetch_add(by, Ordering::SeqCst);
        self.0
            .wall
            .fetch_add(i64::try_from(by).unwrap_or(i64::MAX), Ordering::SeqCst);
        let waiting = std::mem::take(&mut *self.0.waiting.current().lock());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Steps the wall clock alone, as a time server or an administrator does; it may go back.
    pub fn set_wall(&self, time: SystemTime) {
        self.0.wall.store(to_wall(time), Ordering::SeqCst);
    }

    /// What the wall clock shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        to_system_time(self.moment().wall)
    }

    fn moment(&self) -> Moment {
        Moment {
            wall: self.0.wall.load(Ordering::SeqCst),
            boot: self.0.boot.load(Ordering::SeqCst),
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use rustix::time::{ClockId, Timespec, clock_gettime};

    pub(super) fn boot() -> u64 {
        u64::try_from(to_millis(clock_gettime(ClockId::Boottime))).unwrap_or(0)
    }

    #[inline]
    pub(super) fn coarse_wall() -> i64 {
        to_millis(clock_gettime(ClockId::RealtimeCoarse))
    }

    #[inline]
    fn to_millis(time: Timespec) -> i64 {
        time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }
}

/// On other systems `Instant` is the boot-time clock. On macOS it stops during sleep, for which the wall clock makes up;
/// on Windows it goes on.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime};

    static START: OnceLock<Instant> = OnceLock::new();

    pub(super) fn boot() -> u64 {
        super::millis(START.get_or_init(Instant::now).elapsed())
    }

    pub(super) fn coarse_wall() -> i64 {
        super::to_wall(SystemTime::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn either_clock_can_say_that_time_passed() {
        let start = Moment {
            wall: 10_000,
            boot: 500,
        };
        let stepped_back = Moment { wall: 0, boot: 800 };
        let stepped_on = Moment {
            wall: 70_000,
            boot: 500,
        };
        assert_eq!(stepped_back.since(start), 300);
        assert_eq!(stepped_on.since(start), 60_000);
    }

    #[test]
    fn system_clocks_agree_roughly() {
        let clock = Clock::system();
        let now = clock.now();
        assert!(now.wall.abs_diff(clock.coarse_wall()) < 1_000);
        assert!(clock.now().boot >= now.boot);
    }

    struct WakeSignal(Mutex<std::sync::mpsc::Sender<()>>);

    impl std::task::Wake for WakeSignal {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().send(()).unwrap();
        }
    }

    #[test]
    fn a_test_clock_wakes_who_waits_for_it() {
        let test = TestClock::new(UNIX_EPOCH);
        let clock = Clock::from(test.clone());
        let (sender, receiver) = std::sync::mpsc::channel();
        let waker = Waker::from(Arc::new(WakeSignal(Mutex::new(sender))));
        let mut context = Context::from_waker(&waker);
        let mut moved = clock.moved_to(1_000).unwrap();
        let mut poll = || Pin::new(&mut moved).poll(&mut context).is_ready();
        assert!(!poll() && !poll());
        test.advance(Duration::from_millis(999));
        assert_eq!(receiver.try_iter().count(), 1, "woken once, for one poll");
        assert!(!poll());
        test.advance(Duration::from_millis(1));
        assert!(receiver.try_recv().is_ok() && poll());
        assert!(Clock::system().moved_to(0).is_none());
    }

    #[test]
    fn test_clock_moves_by_hand_only() {
        let test = TestClock::new(UNIX_EPOCH + Duration::from_secs(100));
        let clock = Clock::from(test.clone());
        let before = clock.now();
        assert_eq!(clock.now(), before);
        test.advance(Duration::from_secs(5));
        assert_eq!(clock.now().since(before), 5_000);
        test.set_wall(UNIX_EPOCH);
        assert_eq!(clock.now().wall, 0);
        assert_eq!(clock.now().since(before), 5_000);
    }
}
