//! A bounded sketch of a distribution: percentile_approx. Greenwald and Khanna, "Space-efficient online computation of quantile summaries"
//! (2001), with the buffering and thresholds of Spark, so that groups that fit into the buffer give Spark's element.
//!
//! The error of a rank is at most `rows / accuracy`; while a group has fewer than `accuracy / 2` rows it is exact.
//! Limits: the buffer's size, given by the caller; the summary itself grows with the logarithm of the rows.

use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::{Malformed, Reader, put_varint};

/// Numbers buffered before they are summarised, in streams.
pub(in crate::engine) const STREAM_BUFFER: u32 = 4096;

/// The same in batch queries: Spark's.
pub(in crate::engine) const BATCH_BUFFER: u32 = 50_000;

/// Samples from which on a full buffer makes the summary compress.
const SAMPLES_UNCOMPRESSED_MAX: usize = 10_000;

/// What bounds a sketch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Precision {
    /// One over the relative error.
    pub accuracy: u32,
    pub buffer: u32,
}

impl Precision {
    fn error(self) -> f64 {
        1.0 / f64::from(self.accuracy)
    }
}

/// A value with the least rank it adds to that before it, and the span that its rank may lie in.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sample {
    value: f64,
    gap: u32,
    span: u32,
}

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Quantiles {
    buffer: Vec<f64>,
    samples: Vec<Sample>,
    /// Numbers in `samples`.
    count: u64,
}

impl Quantiles {
    pub fn add(&mut self, x: f64, precision: Precision) {
        self.buffer.push(if x.is_nan() { f64::NAN } else { x });
        if self.buffer.len() >= precision.buffer as usize {
            self.drain(precision);
            if self.samples.len() >= SAMPLES_UNCOMPRESSED_MAX.min(precision.accuracy.saturating_mul(4) as usize) {
                self.compress(precision);
            }
        }
    }

    /// Sorts the buffer into the samples.
    fn drain(&mut self, precision: Precision) {
        let mut sorted = std::mem::take(&mut self.buffer);
        sorted.sort_unstable_by(f64::total_cmp);
        let old = std::mem::take(&mut self.samples);
        let mut samples = Vec::with_capacity(old.len() + sorted.len());
        let mut rest = old.into_iter().peekable();
        let last = sorted.len().saturating_sub(1);
        for (index, x) in sorted.iter().enumerate() {
            while let Some(sample) = rest.next_if(|sample| sample.value.total_cmp(x).is_le()) {
                samples.push(sample);
            }
            self.count += 1;
            let extreme = samples.is_empty() || (rest.peek().is_none() && index == last);
            let span = if extreme { 0 } else { (2.0 * precision.error() * self.count as f64).floor() as u32 };
            samples.push(Sample { value: *x, gap: 1, span });
        }
        samples.extend(rest);
        self.samples = samples;
    }

    /// Joins neighbouring samples as far as the error allows.
    fn compress(&mut self, precision: Precision) {
        let Some((first, others)) = self.samples.split_first() else { return };
        let Some((last, middle)) = others.split_last() else { return };
        let allowed = 2.0 * precision.error() * self.count as f64;
        let mut kept = Vec::new();
        let mut head = *last;
        for sample in middle.iter().rev() {
            let joined = u64::from(sample.gap) + u64::from(head.gap) + u64::from(head.span);
            if (joined as f64) < allowed {
                head.gap += sample.gap;
            } else {
                kept.push(head);
                head = *sample;
            }
        }
        kept.push(head);
        if first.value.total_cmp(&head.value).is_le() {
            kept.push(*first);
        }
        kept.reverse();
        self.samples = kept;
    }

    fn settled(&self, precision: Precision) -> Quantiles {
        let mut settled = self.clone();
        settled.drain(precision);
        settled.compress(precision);
        settled
    }

    /// Combines two sketches. While both are buffers, so is the result: exact in the order of arrival or not.
    pub fn merge(&mut self, other: &Quantiles, precision: Precision) {
        if self.samples.is_empty() && other.samples.is_empty() && self.buffer.len() + other.buffer.len() < precision.buffer as usize {
            self.buffer.extend_from_slice(&other.buffer);
            return;
        }
        let (left, right) = (self.settled(precision), other.settled(precision));
        if right.count == 0 || left.count == 0 {
            *self = if right.count == 0 { left } else { right };
            return;
        }
        let slack = |count: u64| (2.0 * precision.error() * count as f64).floor() as u32;
        let (left_slack, right_slack) = (slack(right.count), slack(left.count));
        let mut samples = Vec::with_capacity(left.samples.len() + right.samples.len());
        let (mut i, mut j) = (0, 0);
        while i < left.samples.len() && j < right.samples.len() {
            let (sample, more) = if left.samples[i].value.total_cmp(&right.samples[j].value).is_lt() {
                i += 1;
                (left.samples[i - 1], if j > 0 { left_slack } else { 0 })
            } else {
                j += 1;
                (right.samples[j - 1], if i > 0 { right_slack } else { 0 })
            };
            samples.push(Sample { span: sample.span.saturating_add(more), ..sample });
        }
        samples.extend_from_slice(&left.samples[i..]);
        samples.extend_from_slice(&right.samples[j..]);
        *self = Quantiles { buffer: Vec::new(), samples, count: left.count + right.count };
        self.compress(precision);
    }

