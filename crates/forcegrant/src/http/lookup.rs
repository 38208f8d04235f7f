//! Name lookups: a few at a time, so that one that hangs does not delay those of other hosts.
//!
//! The system's lookup blocks its thread, for half a minute if no name server responds, and cannot be stopped.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use forcegrant_support::process::PerProcess;

/// The system's lookup, with a limit that all clients of the process share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DnsLookup;

impl Resolve for DnsLookup {
    fn resolve(&self, name: Name) -> Resolving {
        let limiter = LOOKUPS.get_or_init(PerProcess::default).current();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = limiter.run(move || (host.as_str(), 0).to_socket_addrs());
            Ok(Box::new(found.await?) as Addrs)
        })
    }
}

static LOOKUPS: OnceLock<PerProcess<LookupLimiter>> = OnceLock::new();

/// How many lookups may run at once, besides those that seem to hang.
const MAX_LOOKUPS: usize = 8;

/// A lookup that takes longer seems to hang. A resolver that has to ask another needs some hundred milliseconds.
const HANG_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct LookupLimiter {
    permits: Semaphore,
    hang_timeout: Duration,
}

impl Default for LookupLimiter {
    fn default() -> Self {
        Self::new(HANG_TIMEOUT)
    }
}

impl LookupLimiter {
    fn new(hang_timeout: Duration) -> Self {
        Self {
            permits: Semaphore::new(MAX_LOOKUPS),
            hang_timeout,
        }
    }

    /// Runs a lookup on a blocking thread of the runtime. It holds a permit until it ends, its caller gives up, or it
    /// seems to hang.
    async fn run<T, F>(&self, lookup: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let mut task = tokio::task::spawn_blocking(lookup);
        let done = tokio::time::timeout(self.hang_timeout, &mut task).await;
        drop(permit);
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

    /// Other hosts are looked up although as many lookups hang as may run at once.
    #[tokio::test]
    async fn lookups_that_hang_delay_no_other() {
        let limiter = Arc::new(LookupLimiter::new(Duration::from_millis(1)));
        let mut hanging = Vec::new();
        let mut releases = Vec::new();
        for number in 0..2 * MAX_LOOKUPS {
            let (release, gate) = mpsc::channel::<()>();
            let limiter = Arc::clone(&limiter);
            let look = async move {
                let wait = move || gate.recv().map(|()| number).map_err(io::Error::other);
                limiter.run(wait).await
            };
            hanging.push(tokio::spawn(look));
            releases.push(release);
        }
        let prompt = tokio::time::timeout(Duration::from_secs(30), limiter.run(|| Ok("found")));
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
        let limiter = Arc::new(LookupLimiter::new(Duration::from_secs(3_600)));
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let looks: Vec<_> = (0..100)
            .map(|_| {
                let (limiter, running, most) = (
                    Arc::clone(&limiter),
                    Arc::clone(&running),
                    Arc::clone(&most),
                );
                tokio::spawn(async move {
                    let look = move || {
                        let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                        Ok(())
                    };
                    limiter.run(look).await
                })
            })
            .collect();
        for look in looks {
            look.await.unwrap().unwrap();
        }
        assert!((1..=MAX_LOOKUPS).contains(&most.load(Ordering::SeqCst)));
    }

    /// A caller that gives up returns its permit at once.
    #[tokio::test]
    async fn a_lookup_that_nobody_waits_for_holds_no_permit() {
        let limiter = LookupLimiter::new(Duration::from_secs(3_600));
        let mut releases = Vec::new();
        for _ in 0..MAX_LOOKUPS {
            let (release, gate) = mpsc::channel::<()>();
            releases.push(release);
            let hanging = limiter.run(move || gate.recv().map_err(io::Error::other));
            let given_up = tokio::time::timeout(Duration::from_millis(1), hanging);
            given_up.await.expect_err("it hangs");
        }
        let prompt = tokio::time::timeout(Duration::from_secs(30), limiter.run(|| Ok("found")));
        assert_eq!(prompt.await.expect("not delayed").unwrap(), "found");
    }

    #[tokio::test]
    async fn the_result_of_the_system_is_returned() {
        let found = DnsLookup
            .resolve("localhost".parse().unwrap())
            .await
            .unwrap();
        assert!(found.into_iter().all(|address| address.ip().is_loopback()));
        let failed = DnsLookup.resolve("name.invalid".parse().unwrap()).await;
        assert!(failed.is_err());
    }
}
