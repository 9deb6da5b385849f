//! One stream's watermark: the greatest event time seen, less the delay; in whole milliseconds, as Spark keeps it.
//!
//! It starts at 1970 and never goes back, unless the clock that it follows does (see [`super::set_back`]). Where the clock would put it while its sources are silent is told here; whether the clock has its
//! say is decided over all streams of a query, in [`super::watermarks`].

use crate::batch::Batch;

/// The watermark and what it is computed from.
#[derive(Clone, Debug)]
pub(super) struct Watermark {
    current_ms: i64,
    delay_ms: i64,
    /// Whose rows it sees.
    sources: Vec<usize>,
    idle_timeout_us: i64,
    /// Event time is arrival time: it cannot run against the clock, synchronised or not.
    stream_time: bool,
    /// Event time is arrival time, or computed from it.
    by_arrival: bool,
    /// Greatest event time of this step, µs.
    seen_us: Option<i64>,
}

impl Watermark {
    pub fn new(delay_us: i64, sources: Vec<usize>, idle_timeout_us: i64, stream_time: bool) -> Watermark {
        Watermark {
            current_ms: 0,
            delay_ms: delay_us / 1000,
            sources,
            idle_timeout_us,
            stream_time,
            by_arrival: stream_time,
            seen_us: None,
        }
    }

    /// Says whether event time is computed from arrival times.
    pub fn made_of_arrivals(self, by_arrival: bool) -> Watermark {
        Watermark { by_arrival: by_arrival || self.stream_time, ..self }
    }

    /// Whether a clock that is set back takes it back.
    pub fn is_by_arrival(&self) -> bool {
        self.by_arrival
    }

    /// The clock was set back to `to_us`: rows to come are dated from there on.
    pub fn set_back(&mut self, to_us: i64) {
        self.seen_us = None;
        if self.stream_time {
            self.current_ms = self.current_ms.min(to_us.div_euclid(1000).saturating_sub(self.delay_ms).max(0));
        } else if self.by_arrival {
            // How far its times are from those of arrival is not known.
            self.current_ms = 0;
        }
    }

    pub fn current_ms(&self) -> i64 {
        self.current_ms
    }

    pub fn delay_us(&self) -> i64 {
        self.delay_ms.saturating_mul(1000)
    }

    pub fn restore(&mut self, current_ms: i64) {
        self.current_ms = current_ms;
    }

    /// Goes on where the same stream's is; the sources' numbers and `idle_timeout` are its own.
    pub fn take_over(&mut self, old: &Watermark) {
        (self.current_ms, self.seen_us) = (old.current_ms, old.seen_us);
    }

    /// Event times of this step that are not NULL.
    pub fn observe(&mut self, times: impl Iterator<Item = i64>) {
        self.seen_us = times.chain(self.seen_us).max();
    }

    /// Takes what was observed into account.
    pub fn advance(&mut self) {
        if let Some(seen) = self.seen_us.take() {
            self.current_ms = self.current_ms.max(seen.div_euclid(1000).saturating_sub(self.delay_ms));
        }
    }

    /// Whether the batch says that none of its sources has had anything for its `idle_timeout`.
    pub fn is_idle(&self, batch: &Batch) -> bool {
        let idle = |source: &usize| batch.inputs.iter().any(|input| input.source == *source && input.idle && input.table.rows == 0);
        !self.sources.is_empty() && self.sources.iter().all(idle)
    }

    /// Since or from when all of its sources are idle, given when each is.
    pub fn idle_at(&self, idle_at_us: &[Option<i64>]) -> Option<i64> {
        let each: Option<Vec<i64>> = self.sources.iter().map(|source| *idle_at_us.get(*source)?).collect();
        each?.into_iter().max()
    }

    /// Where the clock would put the watermark while the source is idle, ms; `None` where the clock has no say.
    pub fn by_clock(&self, wall_us: i64, synchronised: bool) -> Option<i64> {
        let trusted = synchronised || self.stream_time;
        trusted.then(|| wall_us.saturating_sub(self.idle_timeout_us).div_euclid(1000).saturating_sub(self.delay_ms))
    }

    /// When the clock will have carried the watermark to `close_us`, µs; `None` where it will not.
    pub fn clock_reaches(&self, close_us: i64, synchronised: bool) -> Option<i64> {
        let trusted = synchronised || self.stream_time;
        let close_ms = close_us.saturating_add(999).div_euclid(1000);
        let at_us = close_ms.saturating_add(self.delay_ms).saturating_mul(1000).saturating_add(self.idle_timeout_us);
        // by_clock rounds down: whole milliseconds from here on.
        trusted.then_some(at_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_event_time_in_milliseconds_and_never_goes_back() {
        let mut watermark = Watermark::new(10_000_999, vec![0], 0, false);
        watermark.observe([5_000_000].into_iter());
        watermark.advance();
        assert_eq!(watermark.current_ms(), 0);
        watermark.observe([20_000_999, 3].into_iter());
        watermark.advance();
        assert_eq!(watermark.current_ms(), 10_000);
        watermark.observe([12_000_000].into_iter());
        watermark.advance();
        assert_eq!(watermark.current_ms(), 10_000);
    }

    #[test]
    fn the_clock_reaches_a_close_exactly_when_said() {
        let watermark = Watermark::new(10_000_000, vec![0], 3_000_001, false);
        for close in [60_000_000, 60_000_001] {
            let at = watermark.clock_reaches(close, true).unwrap();
            assert!(watermark.by_clock(at, true).unwrap() * 1000 >= close);
            assert!(watermark.by_clock(at - 1, true).unwrap() * 1000 < close);
        }
        assert_eq!((watermark.by_clock(1, false), watermark.clock_reaches(1, false)), (None, None));
        assert!(Watermark::new(0, vec![0], 0, true).by_clock(1, false).is_some());
    }
}
