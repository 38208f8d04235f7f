//! Limits the logins of many clients together: what a client asks before it logs in. A pool answers it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::single_flight::InFlight;
use forcegrant_proto::error::Error;
use forcegrant_proto::token::Token;

pub(crate) trait LoginPermits: fmt::Debug + Send + Sync {
    /// Waits for a permit. A login that started in the background waits until it has one, and behind the others as
    /// long as no caller waits for its `flight`; any other fails after `limit`.
    fn acquire<'a>(
        &'a self,
        flight: &'a InFlight<Token>,
        background: bool,
        limit: Duration,
    ) -> AcquiringPermit<'a>;

    /// How many logins wait.
    #[cfg(all(test, not(shuttle)))]
    fn waiting(&self) -> usize;
}

/// A permit to come.
pub(crate) type AcquiringPermit<'a> =
    Pin<Box<dyn Future<Output = Result<Box<dyn LoginPermit>, Error>> + Send + 'a>>;

/// The right to log in now. It ends when it is dropped.
pub(crate) trait LoginPermit: Send {
    /// After this time a login counts as slow.
    fn slow_after(&self) -> Duration;

    /// The login takes longer than that.
    fn slow_down(&mut self);
}
