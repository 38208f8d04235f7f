//! Single flight: at most one login is in the air for a client and process, and it belongs to
//! nobody who waits for it.

use std::fmt;
use std::sync::PoisonError;

use crate::error::{Code, Error};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::wait::{Pending, Promise};

/// Where flights are boarded. Whoever changes what a flight's result changes holds its lock.
pub(crate) struct Desk<T: Clone>(Mutex<Option<Arc<Promise<T>>>>);

/// The desk's lock, held.
pub(crate) struct AtDesk<'a, T: Clone>(MutexGuard<'a, Option<Arc<Promise<T>>>>);

/// A flight in the air. However it ends, its passengers are told: by [`Flight::land`], or, when it
/// is dropped by a panic or with its runtime, with an error.
#[must_use = "dropping a flight tells its passengers that it was lost"]
pub(crate) struct Flight<T: Clone>(Arc<Promise<T>>);

impl<T: Clone> Default for Desk<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Desk<T> {
    pub(crate) fn lock(&self) -> AtDesk<'_, T> {
        // No foreign code runs under this lock, so a poisoned one is as good as any.
        AtDesk(self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> AtDesk<'_, T> {
    /// The flight in the air, if there is one.
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

    /// Joins the flight in the air, or starts one with `take_off`.
    pub(crate) fn board(
        &mut self,
        take_off: impl FnOnce(Flight<T>) -> Result<(), Error>,
    ) -> Pending<T> {
        if let Some(flight) = self.flight() {
            return flight;
        }
        let promise = Arc::new(Promise::new());
        let pending = promise.pending();
        match take_off(Flight(Arc::clone(&promise))) {
            Ok(()) => {
                *self.0 = Some(promise);
                pending
            }
            // The flight was dropped before it left: its error says less than this one.
            Err(error) => Pending::ready(Err(error)),
        }
    }
}

impl<T: Clone> Flight<T> {
    /// Tells the passengers. From here on the next caller starts another flight.
    pub(crate) fn land(self, result: &Result<T, Error>) {
        self.0.keep(result);
    }
}

impl<T: Clone> Drop for Flight<T> {
    fn drop(&mut self) {
        // Without effect after a landing.
        self.0.keep(&Err(lost()));
    }
}

impl<T: Clone> fmt::Debug for Desk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

/// A defect of this crate: remembered by nobody, so that the next call starts afresh.
pub(crate) fn lost() -> Error {
    Error::new(
        Code::Internal,
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
        Some(result.map_err(|error| error.code()))
    }

    #[test]
    fn callers_share_one_flight_until_it_lands() {
        let desk = Desk::default();
        let mut flights = Vec::new();
        let mut board = || {
            desk.lock().board(|flight| {
                flights.push(flight);
                Ok(())
            })
        };
        let (first, second) = (board(), board());
        assert!(desk.lock().is_in_flight());
        assert_eq!(flights.len(), 1);
        flights.pop().unwrap().land(&Ok(7));
        assert!(!desk.lock().is_in_flight() && desk.lock().flight().is_none());
        assert_eq!(result(first), Some(Ok(7)));
        assert_eq!(result(second), Some(Ok(7)));
    }

    #[test]
    fn a_flight_that_can_not_leave_is_an_error_and_the_next_call_tries_again() {
        let desk = Desk::<u8>::default();
        // The flight is dropped while the desk's lock is held, as a worker that can not start does.
        let refused = desk
            .lock()
            .board(|_| Err(Error::new(Code::WorkerUnavailable, "no thread")));
        assert_eq!(result(refused), Some(Err("worker_unavailable")));
        let next = desk.lock().board(|flight| {
            flight.land(&Ok(7));
            Ok(())
        });
        assert_eq!(result(next), Some(Ok(7)));
    }

    #[test]
    fn a_lost_flight_is_an_error_for_its_passengers() {
        let desk = Desk::<u8>::default();
        let mut air = None;
        let passenger = desk.lock().board(|flight| {
            air = Some(flight);
            Ok(())
        });
        drop(air);
        assert_eq!(result(passenger), Some(Err("internal")));
        assert!(!desk.lock().is_in_flight());
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
        desk: Desk<usize>,
        started: AtomicUsize,
        in_air: AtomicUsize,
    }

    impl World {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                desk: Desk::default(),
                started: AtomicUsize::new(0),
                in_air: AtomicUsize::new(0),
            })
        }

        fn board(self: &Arc<Self>, end: fn(Flight<usize>, usize)) -> Pending<usize> {
            self.desk.lock().board(|flight| {
                let number = self.started.fetch_add(1, Ordering::SeqCst);
                assert_eq!(
                    self.in_air.fetch_add(1, Ordering::SeqCst),
                    0,
                    "two flights in the air"
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

    fn land(flight: Flight<usize>, number: usize) {
        flight.land(&Ok(number));
    }

    fn lose(flight: Flight<usize>, _: usize) {
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
                    thread::spawn(move || future::block_on(world.board(land)).unwrap())
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
            let first = world.board(land);
            let second = world.board(land);
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
            let caller = thread::spawn(move || future::block_on(other.board(lose)));
            let mine = future::block_on(world.board(lose));
            assert_eq!(mine.unwrap_err().code(), "internal");
            assert!(caller.join().unwrap().is_err());
            future::block_on(world.board(land)).unwrap();
        });
    }
}
