//! The time of the simulated world.

/// Milliseconds since the world began, on a Monday at midnight.
pub(super) type Time = u64;

pub(super) const SECOND: Time = 1_000;
pub(super) const MINUTE: Time = 60 * SECOND;
pub(super) const HOUR: Time = 60 * MINUTE;
pub(super) const DAY: Time = 24 * HOUR;
pub(super) const WEEK: Time = 7 * DAY;
