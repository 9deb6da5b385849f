//! What one commit makes durable, and what a start reads back. Plain data: the core writes it, the store applies it.
//!
//! Invariants: a change set holds absolute values (puts, deletes, appends at stated offsets), so that applying it twice is applying it
//! once; numbers rise by one; the store's own records of segments are written in the same atomic step as the puts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A log of records in segment files: an outbox by its sink's name, or the dead letters. Characters: `[a-z0-9_-]`, and one dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LogName(String);

impl LogName {
    pub fn outbox(sink: &str) -> LogName {
        LogName(format!("outbox.{sink}"))
    }

    pub fn dead_letters() -> LogName {
        LogName("dead_letters".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The sink whose outbox this is.
    pub fn sink(&self) -> Option<&str> {
        self.0.strip_prefix("outbox.")
    }
}

impl From<String> for LogName {
    fn from(name: String) -> LogName {
        LogName(name)
    }
}

/// Records of one log that were committed together; the unit of a CRC. Sequence numbers are `first_seq .. first_seq + records.len()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The start of the gateway that made these records.
    pub epoch: u64,
    pub first_seq: u64,
    /// Wall clock, ms, when they were made.
    pub created_ms: i64,
    pub records: Vec<Vec<u8>>,
}

/// A chunk at its place: `offset` counts bytes from the beginning of the log, over all segments that ever were.
#[derive(Clone, Debug)]
pub struct StoredChunk {
    pub offset: u64,
    /// Where the next chunk begins.
    pub end: u64,
    pub chunk: Chunk,
}

/// A segment file of a log, as committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Offset in the log of the segment's first byte; also the file's name.
    pub base: u64,
    /// Offset in the log after the segment's last committed byte.
    pub end: u64,
    pub records: u64,
    /// (epoch, seq) of the first and of the last record.
    pub first: (u64, u64),
    pub last: (u64, u64),
    /// Wall clock, ms, of the oldest and of the newest chunk.
    pub oldest_ms: i64,
    pub newest_ms: i64,
}

/// Appends an encoded chunk. `segment.base == offset` begins a new segment file.
#[derive(Clone, Debug)]
pub struct Append {
    pub log: LogName,
    /// Where in the log `bytes` go: the segment's committed end before this change set, or the end of an append before it in this set.
    pub offset: u64,
    /// The chunk as [`super::chunk::encode`] writes it.
    pub bytes: Vec<u8>,
    /// The segment after this append.
    pub segment: SegmentMeta,
}

/// One atomic, durable step.
#[derive(Clone, Debug, Default)]
pub struct ChangeSet {
    /// Rises by one. A set whose number is not greater than the last durable one is already applied.
    pub number: u64,
    pub puts: Vec<(Vec<u8>, Vec<u8>)>,
    pub deletes: Vec<Vec<u8>>,
    pub appends: Vec<Append>,
    /// Whole segments that nobody needs any more, by log and base. Their files go after the commit.
    pub drops: Vec<(LogName, u64)>,
}

impl ChangeSet {
    /// Of what is put and appended.
    pub fn bytes(&self) -> usize {
        let put: usize = self.puts.iter().map(|(key, value)| key.len() + value.len()).sum();
        put + self.appends.iter().map(|append| append.bytes.len()).sum::<usize>()
    }
}

/// What the store holds at start.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Number of the last durable change set; 0 in a new store.
    pub number: u64,
    /// All keys that the core has put, ascending.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Queries whose state is not among `entries`, though the store has it: a running core hands it on.
    pub left_out: BTreeSet<String>,
    /// Segments of every log, ascending by base.
    pub segments: Vec<(LogName, Vec<SegmentMeta>)>,
    /// Where a corrupt store was moved to: its state is lost, the logs' readable chunks are in `segments`.
    pub quarantined: Option<String>,
    /// What was found damaged and what became of it, for people; empty as a rule.
    pub warnings: Vec<String>,
}
