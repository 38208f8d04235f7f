//! The state of a cache in one word.

/// What the next caller would meet, for `status()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheState {
    /// No usable token; the next call logs in.
    Empty,
    /// The token is good.
    Fresh,
    /// The token is good, and a refresh is due.
    RefreshDue,
    /// The estimated end has passed and refreshing fails temporarily; the token is still served.
    Stale,
    /// No usable token, and a recent failure still holds: calls fail at once.
    BackingOff,
}

impl CacheState {
    /// The state as a lower-case word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Fresh => "fresh",
            Self::RefreshDue => "refresh_due",
            Self::Stale => "stale",
            Self::BackingOff => "backing_off",
        }
    }
}
