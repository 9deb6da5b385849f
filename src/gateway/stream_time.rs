//! Stream time: the clock by which rows arrive, windows over `_arrived` close and timeouts pass.
//!
//! Invariants:
//! - It is max(last, now), and stored with each commit, so it goes on over restarts.
//! - It goes back only where a synchronised wall clock is more than [`BEHIND_MAX_US`] behind it, and only between two batches: the open batch
//!   is closed by the time before, and its step closes what that time holds open ([`crate::engine`]). New time and that step are
//!   one commit. Whether it is to go back follows from what is stored and the clock alone: after a crash before that commit it still is to.
//! - A clock that is not synchronised never sets it back: a Pi without a clock comes up in 1970, and is right soon. Until then stream time runs on
//!   by the monotonic clock, so that windows still close where the network never comes.
//!
//! What arrives between the step of the clock and the closing of the batch, as while a commit is in flight, arrives by the time before.

use crate::batch::Stamp;

/// How far the clock may be behind before stream time follows it back; until then it stands still.
pub(super) const BEHIND_MAX_US: i64 = 60_000_000;

/// Stream time and what it runs by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamTime {
    /// µs since 1970; the least number before the first event of the first start.
    now_us: i64,
    /// While the clock is not synchronised and behind: stream time and monotonic time when that began.
    by_itself: Option<(i64, u64)>,
}

impl StreamTime {
    /// As stored; `None` at the first start.
    pub fn new(stored_us: Option<i64>) -> StreamTime {
        StreamTime { now_us: stored_us.unwrap_or(i64::MIN), by_itself: None }
    }

    pub fn now_us(&self) -> i64 {
        self.now_us
    }

    /// It is `stamp` now.
    pub fn advance(&mut self, stamp: Stamp) {
        if stamp.synchronised {
            self.by_itself = None;
            self.now_us = self.now_us.max(stamp.wall_us);
            return;
        }
        if self.by_itself.is_none() && stamp.wall_us < self.now_us {
            tracing::warn!(
                behind_s = self.behind_us(stamp) / 1_000_000,
                "the wall clock is not synchronised and behind: arrival times run on from the last known one"
            );
            self.by_itself = Some((self.now_us, stamp.mono_us));
        }
        let run_on = self.by_itself.map(|(from_us, since_us)| from_us.saturating_add_unsigned(stamp.mono_us.saturating_sub(since_us)));
        if run_on.is_none_or(|run_on_us| run_on_us <= stamp.wall_us) {
            self.by_itself = None;
        }
        self.now_us = self.now_us.max(run_on.unwrap_or(stamp.wall_us)).max(stamp.wall_us);
    }

    /// Whether it is to go back to the clock.
    pub fn is_to_go_back(&self, stamp: Stamp) -> bool {
        stamp.synchronised && self.behind_us(stamp) > BEHIND_MAX_US
    }

    /// Goes back to the clock; from when.
    pub fn go_back(&mut self, stamp: Stamp) -> i64 {
        std::mem::replace(&mut self.now_us, stamp.wall_us)
    }

    fn behind_us(&self, stamp: Stamp) -> i64 {
        self.now_us.saturating_sub(stamp.wall_us)
    }

    /// How long until stream time is `at_us`, if nothing sets the clock; 0 where it is there.
    pub fn until_us(&self, at_us: i64, stamp: Stamp) -> u64 {
        let runs_from_us = if self.by_itself.is_some() { self.now_us } else { stamp.wall_us };
        if at_us <= self.now_us { 0 } else { u64::try_from(at_us.saturating_sub(runs_from_us)).unwrap_or(0) }
    }

