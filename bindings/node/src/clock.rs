//! The test clock, for `forcegrant/testing`.

use std::time::{Duration, SystemTime};

use forcegrant::TestClock;
use napi::{Error, Result};
use napi_derive::napi;

use crate::data::instant;

/// A clock that stands still until it is moved.
#[napi]
pub struct NativeTestClock {
    pub(crate) clock: TestClock,
}

#[napi]
impl NativeTestClock {
    /// Starts at a time in milliseconds since 1970, or now.
    #[napi(constructor)]
    pub fn new(start: Option<f64>) -> Result<Self> {
        let clock = match start {
            Some(start) => TestClock::new(wall(start)?),
            None => TestClock::starting_now(),
        };
        Ok(Self { clock })
    }

    /// Moves the time forward.
    #[napi]
    pub fn advance(&self, milliseconds: f64) -> Result<()> {
        self.clock.advance(duration(milliseconds)?);
        Ok(())
    }

    /// Sets the wall clock alone.
    #[napi]
    pub fn set_wall(&self, to: f64) -> Result<()> {
        self.clock.set_wall(wall(to)?);
        Ok(())
    }

    /// The wall clock, in milliseconds since 1970.
    #[napi]
    pub fn now(&self) -> f64 {
        instant(self.clock.now())
    }
}

fn wall(at: f64) -> Result<SystemTime> {
    SystemTime::UNIX_EPOCH
        .checked_add(duration(at)?)
        .ok_or_else(|| Error::from_reason("a time too far in the future"))
}

fn duration(milliseconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(milliseconds / 1e3)
        .map_err(|_| Error::from_reason("a time is a number of milliseconds, 0 or more"))
}
