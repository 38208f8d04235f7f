//! Single flight: at most one login is in flight for a client and process, and it belongs to
//! nobody who waits for it.

use std::fmt;
use std::sync::PoisonError;

use crate::sync::{Arc, Mutex, MutexGuard};
use crate::wait::{Pending, Promise};
use forcegrant_proto::error::{Error, ErrorCode};

/// Where flights are boarded. Whoever changes what a flight's result changes holds its lock.
pub(crate) struct SingleFlight<T: Clone>(Mutex<Option<Arc<Promise<T>>>>);

/// The desk's lock, held.
pub(crate) struct SingleFlightGuard<'a, T: Clone>(MutexGuard<'a, Option<Arc<Promise<T>>>>);

/// A login in flight. However it ends, its waiters are told: by [`InFlight::complete`], or, when it
/// is dropped by a panic or with its runtime, with an error.
#[must_use = "dropping a flight tells its passengers that it was lost"]
pub(crate) struct InFlight<T: Clone>(Arc<Promise<T>>);

impl<T: Clone> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> SingleFlight<T> {
    pub(crate) fn lock(&self) -> SingleFlightGuard<'_, T> {
        // No foreign code runs under this lock, so a poisoned one is as good as any.
        SingleFlightGuard(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> SingleFlightGuard<'_, T> {
    /// The login in flight, if there is one.
    pub(crate) fn flight(&self) -> Option<Pending<T>> {
        let promise = self.0.as_ref().filter(|promise| !promise.is_kept())?;
        Some(promise.pending())
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.0.as_ref().is_some_and(|promise| !promise.is_kept())
    }

    /// Forgets a flight that has landed.
    pub(crate) fn clear(&mut self) {
        if !self.is_in_flight() {
            *self.0 = None;
        }
    }

    /// Joins the login in flight, or starts one with `start`.
    pub(crate) fn join_or_start(
        &mut self,
        start: impl FnOnce(InFlight<T>) -> Result<(), Error>,
    ) -> Pending<T> {
        if let Some(flight) = self.flight() {
            return flight;
        }
        let promise = Arc::new(Promise::new());
        let pending = promise.pending();
        match start(InFlight(Arc::clone(&promise))) {
            Ok(()) => {
                *self.0 = Some(promise);
                pending
            }
            // The flight was dropped before it left: its error says less than this one.
            Err(error) => Pending::ready(Err(error)),
        }
    }
}

impl<T: Clone> InFlight<T> {
    /// Tells the waiters. From here on the next caller starts another flight.
    pub(crate) fn complete(self, result: &Result<T, Error>) {
        self.0.keep(result);
    }
}

impl<T: Clone> Drop for InFlight<T> {
    fn drop(&mut self) {
        // Without effect after a landing.
        self.0.keep(&Err(lost()));
    }
}

impl<T: Clone> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// A defect of this crate: remembered by nobody, so that the next call starts afresh.
pub(crate) fn lost() -> Error {
    Error::new(
        ErrorCode::Internal,
        "the login ended by a defect before it had a result",
    )
    .with_help("This is a defect of forcegrant; please report it. The next call starts afresh.")
}

#[cfg(all(test, not(feature = "model")))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn result(mut pending: Pending<u8>) -> Option<Result<u8, &'static str>> {
        let result = pending.wait_timeout(Duration::ZERO)?;
        Some(result.map_err(|error| error.code().as_str()))
    }

    #[test]
    fn callers_share_one_flight_until_it_lands() {
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
    fn a_flight_that_can_not_leave_is_an_error_and_the_next_call_tries_again() {
        let single_flight = SingleFlight::<u8>::default();
        // The flight is dropped while the desk's lock is held, as a worker that can not start does.
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
    fn a_lost_flight_is_an_error_for_its_passengers() {
        let single_flight = SingleFlight::<u8>::default();
        let mut air = None;
        let passenger = single_flight.lock().join_or_start(|flight| {
            air = Some(flight);
            Ok(())
        });
        drop(air);
        assert_eq!(result(passenger), Some(Err("internal")));
        assert!(!single_flight.lock().is_in_flight());
    }
}

/// A3, A4, A5: every interleaving that the model checker finds of callers who join, leave and wait
/// while flights land or are lost.
#[cfg(all(test, feature = "model"))]
mod model {
    use shuttle::sync::atomic::{AtomicUsize, Ordering};
    use shuttle::{check_pct, check_random, future, thread};

    use super::*;

    struct World {
        single_flight: SingleFlight<usize>,
        started: AtomicUsize,
        in_air: AtomicUsize,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                single_flight: SingleFlight::default(),
                started: AtomicUsize::new(0),
                in_air: AtomicUsize::new(0),
            })
        }

        fn join_or_start(self: &Arc<Self>, end: fn(InFlight<usize>, usize)) -> Pending<usize> {
            self.single_flight.lock().join_or_start(|flight| {
                let number = self.started.fetch_add(1, Ordering::SeqCst);
                assert_eq!(
                    self.in_air.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two logins in flight"
                );
                let world = Arc::clone(self);
                thread::spawn(move || {
                    thread::yield_now();
                    world.in_air.fetch_sub(1, Ordering::SeqCst);
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
    fn a_caller_who_leaves_takes_nobody_along() {
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
}
