//! The emulator's clock: real time plus whatever the tests added.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970. Never goes back, even if the machine's clock does.
#[derive(Debug)]
pub(crate) struct EmulatorClock {
    started_at_ms: u64,
    started: Instant,
    offset_ms: u64,
}

impl EmulatorClock {
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started_at_ms: millis(since_1970),
            started: Instant::now(),
            offset_ms: 0,
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.started_at_ms + millis(self.started.elapsed()) + self.offset_ms
    }

    pub(crate) fn advance(&mut self, by: Duration) {
        self.offset_ms = self.offset_ms.saturating_add(millis(by));
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
