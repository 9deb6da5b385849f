//! One line a minute of what went through.

use crate::status::{QueryStatus, Status};

const INTERVAL_US: u64 = 60_000_000;

/// The counters at the last line.
pub struct Report {
    told_us: u64,
    messages: u64,
    results: u64,
    delivered: u64,
    /// By query: rows rejected for want of room, and what was let go.
    felt_limits: Vec<u64>,
}

impl Report {
    pub fn new(status: &Status, mono_us: u64) -> Report {
        let Counts { messages, results, delivered, .. } = Counts::of(status);
        Report { told_us: mono_us, messages, results, delivered, felt_limits: felt_limits(status) }
    }

    pub fn is_due(&self, mono_us: u64) -> bool {
        mono_us >= self.told_us + INTERVAL_US
    }

    /// Logs rates since the last line, and what needs attention.
    pub fn tell(&mut self, status: &Status, mono_us: u64) {
        let counts = Counts::of(status);
        let seconds = (mono_us - self.told_us) as f64 / 1e6;
        let rate = |now: u64, before: u64| format!("{:.1}", now.saturating_sub(before) as f64 / seconds);
        tracing::info!(
            messages_per_s = rate(counts.messages, self.messages),
            results_per_s = rate(counts.results, self.results),
            delivered_per_s = rate(counts.delivered, self.delivered),
            outbox_bytes = counts.waiting_bytes,
            late = counts.late,
            rejected = counts.rejected,
            dropped = counts.dropped,
            input_dropped = counts.input_dropped,
            refused_connections = counts.refused_connections,
            timed_out_connections = counts.timed_out_connections,
            failed_handshakes = counts.failed_handshakes,
            disconnected = counts.disconnected,
            "last minute"
        );
        for (query, before) in status.queries.iter().zip(&self.felt_limits) {
            tell_full(query, *before);
        }
        *self = Report::new(status, mono_us);
    }
}

fn felt_limits(status: &Status) -> Vec<u64> {
    status.queries.iter().map(QueryStatus::felt_limits).collect()
}

/// A query whose limits were felt in the last minute: which operator, and what it holds.
fn tell_full(query: &QueryStatus, before: u64) {
    let felt = query.felt_limits();
    let Some(operator) = query.operators.iter().max_by_key(|operator| operator.rejected + operator.evicted).filter(|_| felt > before)
    else {
        return;
    };
    tracing::warn!(
        query = query.name,
        operator = operator.operator,
        rows = felt - before,
        keys = operator.keys,
        keys_max = operator.keys_max,
        bytes = operator.bytes,
        bytes_max = operator.bytes_max,
        rejected = operator.rejected,
        evicted = operator.evicted,
        "the query's state is full: raise its `limits`, or group by fewer keys"
    );
}

/// One line of what went through since the start.
pub fn tell_all(status: &Status) {
    let Counts { messages, results, delivered, waiting_bytes, late, rejected, dropped, input_dropped, .. } = Counts::of(status);
    let Counts { refused_connections, timed_out_connections, failed_handshakes, .. } = Counts::of(status);
    let repeats: u64 = status.sources.iter().map(|source| source.repeats).sum();
    let commits = status.commits;
    tracing::info!(
        messages,
        repeats,
        commits,
        results,
        delivered,
        outbox_bytes = waiting_bytes,
        late,
        rejected,
        dropped,
        input_dropped,
        refused_connections,
        timed_out_connections,
        failed_handshakes,
        "since the start"
    );
}

#[derive(Default)]
struct Counts {
    messages: u64,
    results: u64,
    delivered: u64,
    waiting_bytes: u64,
    late: u64,
    rejected: u64,
    dropped: u64,
    /// Frames of sources that can't wait.
    input_dropped: u64,
    refused_connections: u64,
    timed_out_connections: u64,
    failed_handshakes: u64,
    disconnected: u64,
}

impl Counts {
    fn of(status: &Status) -> Counts {
        let mut counts = Counts::default();
        for source in &status.sources {
            counts.messages += source.received;
            counts.rejected += source.rejected;
            counts.input_dropped += source.dropped;
            let peers = source.peers.unwrap_or_default();
            counts.refused_connections += peers.refused;
            counts.timed_out_connections += peers.timed_out;
            counts.failed_handshakes += peers.handshakes_failed;
            counts.disconnected += u64::from(!source.connected);
        }
        for query in &status.queries {
            counts.late += query.late_rows;
            counts.rejected += query.rejected_rows;
        }
        for sink in &status.sinks {
            counts.results += sink.committed;
            counts.delivered += sink.delivered;
            counts.waiting_bytes += sink.waiting_bytes;
            counts.dropped += sink.dropped;
            counts.disconnected += u64::from(!sink.connected);
        }
        counts
    }
}
