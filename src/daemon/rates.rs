//! Rates of the last seconds, from counters.

use std::collections::VecDeque;

use crate::status::Status;

/// Between two samples.
const INTERVAL_US: u64 = 5_000_000;
/// Rates are over this many intervals.
const SAMPLES_MAX: usize = 3;
/// Over less than this nothing is a rate.
const SPAN_MIN_US: u64 = 500_000;

/// Counters by index of source, query, sink.
struct Sample {
    mono_us: u64,
    received: Vec<u64>,
    results: Vec<u64>,
    delivered: Vec<u64>,
}

/// The last samples.
#[derive(Default)]
pub struct Rates {
    samples: VecDeque<Sample>,
}

impl Rates {
    pub fn is_due(&self, mono_us: u64) -> bool {
        self.samples.back().is_none_or(|last| mono_us >= last.mono_us + INTERVAL_US)
    }

    pub fn note(&mut self, status: &Status, mono_us: u64) {
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            mono_us,
            received: status.sources.iter().map(|source| source.received).collect(),
            results: status.queries.iter().map(|query| query.results).collect(),
            delivered: status.sinks.iter().map(|sink| sink.delivered).collect(),
        });
    }

    /// Sets the rates of a status.
    pub fn fill(&self, status: &mut Status, mono_us: u64) {
        let Some(first) = self.samples.front().filter(|first| mono_us >= first.mono_us + SPAN_MIN_US) else { return };
        let seconds = (mono_us - first.mono_us) as f64 / 1e6;
        let rate = |now: u64, before: &[u64], index: usize| now.saturating_sub(before.get(index).copied().unwrap_or(0)) as f64 / seconds;
        for (index, source) in status.sources.iter_mut().enumerate() {
            source.received_per_s = rate(source.received, &first.received, index);
        }
        for (index, query) in status.queries.iter_mut().enumerate() {
            query.results_per_s = rate(query.results, &first.results, index);
        }
        for (index, sink) in status.sinks.iter_mut().enumerate() {
            sink.delivered_per_s = rate(sink.delivered, &first.delivered, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::SourceStatus;

    fn received(count: u64) -> Status {
        Status { sources: vec![SourceStatus { received: count, ..SourceStatus::default() }], ..Status::default() }
    }

    #[test]
    fn a_rate_is_over_the_last_samples() {
        let mut rates = Rates::default();
        let shown = |rates: &Rates, count, mono_us| {
            let mut status = received(count);
            rates.fill(&mut status, mono_us);
            status.sources[0].received_per_s
        };
        assert_eq!(shown(&rates, 9, 1), 0.0);
        rates.note(&received(1_000), 0);
        assert!(!rates.is_due(INTERVAL_US - 1) && rates.is_due(INTERVAL_US));
        assert_eq!(shown(&rates, 1_100, 1_000), 0.0, "too short");
        assert_eq!(shown(&rates, 1_100, 2_000_000), 50.0);
        for n in 1..=SAMPLES_MAX as u64 {
            rates.note(&received(1_000), n * INTERVAL_US);
        }
        assert_eq!(shown(&rates, 1_150, 4 * INTERVAL_US), 10.0, "since 15 seconds");
    }
}
