//! Waiting for a result: Rust futures by waker, threads by condition variable, bindings by callback. The
//! work belongs to none of its waiters.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Arc, Condvar, Mutex, MutexGuard};
use forcegrant_proto::error::{Error, ErrorCode};

/// A result to come. Dropping it never disturbs the work behind it.
///
/// It is a [`Future`]; threads use [`Pending::wait_timeout`], and other runtimes
/// [`Pending::on_ready`].
#[must_use = "it does nothing until it is polled or asked"]
pub struct Pending<T> {
    cell: Arc<ResultCell<T>>,
    key: Option<usize>,
}

/// The end of a [`Pending`] that belongs to the work. Dropping it without a result tells the waiters that
/// the work was lost.
pub(crate) struct Promise<T: Clone>(Arc<ResultCell<T>>);

/// What a promise and its waiters have in common.
struct ResultCell<T> {
    state: Mutex<ResultState<T>>,
    ready: Condvar,
}

struct ResultState<T> {
    result: Option<Result<T, Error>>,
    /// Free places in `waiters`, so that ten thousand waiters come and go cheaply.
    waiters: Vec<Option<Waiter<T>>>,
    free: Vec<usize>,
}

enum Waiter<T> {
    Waker(Waker),
    Callback(Box<dyn FnOnce(Result<T, Error>) + Send>),
}

impl<T> ResultCell<T> {
    fn new(result: Option<Result<T, Error>>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(ResultState {
                result,
                waiters: Vec::new(),
                free: Vec::new(),
            }),
            ready: Condvar::new(),
        })
    }

    /// No user code runs under this lock, so a poisoned one is as good as any.
    fn lock(&self) -> MutexGuard<'_, ResultState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> ResultState<T> {
    fn add(&mut self, waiter: Waiter<T>) -> usize {
        if let Some(key) = self.free.pop() {
            self.waiters[key] = Some(waiter);
            return key;
        }
        if self.waiters.is_empty() {
            // Most logins of a pool have one waiter.
            self.waiters.reserve_exact(1);
        }
        self.waiters.push(Some(waiter));
        self.waiters.len() - 1
    }

    fn remove(&mut self, key: usize) -> Option<Waiter<T>> {
        let waiter = self.waiters.get_mut(key)?.take()?;
        self.free.push(key);
        Some(waiter)
    }
}

impl<T: Clone> Promise<T> {
    pub(crate) fn new() -> Self {
        Self(ResultCell::new(None))
    }

    /// One more waiter.
    pub(crate) fn pending(&self) -> Pending<T> {
        Pending {
            cell: Arc::clone(&self.0),
            key: None,
        }
    }

    /// Whether there is a result.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.lock().result.is_some()
    }

    /// Hands the result to every waiter. Later results have no effect.
    pub(crate) fn keep(&self, result: &Result<T, Error>) {
        let waiters = {
            let mut state = self.0.lock();
            if state.result.is_some() {
                return;
            }
            state.result = Some(result.clone());
            std::mem::take(&mut state.waiters)
        };
        self.0.ready.notify_all();
        for waiter in waiters.into_iter().flatten() {
            match waiter {
                Waiter::Waker(waker) => waker.wake(),
                Waiter::Callback(call) => call(result.clone()),
            }
        }
    }
}

impl<T: Clone> Drop for Promise<T> {
    fn drop(&mut self) {
        self.keep(&Err(lost()));
    }
}

impl<T: Clone> Pending<T> {
    /// A result that exists already.
    pub(crate) fn ready(result: Result<T, Error>) -> Self {
        Self {
            cell: ResultCell::new(Some(result)),
            key: None,
        }
    }

    /// The result, if there is one.
    #[must_use]
    pub fn result(&self) -> Option<Result<T, Error>> {
        self.cell.lock().result.clone()
    }

