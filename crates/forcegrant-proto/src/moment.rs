//! A reading of the clocks, as a value.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One reading of both clocks, in milliseconds.
///
/// The wall clock (since 1970) can be stepped in either direction; the boot-time clock (from an
/// arbitrary start) only goes forward and counts the time that the machine is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub wall: i64,
    pub boot: u64,
}

impl Moment {
    /// Milliseconds that passed since `earlier`, by the clock that says more: an end is reached if either clock says so.
    pub fn since(self, earlier: Self) -> u64 {
        let wall = u64::try_from(self.wall.saturating_sub(earlier.wall)).unwrap_or(0);
        wall.max(self.boot.saturating_sub(earlier.boot))
    }

    /// The wall-clock time `millis` after this moment.
    pub fn wall_after(self, millis: u64) -> SystemTime {
        to_system_time(self.wall.saturating_add_unsigned(millis))
    }
}

pub fn to_system_time(wall: i64) -> SystemTime {
    let length = Duration::from_millis(wall.unsigned_abs());
    let time = if wall < 0 {
        UNIX_EPOCH.checked_sub(length)
    } else {
        UNIX_EPOCH.checked_add(length)
    };
    time.unwrap_or(UNIX_EPOCH)
}

pub fn to_wall(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
