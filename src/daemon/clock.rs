//! The clocks, read in one place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::synchronised::Signs;
use crate::batch::Stamp;
use crate::config::settings::ClockTrust;

/// 2026-01-01T00:00:00Z: a wall clock before this program was written is certainly wrong (a Pi without a clock starts in 1970).
const PLAUSIBLE_US: i64 = 1_767_225_600_000_000;

/// How often the system is asked whether the clock is right, until it is.
const ASKED_INTERVAL_US: u64 = 1_000_000;

/// The system has not been asked.
const OPEN: u64 = 0;
const BELIEVED: u64 = u64::MAX;

/// Reads wall and monotonic time. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    began: Instant,
    trust: ClockTrust,
    /// [`OPEN`], [`BELIEVED`], or the monotonic time when the system was asked and said no.
    belief: Arc<AtomicU64>,
}

impl Clock {
    pub fn start(trust: ClockTrust) -> Clock {
        Clock { began: Instant::now(), trust, belief: Arc::new(AtomicU64::new(OPEN)) }
    }

    pub fn stamp(&self) -> Stamp {
        let wall_us = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
        };
        let mono_us = self.mono_us();
        Stamp { wall_us, mono_us, synchronised: self.is_believed(wall_us, mono_us) }
    }

    fn is_believed(&self, wall_us: i64, mono_us: u64) -> bool {
        let before = self.belief.load(Ordering::Relaxed);
        if before == BELIEVED {
            return wall_us >= PLAUSIBLE_US;
        }
        if before != OPEN && mono_us < before + ASKED_INTERVAL_US {
            return false;
        }
        let wall_s = u64::try_from(wall_us / 1_000_000).unwrap_or(0);
        let believed = wall_us >= PLAUSIBLE_US && Signs::of_system(wall_s).believed(self.trust);
        match (before, believed) {
            (OPEN, false) => tracing::warn!(
                "the wall clock is not synchronised yet: what needs a right clock waits for it (max_future, closing windows of silent sources, \
                 the age of waiting results)"
            ),
            (OPEN, true) | (_, false) => {}
            (_, true) => tracing::info!("the wall clock is synchronised"),
        }
        self.belief.store(if believed { BELIEVED } else { mono_us }, Ordering::Relaxed);
        believed
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