    /// The stamp as the engine is to see it: by stream time.
    pub fn stamp(&self, stamp: Stamp) -> Stamp {
        Stamp { wall_us: self.now_us, ..stamp }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;
    const NOW: i64 = 1_780_272_000_000_000;

    fn at(wall_us: i64, mono_minutes: u64, synchronised: bool) -> Stamp {
        Stamp { wall_us, mono_us: mono_minutes * MINUTE as u64, synchronised }
    }

    fn advanced(time: &mut StreamTime, stamp: Stamp) -> (i64, bool) {
        time.advance(stamp);
        (time.now_us(), time.is_to_go_back(stamp))
    }

    #[test]
    fn it_stands_still_for_a_minute_and_goes_back_for_more() {
        let mut time = StreamTime::new(None);
        assert_eq!(advanced(&mut time, at(NOW, 0, true)), (NOW, false));
        assert_eq!(advanced(&mut time, at(NOW - MINUTE, 1, true)), (NOW, false));
        assert_eq!(time.until_us(NOW + 5, at(NOW - MINUTE, 1, true)), MINUTE as u64 + 5);
        assert_eq!(time.until_us(NOW, at(NOW - MINUTE, 1, true)), 0);
        let back = at(NOW - MINUTE - 1, 2, true);
        assert_eq!(advanced(&mut time, back), (NOW, true));
        assert_eq!((time.go_back(back), time.now_us(), time.is_to_go_back(back)), (NOW, NOW - MINUTE - 1, false));
    }

    #[test]
    fn a_clock_that_comes_back_before_the_batch_is_closed_sets_nothing_back() {
        let mut time = StreamTime::new(Some(NOW));
        assert_eq!(advanced(&mut time, at(NOW - 5 * MINUTE, 0, true)), (NOW, true));
        assert_eq!(advanced(&mut time, at(NOW + 1, 1, true)), (NOW + 1, false));
    }

    #[test]
    fn a_first_start_in_1970_jumps_ahead_with_the_clock() {
        let mut time = StreamTime::new(None);
        assert_eq!(advanced(&mut time, at(7, 0, false)), (7, false));
        assert_eq!(advanced(&mut time, at(7 + MINUTE, 1, false)), (7 + MINUTE, false));
        assert_eq!(advanced(&mut time, at(NOW, 2, true)), (NOW, false));
    }

    #[test]
    fn a_later_start_in_1970_runs_on_from_what_is_stored_until_the_clock_is_synchronised() {
        let mut time = StreamTime::new(Some(NOW));
        assert_eq!(advanced(&mut time, at(0, 10, false)), (NOW, false));
        assert_eq!(advanced(&mut time, at(2 * MINUTE, 12, false)), (NOW + 2 * MINUTE, false));
        assert_eq!(time.until_us(NOW + 3 * MINUTE, at(2 * MINUTE, 12, false)), MINUTE as u64);
        assert_eq!(time.stamp(at(2 * MINUTE, 12, false)).wall_us, NOW + 2 * MINUTE);
        assert_eq!(advanced(&mut time, at(NOW + 100 * MINUTE, 13, true)), (NOW + 100 * MINUTE, false));
        // And once more, from there.
        assert_eq!(advanced(&mut time, at(0, 14, false)), (NOW + 100 * MINUTE, false));
        assert_eq!(advanced(&mut time, at(0, 15, false)), (NOW + 101 * MINUTE, false));
    }

    #[test]
    fn a_clock_from_the_future_is_followed_back_once_it_is_right() {
        let years = 10 * 365 * 24 * 60 * MINUTE;
        let mut time = StreamTime::new(Some(NOW));
        assert_eq!(advanced(&mut time, at(NOW + years, 1, true)), (NOW + years, false));
        assert_eq!(advanced(&mut time, at(0, 2, false)), (NOW + years, false));
        assert_eq!(advanced(&mut time, at(MINUTE, 3, false)), (NOW + years + MINUTE, false));
        let right = at(NOW + 3 * MINUTE, 4, true);
        assert_eq!(advanced(&mut time, right), (NOW + years + MINUTE, true));
        assert_eq!(time.go_back(right), NOW + years + MINUTE);
        assert_eq!(advanced(&mut time, at(NOW + 4 * MINUTE, 5, true)), (NOW + 4 * MINUTE, false));
    }

    #[test]
    fn an_unsynchronised_clock_that_runs_is_not_outrun() {
        let mut time = StreamTime::new(Some(100));
        assert_eq!(advanced(&mut time, at(50, 0, false)), (100, false));
        assert_eq!(advanced(&mut time, at(MINUTE * 2, 1, false)), (MINUTE * 2, false));
        assert_eq!(advanced(&mut time, at(MINUTE * 2 + 1, 2, false)), (MINUTE * 2 + 1, false));
        assert_eq!(time.by_itself, None);
    }
}
