//! Single flight: at most one login of a client is in flight in a process, and it belongs to none of
//! its waiters.

use std::fmt;
use std::sync::PoisonError;

use crate::sync::{Arc, Mutex, MutexGuard};
use crate::wait::{Pending, Promise, lost};
use forcegrant_proto::error::Error;

/// At most one operation at a time, whose result all its waiters share. Code that changes the same state as the
/// operation holds this lock.
pub(crate) struct SingleFlight<T: Clone>(Mutex<Option<Arc<Flight<T>>>>);

/// The lock, held.
pub(crate) struct SingleFlightGuard<'a, T: Clone>(MutexGuard<'a, Option<Arc<Flight<T>>>>);

/// The end of an operation in flight that does the work. Its waiters always get a result: the one of
/// [`InFlight::complete`], or an error when this is dropped by a panic or with its runtime.
#[must_use = "dropping it tells the waiters that the work was lost"]
pub(crate) struct InFlight<T: Clone>(Arc<Flight<T>>);

struct Flight<T: Clone> {
    result: Promise<T>,
    awaited: Mutex<Awaited>,
}

/// Whether a caller waits for an operation, which may have been started ahead of the callers.
enum Awaited {
    /// Not yet; what to call as soon as one does.
    No(Option<Box<dyn FnOnce() + Send>>),
    Yes,
}

impl<T: Clone> SingleFlight<T> {
    pub(crate) fn lock(&self) -> SingleFlightGuard<'_, T> {
        SingleFlightGuard(lock(&self.0))
    }
}

impl<T: Clone> SingleFlightGuard<'_, T> {
    fn current(&self) -> Option<&Arc<Flight<T>>> {
        self.0.as_ref().filter(|flight| !flight.result.is_kept())
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.current().is_some()
    }

    /// Waits for what is in flight, if something is.
    pub(crate) fn flight(&self) -> Option<Pending<T>> {
        self.current().map(|flight| flight.result.pending())
    }

    /// Notes that a caller waits for what is in flight.
    pub(crate) fn mark_awaited(&self) {
        if let Some(flight) = self.current() {
            let before = std::mem::replace(&mut *lock(&flight.awaited), Awaited::Yes);
            if let Awaited::No(Some(call)) = before {
                call();
            }
        }
    }

    /// Joins what is in flight, or starts it with `start`.
    pub(crate) fn join_or_start(
        &mut self,
        start: impl FnOnce(InFlight<T>) -> Result<(), Error>,
    ) -> Pending<T> {
        if let Some(pending) = self.flight() {
            return pending;
        }
        let in_flight = self.begin();
        let pending = in_flight.0.result.pending();
        match start(in_flight) {
            Ok(()) => pending,
            // `start` has dropped it, and the error of that says less than this one.
            Err(error) => Pending::ready(Err(error)),
        }
    }

    /// Begins an operation, where none is in flight.
    pub(crate) fn begin(&mut self) -> InFlight<T> {
        let flight = Arc::new(Flight {
            result: Promise::new(),
            awaited: Mutex::new(Awaited::No(None)),
        });
        *self.0 = Some(Arc::clone(&flight));
        InFlight(flight)
    }

    /// Frees the memory of a flight that is over.
    pub(crate) fn clear(&mut self) {
        if !self.is_in_flight() {
            *self.0 = None;
        }
    }
}

impl<T: Clone> InFlight<T> {
    /// Calls `call` once, as soon as a caller waits for the result: at once if one does already.
    pub(crate) fn on_awaited(&self, call: impl FnOnce() + Send + 'static) {
        if let Awaited::No(callback) = &mut *lock(&self.0.awaited) {
            *callback = Some(Box::new(call));
            return;
        }
        call();
    }

    /// Gives the waiters the result. From here on the next caller starts another flight.
    pub(crate) fn complete(self, result: &Result<T, Error>) {
        self.0.result.keep(result);
    }
}

impl<T: Clone> Drop for InFlight<T> {
    fn drop(&mut self) {
        // Without effect after `complete`.
        self.0.result.keep(&Err(lost()));
    }
}

