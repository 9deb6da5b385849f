//! The clocks, read in one place.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::batch::Stamp;

/// 2026-01-01T00:00:00Z: a wall clock before this program was written is certainly wrong (a Pi without a clock starts in 1970).
const PLAUSIBLE_US: i64 = 1_767_225_600_000_000;

/// Reads wall and monotonic time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { began: Instant::now() }
    }

    pub fn stamp(&self) -> Stamp {
        let wall_us = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        };
        Stamp { wall_us, mono_us: self.mono_us(), synchronised: wall_us >= PLAUSIBLE_US }
    }

    /// Local, as people write it: `14:02`.
    pub fn time_of_day(&self) -> String {
        jiff::Zoned::now().strftime("%H:%M").to_string()
    }

    pub fn mono_us(&self) -> u64 {
        // One second ahead, so that no deadline of the core is before its clock's beginning.
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_add(1_000_000)
    }

    /// The instant of a monotonic time.
    pub fn instant(&self, mono_us: u64) -> Instant {
        self.began + std::time::Duration::from_micros(mono_us.saturating_sub(1_000_000))
    }
}
