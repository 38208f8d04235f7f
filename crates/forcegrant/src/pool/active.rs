//! Which clients of a pool have something in flight, those included that the pool has let go of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use forcegrant_support::process::{PerProcess, ProcessRef};

/// A forked child has none of the parent's.
#[derive(Debug)]
pub(crate) struct ActiveLogins<T>(PerProcess<Active<T>>);

#[derive(Debug)]
struct Active<T>(Mutex<Numbered<T>>);

#[derive(Debug)]
struct Numbered<T> {
    clients: HashMap<u64, Weak<T>>,
    last: u64,
}

/// Something in flight; ends with its drop.
pub(crate) struct InFlight<T> {
    shared: ProcessRef<Active<T>>,
    number: u64,
}

impl<T> ActiveLogins<T> {
    /// A login or a verification of this client begins.
    pub(crate) fn begin(&self, client: &Arc<T>) -> InFlight<T> {
        let shared = self.0.current();
        let number = {
            let mut numbered = shared.lock();
            numbered.last += 1;
            let number = numbered.last;
            numbered.clients.insert(number, Arc::downgrade(client));
            number
        };
        InFlight { shared, number }
    }

    /// Whose they are; a client with two comes twice.
    pub(crate) fn clients(&self) -> Vec<Arc<T>> {
        let shared = self.0.current();
        let numbered = shared.lock();
        numbered
            .clients
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        let mut numbered = self.shared.lock();
        numbered.clients.remove(&self.number);
        if numbered.clients.is_empty() {
            // A hundred thousand at once leave much room behind.
            numbered.clients.shrink_to_fit();
        }
    }
}

impl<T> Active<T> {
    fn lock(&self) -> MutexGuard<'_, Numbered<T>> {
        // No foreign code runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for ActiveLogins<T> {
    fn default() -> Self {
        Self(PerProcess::default())
    }
}

impl<T> Default for Active<T> {
    fn default() -> Self {
        Self(Mutex::new(Numbered {
            clients: HashMap::new(),
            last: 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_listed_until_its_last_flight_ends() {
        let (active, client) = (ActiveLogins::default(), Arc::new(7));
        let numbers = || active.clients().iter().map(|one| **one).collect::<Vec<_>>();
        assert!(numbers().is_empty());
        let (first, second) = (active.begin(&client), active.begin(&client));
        assert_eq!(numbers(), [7, 7]);
        drop(first);
        assert_eq!(numbers(), [7]);
        drop(second);
        assert!(numbers().is_empty());
    }
}
