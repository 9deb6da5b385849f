//! How long to wait before the next attempt to connect: twice as long each time, with full jitter, so that a thousand gateways do not come back at once.

use std::time::Duration;

/// The ceiling of the first wait.
pub const FIRST: Duration = Duration::from_secs(1);
/// No ceiling is above this.
pub const CEILING_MAX: Duration = Duration::from_secs(60);
/// No wait is below this.
pub const FLOOR: Duration = Duration::from_millis(50);
/// After a connection that was accepted the wait is at most the ceiling of this failure: the broker is there, only the way to it is bad.
const ACCEPTED_FAILURES_MAX: u32 = 2;
/// A connection that lasted so long starts the count anew.
pub const LASTING: Duration = Duration::from_secs(10);

/// Counts the failures in a row. Reads no clock.
///
/// ```
/// use std::time::Duration;
/// use tidemill::mqtt::driver::Backoff;
///
/// let mut backoff = Backoff::default();
/// assert!(backoff.next(u64::MAX) <= Duration::from_secs(1));
/// assert!(backoff.next(u64::MAX) > Duration::from_secs(1));
/// backoff.lasted(Duration::from_secs(30));
/// assert!(backoff.next(u64::MAX) <= Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait; `random` is evenly spread over all of `u64`.
    pub fn next(&mut self, random: u64) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << self.failures.min(6)).min(CEILING_MAX);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(random as f64 / u64::MAX as f64).max(FLOOR)
    }

    /// The broker had accepted a connection, which lasted for this time.
    pub fn lasted(&mut self, duration: Duration) {
        self.failures = if duration >= LASTING { 0 } else { self.failures.min(ACCEPTED_FAILURES_MAX) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute_and_spreads_over_the_whole_range() {
        let mut backoff = Backoff::default();
        let ceilings: Vec<u64> = (0..9).map(|_| backoff.next(u64::MAX).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(backoff.next(0), FLOOR);
        assert_eq!(backoff.next(u64::MAX / 2).as_secs(), 30);
    }

    #[test]
    fn a_short_connection_bounds_the_wait_and_a_lasting_one_resets_it() {
        let mut backoff = Backoff::default();
        for _ in 0..5 {
            backoff.next(0);
        }
        backoff.lasted(Duration::from_secs(3));
        assert_eq!(backoff.next(u64::MAX).as_secs(), 4);
        backoff.lasted(LASTING);
        assert_eq!(backoff.next(u64::MAX), FIRST);
    }
}
