//! Name lookups: a few at a time, and one that hangs delays no other host's.
//!
//! The system's lookup blocks its thread, for half a minute when no name server answers, and can not
//! be stopped.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use forcegrant_support::process::PerProcess;

/// The system's lookup, for all clients of the process in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup;

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let turns = TURNS.get_or_init(PerProcess::default).current();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = turns.look(move || (host.as_str(), 0).to_socket_addrs());
            Ok(Box::new(found.await?) as Addrs)
        })
    }
}

static TURNS: OnceLock<PerProcess<Turns>> = OnceLock::new();

/// How many lookups are under way, those aside that are taken to hang.
const AT_ONCE: usize = 8;

/// How long a lookup may take before it is taken to hang. A resolver that must ask elsewhere needs
/// some hundred milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Turns {
    free: Semaphore,
    patience: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(PATIENCE)
    }
}

impl Turns {
    fn new(patience: Duration) -> Self {
        Self {
            free: Semaphore::new(AT_ONCE),
            patience,
        }
    }

    /// Runs a lookup on a thread of the runtime's. It holds a turn until it ends, is given up, or
    /// is taken to hang.
    async fn look<T, F>(&self, lookup: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let turn = self.free.acquire().await.map_err(io::Error::other)?;
        let mut task = tokio::task::spawn_blocking(lookup);
        let done = tokio::time::timeout(self.patience, &mut task).await;
        drop(turn);
        match done {
            Ok(done) => done,
            Err(_) => task.await,
        }
        .map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// A17, of names: other hosts are looked up although as many as there are turns hang.
    #[tokio::test]
    async fn lookups_that_hang_delay_no_other() {
        let turns = Arc::new(Turns::new(Duration::from_millis(1)));
        let mut hanging = Vec::new();
        let mut releases = Vec::new();
        for number in 0..2 * AT_ONCE {
            let (release, gate) = mpsc::channel::<()>();
            let turns = Arc::clone(&turns);
            let look = async move {
                let wait = move || gate.recv().map(|()| number).map_err(io::Error::other);
                turns.look(wait).await
            };
            hanging.push(tokio::spawn(look));
            releases.push(release);
        }
        let prompt = tokio::time::timeout(Duration::from_secs(30), turns.look(|| Ok("found")));
        assert_eq!(prompt.await.expect("not delayed").unwrap(), "found");
        for release in releases {
            release.send(()).unwrap();
        }
        for (number, look) in hanging.into_iter().enumerate() {
            assert_eq!(look.await.unwrap().unwrap(), number, "it was not lost");
        }
    }

    #[tokio::test]
    async fn no_more_than_a_few_run_at_once() {
        let turns = Arc::new(Turns::new(Duration::from_secs(3_600)));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let looks: Vec<_> = (0..100)
            .map(|_| {
                let (turns, running, most) =
                    (Arc::clone(&turns), Arc::clone(&running), Arc::clone(&most));
                tokio::spawn(async move {
                    let look = move || {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    };
                    turns.look(look).await
                })
            })
            .collect();
        for look in looks {
            look.await.unwrap().unwrap();
        }
        assert!((1..=AT_ONCE).contains(&most.load(Ordering::SeqCst)));
    }

    /// A caller that gives up gives its turn back at once.
    #[tokio::test]
    async fn a_lookup_that_nobody_waits_for_holds_no_turn() {
        let turns = Turns::new(Duration::from_secs(3_600));
        let mut releases = Vec::new();
        for _ in 0..AT_ONCE {
            let (release, gate) = mpsc::channel::<()>();
            releases.push(release);
            let hanging = turns.look(move || gate.recv().map_err(io::Error::other));
            let given_up = tokio::time::timeout(Duration::from_millis(1), hanging);
            given_up.await.expect_err("it hangs");
        }
        let prompt = tokio::time::timeout(Duration::from_secs(30), turns.look(|| Ok("found")));
        assert_eq!(prompt.await.expect("not delayed").unwrap(), "found");
    }

    #[tokio::test]
    async fn what_the_system_says_is_passed_on() {
        let found = Lookup.resolve("localhost".parse().unwrap()).await.unwrap();
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
        let failed = Lookup.resolve("name.invalid".parse().unwrap()).await;
        assert!(failed.is_err());
    }
}