    /// The elements at these percentages, each from 0 to 1; none without numbers.
    pub fn query(&self, percentages: &[f64], precision: Precision) -> Option<Vec<f64>> {
        let settled = self.settled(precision);
        let samples = &settled.samples;
        let (first, last) = (samples.first()?, samples.last()?);
        let error = samples.iter().map(|sample| u64::from(sample.span) + u64::from(sample.gap)).max()? / 2;
        let at = |percentage: f64| {
            if percentage <= precision.error() {
                return first.value;
            }
            if percentage >= 1.0 - precision.error() {
                return last.value;
            }
            let rank = (percentage * settled.count as f64).ceil() as u64;
            let mut least = 0u64;
            for sample in &samples[..samples.len() - 1] {
                least += u64::from(sample.gap);
                if least + u64::from(sample.span) <= rank + error && rank <= least + error {
                    return sample.value;
                }
            }
            last.value
        };
        Some(percentages.iter().map(|percentage| at(*percentage)).collect())
    }
}

impl Loose for Quantiles {
    fn bytes(&self) -> usize {
        self.buffer.len() * 8 + self.samples.len() * 16
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.buffer.len() as u64);
        self.buffer.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
        put_varint(out, self.samples.len() as u64);
        for sample in &self.samples {
            out.extend_from_slice(&sample.value.to_le_bytes());
            put_varint(out, u64::from(sample.gap));
            put_varint(out, u64::from(sample.span));
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Quantiles, Malformed> {
        let number = |number: u64| u32::try_from(number).map_err(|_| Malformed("a sample is out of range"));
        let mut quantiles = Quantiles::default();
        for _ in 0..reader.count(8)? {
            quantiles.buffer.push(f64::from_le_bytes(reader.fixed()?));
        }
        for _ in 0..reader.count(10)? {
            let value = f64::from_le_bytes(reader.fixed()?);
            let (gap, span) = (number(reader.varint()?)?, number(reader.varint()?)?);
            if quantiles.samples.last().is_some_and(|before| before.value.total_cmp(&value).is_gt()) {
                return Err(Malformed("samples are out of order"));
            }
            quantiles.samples.push(Sample { value, gap, span });
            quantiles.count += u64::from(gap);
        }
        Ok(quantiles)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COARSE: Precision = Precision { accuracy: 50, buffer: 64 };

    proptest! {
        #[test]
        fn ranks_are_within_the_error(values in prop::collection::vec(0u32..1000, 1..600), cut in 0usize..600, percent in 0u32..=100) {
            let cut = cut.min(values.len());
            let mut sketches = [Quantiles::default(), Quantiles::default()];
            for (index, value) in values.iter().enumerate() {
                sketches[usize::from(index >= cut)].add(f64::from(*value), COARSE);
            }
            let [mut left, right] = sketches;
            left.merge(&right, COARSE);
            let percentage = f64::from(percent) / 100.0;
            let found = left.query(&[percentage], COARSE).unwrap()[0];
            let rank = (percentage * values.len() as f64).ceil();
            let below = values.iter().filter(|value| f64::from(**value) < found).count() as f64;
            let to = values.iter().filter(|value| f64::from(**value) <= found).count() as f64;
            // Two summaries of that error, and one rank for rounding.
            let error = 2.0 * values.len() as f64 / 50.0 + 1.0;
            prop_assert!(values.iter().any(|value| f64::from(*value) == found));
            prop_assert!(below - error <= rank && rank <= to + error, "{found}: {below}..{to}, wanted {rank} of {}", values.len());
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut sketch = Quantiles::default();
        (0..200_000).for_each(|n| sketch.add(f64::from(n * 7919 % 200_003), COARSE));
        assert!(sketch.bytes() < 64 << 10, "{}", sketch.bytes());
        let mut bytes = Vec::new();
        sketch.put(&mut bytes);
        let mut again = Vec::new();
        Quantiles::read(&mut Reader::new(&bytes)).unwrap().put(&mut again);
        assert_eq!(bytes, again);
    }
}