/// No foreign code runs under these locks, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Clone> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SingleFlight")
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use forcegrant_proto::error::ErrorCode;

    fn result(mut pending: Pending<u8>) -> Option<Result<u8, &'static str>> {
        let result = pending.wait_timeout(Duration::ZERO)?;
        Some(result.map_err(|error| error.code().as_str()))
    }

    #[test]
    fn callers_share_one_flight_until_it_completes() {
        let single_flight = SingleFlight::default();
        let mut flights = Vec::new();
        let mut join_or_start = || {
            single_flight.lock().join_or_start(|flight| {
                flights.push(flight);
                Ok(())
            })
        };
        let (first, second) = (join_or_start(), join_or_start());
        assert!(single_flight.lock().is_in_flight());
        assert_eq!(flights.len(), 1);
        flights.pop().unwrap().complete(&Ok(7));
        assert!(!single_flight.lock().is_in_flight() && single_flight.lock().flight().is_none());
        assert_eq!(result(first), Some(Ok(7)));
        assert_eq!(result(second), Some(Ok(7)));
    }

    #[test]
    fn a_flight_that_cannot_start_is_an_error_and_the_next_call_tries_again() {
        let single_flight = SingleFlight::<u8>::default();
        // The flight is dropped while the lock is held, as by a worker that cannot start.
        let refused = single_flight
            .lock()
            .join_or_start(|_| Err(Error::new(ErrorCode::WorkerUnavailable, "no thread")));
        assert_eq!(result(refused), Some(Err("worker_unavailable")));
        let next = single_flight.lock().join_or_start(|flight| {
            flight.complete(&Ok(7));
            Ok(())
        });
        assert_eq!(result(next), Some(Ok(7)));
    }

    #[test]
    fn a_flight_is_told_once_that_a_caller_waits_for_it() {
        let single_flight = SingleFlight::<u8>::default();
        let flight = single_flight.lock().begin();
        let (sender, receiver) = std::sync::mpsc::channel();
        let tell = |name| {
            let sender = sender.clone();
            move || sender.send(name).unwrap()
        };
        flight.on_awaited(tell("first"));
        assert!(receiver.try_recv().is_err());
        single_flight.lock().mark_awaited();
        single_flight.lock().mark_awaited();
        flight.on_awaited(tell("at once"));
        assert_eq!(
            receiver.try_iter().collect::<Vec<_>>(),
            ["first", "at once"]
        );
    }

    #[test]
    fn a_lost_flight_is_an_error_for_its_waiters() {
        let single_flight = SingleFlight::<u8>::default();
        let mut in_flight = None;
        let waiter = single_flight.lock().join_or_start(|flight| {
            in_flight = Some(flight);
            Ok(())
        });
        drop(in_flight);
        assert_eq!(result(waiter), Some(Err("internal")));
        assert!(!single_flight.lock().is_in_flight());
    }
}

/// Every interleaving that the model checker finds of callers who join, leave and wait while flights
/// complete or are lost.
#[cfg(all(test, shuttle))]
mod model {
    use shuttle::sync::atomic::{AtomicUsize, Ordering};
    use shuttle::{check_pct, check_random, future, thread};

    use super::*;

    struct World {
        single_flight: SingleFlight<usize>,
        started: AtomicUsize,
        in_flight: AtomicUsize,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                single_flight: SingleFlight::default(),
                started: AtomicUsize::new(0),
                in_flight: AtomicUsize::new(0),
            })
        }

        fn join_or_start(self: &Arc<Self>, end: fn(InFlight<usize>, usize)) -> Pending<usize> {
            self.single_flight.lock().join_or_start(|flight| {
                let number = self.started.fetch_add(1, Ordering::SeqCst);
                assert_eq!(
                    self.in_flight.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two flights at once"
                );
                let world = Arc::clone(self);
                thread::spawn(move || {
                    thread::yield_now();
                    world.in_flight.fetch_sub(1, Ordering::SeqCst);
                    end(flight, number);
                });
                Ok(())
            })
        }
    }

    fn complete(flight: InFlight<usize>, number: usize) {
        flight.complete(&Ok(number));
    }

    fn lose(flight: InFlight<usize>, _: usize) {
        drop(flight);
    }

    fn check(body: impl Fn() + Send + Sync + Clone + 'static) {
        check_random(body.clone(), 2_000);
        check_pct(body, 2_000, 3);
    }

    #[test]
    fn every_caller_gets_a_result_and_flights_never_overlap() {
        check(|| {
            let world = World::new();
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let world = Arc::clone(&world);
                    thread::spawn(move || future::block_on(world.join_or_start(complete)).unwrap())
                })
                .collect();
            for caller in callers {
                let number = caller.join().unwrap();
                assert!(number < world.started.load(Ordering::SeqCst));
            }
        });
    }

    #[test]
    fn a_caller_who_leaves_disturbs_no_other() {
        check(|| {
            let world = World::new();
            let first = world.join_or_start(complete);
            let second = world.join_or_start(complete);
            let leaver = thread::spawn(move || drop(first));
            future::block_on(second).unwrap();
            leaver.join().unwrap();
        });
    }

    #[test]
    fn a_lost_flight_wakes_every_caller_and_the_next_works() {
        check(|| {
            let world = World::new();
            let other = Arc::clone(&world);
            let caller = thread::spawn(move || future::block_on(other.join_or_start(lose)));
            let mine = future::block_on(world.join_or_start(lose));
            assert_eq!(mine.unwrap_err().code(), "internal");
            assert!(caller.join().unwrap().is_err());
            future::block_on(world.join_or_start(complete)).unwrap();
        });
    }

    #[test]
    fn a_flight_is_told_once_that_a_caller_waits_in_any_order() {
        check(|| {
            let single_flight = Arc::new(SingleFlight::<usize>::default());
            let flight = single_flight.lock().begin();
            let callers: Vec<_> = (0..2)
                .map(|_| {
                    let single_flight = Arc::clone(&single_flight);
                    thread::spawn(move || single_flight.lock().mark_awaited())
                })
                .collect();
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&calls);
            flight.on_awaited(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            });
            for caller in callers {
                caller.join().unwrap();
            }
            assert_eq!(calls.load(Ordering::SeqCst), 1);
        });
    }
}