    /// Blocks this thread for at most `timeout`, and returns `None` if there is no result yet. Call it in a loop
    /// with short timeouts where something else (a signal, a deadline) must be noticed in between.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Option<Result<T, Error>> {
        let deadline = Instant::now() + timeout;
        let mut state = self.cell.lock();
        loop {
            if let Some(result) = &state.result {
                return Some(result.clone());
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self
                .cell
                .ready
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Blocks this thread until there is a result.
    pub(crate) fn wait(mut self) -> Result<T, Error> {
        loop {
            if let Some(result) = self.wait_timeout(Duration::from_secs(3_600)) {
                return result;
            }
        }
    }

    /// The same for a token, for at most `timeout`.
    pub(crate) fn wait_for_token(mut self, timeout: Option<Duration>) -> Result<T, Error> {
        let Some(timeout) = timeout else {
            return self.wait();
        };
        let begun = Instant::now();
        self.wait_timeout(timeout)
            .unwrap_or_else(|| Err(timed_out(begun.elapsed().max(timeout))))
    }

    /// Calls `call` once with the result: on the worker thread when there is one, or at once on this thread if
    /// there is one already. Dropping the subscription before then cancels the call.
    pub fn on_ready(
        &self,
        call: impl FnOnce(Result<T, Error>) + Send + 'static,
    ) -> Subscription<T> {
        let mut state = self.cell.lock();
        if let Some(result) = state.result.clone() {
            drop(state);
            call(result);
            return Subscription(None);
        }
        let key = state.add(Waiter::Callback(Box::new(call)));
        drop(state);
        Subscription(Some((Arc::clone(&self.cell), key)))
    }
}

impl<T: Clone> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let cell = Arc::clone(&self.cell);
        let mut state = cell.lock();
        if let Some(result) = &state.result {
            return Poll::Ready(result.clone());
        }
        let waker = context.waker();
        match self.key.and_then(|key| state.waiters[key].as_mut()) {
            Some(Waiter::Waker(known)) => known.clone_from(waker),
            _ => self.key = Some(state.add(Waiter::Waker(waker.clone()))),
        }
        Poll::Pending
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // The waker is dropped outside the lock: its drop may run foreign code.
            let waiter = self.cell.lock().remove(key);
            drop(waiter);
        }
    }
}

/// An error of this crate, which is not remembered: the next call tries again.
pub(crate) fn lost() -> Error {
    Error::new(
        ErrorCode::Internal,
        "internal error: the task that does the work panicked or was dropped",
    )
    .with_help("This is an error in forcegrant; please report it. The next call starts afresh.")
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending")
            .field("ready", &self.cell.lock().result.is_some())
            .finish_non_exhaustive()
    }
}

/// A callback that waits for a result. Dropping it cancels the callback.
#[must_use = "dropping a subscription cancels it; use `detach` to keep it"]
pub struct Subscription<T>(Option<(Arc<ResultCell<T>>, usize)>);

impl<T> Subscription<T> {
    /// Leaves the callback in place for good.
    pub fn detach(mut self) {
        self.0 = None;
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        if let Some((cell, key)) = self.0.take() {
            let waiter = cell.lock().remove(key);
            drop(waiter);
        }
    }
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("waiting", &self.0.is_some())
            .finish()
    }
}

/// The caller's own timeout has passed; the login continues.
pub(crate) fn timed_out(waited: Duration) -> Error {
    Error::new(
        ErrorCode::Timeout,
        format!("no token within {} s", waited.as_secs_f64()),
    )
    .with_help("The login goes on, and a later call may find its token. Allow more time, or look at the network.")
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc;
    use std::task::Wake;

    use super::*;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn futures_threads_and_callbacks_get_the_same_result() {
        let promise = Promise::new();
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut future = promise.pending();
        assert!(Pin::new(&mut future).poll(&mut context).is_pending());
        let mut thread = promise.pending();
        let thread = std::thread::spawn(move || thread.wait_timeout(Duration::from_secs(30)));
        let (sender, receiver) = mpsc::channel();
        let subscription = promise
            .pending()
            .on_ready(move |result| sender.send(result).unwrap());
        promise.keep(&Ok(7));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert!(matches!(
            Pin::new(&mut future).poll(&mut context),
            Poll::Ready(Ok(7))
        ));
        assert_eq!(thread.join().unwrap().unwrap().unwrap(), 7);
        assert_eq!(receiver.recv().unwrap().unwrap(), 7);
        drop(subscription);
    }

    #[test]
    fn dropped_waiters_free_their_places() {
        let promise = Promise::<u8>::new();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1_000 {
            let mut future = promise.pending();
            assert!(Pin::new(&mut future).poll(&mut context).is_pending());
            drop(promise.pending().on_ready(|_| panic!("it was cancelled")));
        }
        assert!(promise.0.lock().waiters.len() <= 2);
        promise.keep(&Ok(1));
    }

    #[test]
    fn a_lost_promise_is_an_error_for_all() {
        let promise = Promise::<u8>::new();
        let mut pending = promise.pending();
        drop(promise);
        let error = pending.wait_timeout(Duration::ZERO).unwrap().unwrap_err();
        assert_eq!(error.code(), "internal");
    }

    #[test]
    fn waiting_ends_at_the_timeout() {
        let promise = Promise::<u8>::new();
        assert!(
            promise
                .pending()
                .wait_timeout(Duration::from_millis(1))
                .is_none()
        );
    }
}
