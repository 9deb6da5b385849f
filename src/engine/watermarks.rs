//! A query's watermark over several streams: the least of theirs, as Spark's default policy has it; and the clock's say.
//!
//! Invariants: it goes back only where the clock does that it follows. A stream without data yet holds it at 1970; a stream whose sources are all idle does not hold it back.
//! While all are idle and the clock can be trusted for each, it may follow the clock.

use crate::batch::Batch;
use crate::engine::state_codec::{Malformed, Reader, put_signed};
use crate::engine::watermark::Watermark;
use crate::sabotage::{Fault, planted};

/// The watermarks of a query's streams, and the one that results.
#[derive(Clone, Debug, Default)]
pub(super) struct Watermarks {
    streams: Vec<Watermark>,
    /// ms since 1970.
    current_ms: i64,
    stored: Vec<i64>,
}

impl Watermarks {
    /// Adds a stream; its index.
    pub fn add(&mut self, watermark: Watermark) -> usize {
        self.streams.push(watermark);
        self.streams.len() - 1
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub fn current_us(&self) -> i64 {
        self.current_ms.saturating_mul(1000)
    }

    /// The longest delay of the streams.
    pub fn delay_us(&self) -> i64 {
        self.streams.iter().map(Watermark::delay_us).max().unwrap_or_default()
    }

    /// Event times of stream `index` in this step that are not NULL.
    pub fn observe(&mut self, index: usize, times: impl Iterator<Item = i64>) {
        self.streams[index].observe(times);
        if planted(Fault::EagerWatermark) {
            self.advance(&Batch::default());
        }
    }

    /// Takes what was observed into account. `batch` tells which sources are idle.
    pub fn advance(&mut self, batch: &Batch) {
        self.streams.iter_mut().for_each(Watermark::advance);
        let holding = self.streams.iter().filter(|stream| !stream.is_idle(batch));
        if let Some(least) = holding.map(Watermark::current_ms).min() {
            self.current_ms = self.current_ms.max(least);
        }
    }

    /// While every stream is idle, the clock may carry the watermark; it does so only where that closes something, from the first to the last of
    /// `closes_us`: further it would take rows to come for late ones, for years if the clock is wrong. Whether it did.
    pub fn follow_clock(&mut self, batch: &Batch, closes_us: (i64, i64)) -> bool {
        if self.streams.is_empty() || !self.streams.iter().all(|stream| stream.is_idle(batch)) {
            return false;
        }
        let by_clock = |stream: &Watermark| stream.by_clock(batch.stamp.wall_us, batch.stamp.synchronised);
        let Some(clock_ms) = self.streams.iter().map(by_clock).min().flatten() else { return false };
        let before_ms = self.current_ms;
        if clock_ms.saturating_mul(1000) >= closes_us.0 {
            let last_ms = closes_us.1.saturating_add(999).div_euclid(1000);
            self.current_ms = self.current_ms.max(clock_ms.min(last_ms));
        }
        self.current_ms > before_ms
    }

    /// Whether event time of one of the streams is made of arrival times.
    pub fn go_by_arrival(&self) -> bool {
        self.streams.iter().any(Watermark::is_by_arrival)
    }

    /// The clock was set back to `to_us`: streams by arrival begin anew there, the others where their rows have brought them.
    pub fn set_back(&mut self, to_us: i64) {
        self.streams.iter_mut().for_each(|stream| stream.set_back(to_us));
        self.current_ms = self.streams.iter().map(Watermark::current_ms).min().unwrap_or_default();
    }

    /// When, by the wall clock, idle streams reach `close_us`, µs. `idle_at_us`: since or from when each source is idle.
    pub fn clock_reaches(&self, close_us: i64, idle_at_us: &[Option<i64>], synchronised: bool) -> Option<i64> {
        let reached = |stream: &Watermark| Some(stream.clock_reaches(close_us, synchronised)?.max(stream.idle_at(idle_at_us)?));
        let reached: Option<Vec<i64>> = self.streams.iter().map(reached).collect();
        reached?.into_iter().max()
    }

    /// What is to be stored if it has changed: the watermark, then each stream's where there are several.
    pub fn take_changed(&mut self) -> Option<Vec<i64>> {
        let mut now = vec![self.current_ms];
        if self.streams.len() > 1 {
            now.extend(self.streams.iter().map(Watermark::current_ms));
        }
        let begins = self.stored.is_empty() && now.iter().all(|ms| *ms == 0);
        if begins || now == self.stored {
            return None;
        }
        self.stored.clone_from(&now);
        Some(now)
    }

    /// Goes on where the same streams are.
    pub fn take_over(&mut self, old: &Watermarks) {
        self.streams.iter_mut().zip(&old.streams).for_each(|(stream, old)| stream.take_over(old));
        self.current_ms = old.current_ms;
        self.stored.clone_from(&old.stored);
    }

    /// Takes up what [`put`] wrote. A query that read one stream and reads several now has each of them where the watermark was.
    pub fn restore(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        self.current_ms = reader.signed()?;
        let mut each = Vec::new();
        while reader.remaining() > 0 && each.len() < self.streams.len() {
            each.push(reader.signed()?);
        }
        for (index, stream) in self.streams.iter_mut().enumerate() {
            stream.restore(each.get(index).copied().unwrap_or(self.current_ms));
        }
        let stored = std::iter::once(self.current_ms);
        self.stored = if self.streams.len() > 1 { stored.chain(each).collect() } else { stored.collect() };
        Ok(())
    }
}

/// The stored form of [`Watermarks::take_changed`].
pub(super) fn put(out: &mut Vec<u8>, values: &[i64]) {
    values.iter().for_each(|ms| put_signed(out, *ms));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{SourceInput, Stamp, Table};

    fn batch(idle: &[bool], wall_us: i64) -> Batch {
        let input = |(source, idle): (usize, &bool)| SourceInput { source, table: Table::default(), idle: *idle };
        let stamp = Stamp { wall_us, mono_us: 0, synchronised: true };
        Batch { number: 1, stamp, inputs: idle.iter().enumerate().map(input).collect(), ..Batch::default() }
    }

    fn two() -> Watermarks {
        let mut watermarks = Watermarks::default();
        watermarks.add(Watermark::new(0, vec![0], 1_000_000, false));
        watermarks.add(Watermark::new(2_000_000, vec![1], 3_000_000, false));
        watermarks
    }

    #[test]
    fn the_least_counts_and_a_stream_without_data_holds_it() {
        let mut watermarks = two();
        watermarks.observe(0, [50_000_000].into_iter());
        watermarks.advance(&batch(&[false, false], 0));
        assert_eq!(watermarks.current_us(), 0);
        watermarks.observe(1, [30_000_000].into_iter());
        watermarks.advance(&batch(&[], 0));
        assert_eq!(watermarks.current_us(), 28_000_000);
    }

    #[test]
    fn an_idle_stream_does_not_hold_it_back_and_does_not_bring_it_back() {
        let mut watermarks = two();
        watermarks.observe(0, [50_000_000].into_iter());
        watermarks.advance(&batch(&[false, true], 0));
        assert_eq!(watermarks.current_us(), 50_000_000);
        watermarks.observe(1, [30_000_000].into_iter());
        watermarks.advance(&batch(&[false, false], 0));
        assert_eq!(watermarks.current_us(), 50_000_000);
    }

    #[test]
    fn the_clock_moves_it_when_all_are_idle_and_something_closes() {
        let mut watermarks = two();
        assert_eq!(watermarks.clock_reaches(10_000_000, &[Some(0), Some(0)], true), Some(15_000_000));
        assert_eq!(watermarks.clock_reaches(10_000_000, &[Some(0), Some(20_000_000)], true), Some(20_000_000));
        assert_eq!(watermarks.clock_reaches(10_000_000, &[Some(0), None], true), None);
        let closes = (10_000_000, 12_000_000);
        assert!(!watermarks.follow_clock(&batch(&[true, false], 15_000_000), closes));
        assert!(!watermarks.follow_clock(&batch(&[true, true], 14_999_000), closes));
        assert_eq!(watermarks.current_us(), 0);
        assert!(watermarks.follow_clock(&batch(&[true, true], 15_000_000), closes));
        assert_eq!(watermarks.current_us(), 10_000_000);
        assert!(watermarks.follow_clock(&batch(&[true, true], 90_000_000), closes));
        assert_eq!(watermarks.current_us(), 12_000_000, "not further than it closes something");
        assert!(!watermarks.follow_clock(&batch(&[true, true], 91_000_000), closes));
    }

    #[test]
    fn each_streams_own_is_stored() {
        let mut watermarks = two();
        assert_eq!(watermarks.take_changed(), None);
        watermarks.observe(0, [50_000_000].into_iter());
        watermarks.advance(&batch(&[false, false], 0));
        let stored = watermarks.take_changed().unwrap();
        assert_eq!((stored.as_slice(), watermarks.take_changed()), (&[0, 50_000, 0][..], None));
        let mut bytes = Vec::new();
        put(&mut bytes, &stored);
        let mut again = two();
        again.restore(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(again.take_changed(), None);
        again.observe(1, [32_000_000].into_iter());
        again.advance(&batch(&[], 0));
        assert_eq!(again.current_us(), 30_000_000);
    }
}
