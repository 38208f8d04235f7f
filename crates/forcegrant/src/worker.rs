//! The worker: one thread that exists only while something is in flight.
//!
//! It starts with the first job, runs any number of jobs on a current-thread tokio runtime, and ends with the
//! last. So the core works under any executor or none, nothing is resident in an idle process, and a fork
//! finds either nothing or something that only the parent needs.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use forcegrant_proto::error::{Cause, Error, ErrorCode};
use forcegrant_support::process::{PerProcess, ProcessRef};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

static WORKER: OnceLock<PerProcess<Worker>> = OnceLock::new();

/// Threads for what blocks: name lookups, of which eight run at a time beside those that hang
/// (`http/lookup.rs`), and steps of a file store.
const BLOCKING_THREADS: usize = 128;

/// How long such a thread stays when it has nothing to do.
const BLOCKING_KEEP_ALIVE: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct Worker(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    /// `Some` while a thread takes jobs.
    jobs: Option<UnboundedSender<Job>>,
    in_flight: usize,
}

/// Runs a job on the worker thread, which is started if there is none. A panic in the job ends
/// the job and nothing else.
///
/// # Errors
/// The system refuses to start a thread or a runtime. The job was dropped.
pub(crate) fn spawn(job: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    let mut job: Job = Box::pin(job);
    let worker = WORKER.get_or_init(PerProcess::default).current();
    let mut running = worker.lock();
    if let Some(jobs) = &running.jobs {
        match jobs.send(job) {
            Ok(()) => {
                running.in_flight += 1;
                return Ok(());
            }
            // The thread died; start another.
            Err(rejected) => job = rejected.0,
        }
    }
    let runtime = runtime().map_err(|error| unavailable(&error))?;
    let (jobs, queue) = unbounded_channel();
    let own = worker.clone();
    std::thread::Builder::new()
        .name("forcegrant".to_owned())
        .spawn(move || {
            runtime.block_on(run_jobs(own, queue));
            // A lookup that hangs must not keep the thread.
            runtime.shutdown_background();
        })
        .map_err(|error| unavailable(&error))?;
    let _ = jobs.send(job);
    *running = Running {
        jobs: Some(jobs),
        in_flight: 1,
    };
    Ok(())
}

/// An event loop for the thread that runs it.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("forcegrant-blocking")
        .thread_keep_alive(BLOCKING_KEEP_ALIVE)
        .build()
}

async fn run_jobs(worker: ProcessRef<Worker>, mut queue: UnboundedReceiver<Job>) {
    while let Some(job) = queue.recv().await {
        let worker = worker.clone();
        tokio::spawn(async move {
            let _ = CatchUnwind(job).await;
            let mut running = worker.lock();
            running.in_flight -= 1;
            if running.in_flight == 0 {
                // Closes the queue, which ends the thread.
                running.jobs = None;
            }
        });
    }
}

pub(crate) fn unavailable(error: &std::io::Error) -> Error {
    Error::new(
        ErrorCode::WorkerUnavailable,
        "the system would not start a thread that is needed",
    )
    .with_help("The process has too many threads or open files, or is short of memory. Look at its limits (ulimit).")
    .with_cause(Cause::of(error, &str::to_owned))
}

impl Worker {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A future whose panic becomes a result.
pub(crate) struct CatchUnwind<F>(pub(crate) F);

impl<F: Future + Unpin> Future for CatchUnwind<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // After a panic the future is not polled again.
        let polled =
            std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.0).poll(context)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn many_jobs_share_the_thread_and_a_panic_ends_only_its_job() {
        let (sender, receiver) = mpsc::channel();
        let (open, gate) = tokio::sync::watch::channel(false);
        spawn(async { panic!("a job that panics, on purpose") }).unwrap();
        for _ in 0..100 {
            let (sender, mut gate) = (sender.clone(), gate.clone());
            spawn(async move {
                gate.wait_for(|open| *open).await.unwrap();
                sender.send(std::thread::current().id()).unwrap();
            })
            .unwrap();
        }
        drop(sender);
        open.send(true).unwrap();
        let threads: std::collections::HashSet<_> = receiver.iter().collect();
        assert_eq!(threads.len(), 1);
    }
}
