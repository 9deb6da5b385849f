//! What the gateway has done and how it is: plain counters since the start, kept by the core, for logs and for whoever serves them.

use serde::Serialize;

use crate::config::STATUS_TABLE;
pub use crate::engine::OperatorStatus;

/// A snapshot of the whole gateway.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    pub gateway: String,
    /// The start's epoch, as results carry it.
    pub epoch: u64,
    /// Number of the last durable change set.
    pub committed: u64,
    pub commits: u64,
    /// The store refuses commits, and why.
    pub store_down: Option<String>,
    /// How often the wall clock was set back so far that windows by time of arrival were closed.
    pub clock_set_back: u64,
    pub rows: u64,
    pub dead_letters: DeadLetterStatus,
    pub sources: Vec<SourceStatus>,
    pub tables: Vec<TableStatus>,
    pub queries: Vec<QueryStatus>,
    pub sinks: Vec<SinkStatus>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct DeadLetterStatus {
    pub written: u64,
    /// Counted, but more than one batch keeps.
    pub not_kept: u64,
    /// Old ones that made room for new ones.
    pub dropped: u64,
}

impl Status {
    /// The sources that users have: all but the gateway's own.
    pub fn sources_from_outside(&self) -> impl Iterator<Item = &SourceStatus> {
        self.sources.iter().filter(|source| source.name != STATUS_TABLE)
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct SourceStatus {
    pub name: String,
    pub connected: bool,
    pub connections: u64,
    /// What last kept it from working; gone with the next connection.
    pub trouble: Option<String>,
    /// Reconnects on which the broker had lost our session: messages may be lost.
    pub sessions_lost: u64,
    pub received: u64,
    /// Over the last seconds.
    pub received_per_s: f64,
    pub received_bytes: u64,
    /// Repeats of messages already counted.
    pub repeats: u64,
    pub decoded_rows: u64,
    /// Fields that did not fit their type and became NULL.
    pub nulled_fields: u64,
    /// Payloads and rows that went to the dead letters.
    pub rejected: u64,
    /// Input that was let go for want of room, or above `max_rate`.
    pub dropped: u64,
    pub dropped_bytes: u64,
    /// Retained messages left out.
    pub retained_ignored: u64,
    pub acknowledged: u64,
    pub unacknowledged: u64,
    /// Received and not proven acknowledged.
    pub unproven: u64,
    /// Of a source with several peers: how it stands with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peers: Option<PeerStatus>,
    pub idle: bool,
    /// Nothing has come for its `silence_timeout`.
    pub silent: bool,
}

/// Connections of a source that listens. All but `open` count since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PeerStatus {
    pub open: u64,
    pub accepted: u64,
    /// Over the limit, or not let in.
    pub refused: u64,
    /// Closed because nothing came, or a frame was not completed in time.
    pub timed_out: u64,
    /// No TLS connection came about.
    pub handshakes_failed: u64,
}

/// A reference table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableStatus {
    pub name: String,
    /// Of the version that is in use from the next batch on.
    pub rows: u64,
    /// Of its text.
    pub bytes: u64,
    /// How many versions have been taken since the start, the first included.
    pub versions: u64,
    /// How often the file could not be taken.
    pub refused: u64,
    /// Why it could not, while it cannot: an older version is in use.
    pub trouble: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct QueryStatus {
    pub name: String,
    pub results: u64,
    /// Over the last seconds.
    pub results_per_s: f64,
    pub late_rows: u64,
    pub rejected_rows: u64,
    /// Rows of sources with `dedup` that were known.
    pub repeats: u64,
    /// µs since the epoch; absent before the first event.
    pub watermark_us: Option<i64>,
    pub keys: u64,
    pub state_bytes: u64,
    /// Each operator with state, and how it stands to its limits.
    pub operators: Vec<OperatorStatus>,
}

impl QueryStatus {
    /// Rows rejected because an operator was full, and what operators had to let go.
    pub fn felt_limits(&self) -> u64 {
        self.operators.iter().map(|operator| operator.rejected + operator.evicted).sum()
    }
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct SinkStatus {
    pub name: String,
    pub connected: bool,
    pub committed: u64,
    pub delivered: u64,
    /// Over the last seconds.
    pub delivered_per_s: f64,
    /// Refused for good by the other side, now among the dead letters.
    pub refused: u64,
    /// Given up by the outbox's policy.
    pub dropped: u64,
    pub waiting_bytes: u64,
    /// About: of a segment that is delivered in part, the share of its bytes that waits counts.
    pub waiting_rows: u64,
    /// When the oldest segment that waits was begun: wall clock, ms since 1970; absent where nothing waits or the clock was not to be trusted.
    pub oldest_ms: Option<i64>,
    pub outbox_full: bool,
}
