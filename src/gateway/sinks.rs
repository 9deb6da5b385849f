//! One sink's books: results become numbered records of its outbox.

use super::closing::encode;
use super::dead_letters::{DeadLetter, DeadLetters};
use super::outbox::{Cursor, DropReason, Outbox, Tombstone};
use crate::batch::{Stamp, Table};
use crate::config::settings::{SinkKind, SinkSettings, TopicTemplate};
use crate::engine::QueryResult;
use crate::format::{encode_result, write_topic};
use crate::status::SinkStatus;
use crate::store::{ChangeSet, keys};
use crate::types::Field;

/// Tombstones kept, the youngest; the count of what was dropped goes on.
const TOMBSTONES_MAX: usize = 64;

/// One encoded result.
const RESULT_BYTES_MAX: usize = 4 << 20;

/// A result as it lies in the outbox: topic and payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkRecord<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
}

impl<'a> SinkRecord<'a> {
    /// Length of the topic as `u16` little endian, topic, payload.
    pub fn encode(topic: &str, payload: &[u8]) -> Vec<u8> {
        let mut record = SinkRecord::begin(topic, payload.len());
        record.extend_from_slice(payload);
        record
    }

    /// A record without its payload, which is to be appended; with room for `payload_bytes` of it.
    fn begin(topic: &str, payload_bytes: usize) -> Vec<u8> {
        let length = u16::try_from(topic.len()).expect("topics are written within MQTT's 65,535 bytes");
        let mut record = Vec::with_capacity(2 + topic.len() + payload_bytes);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(topic.as_bytes());
        record
    }

    /// `None` where the bytes are no record.
    pub fn decode(record: &'a [u8]) -> Option<SinkRecord<'a>> {
        let (length, rest) = record.split_first_chunk::<2>()?;
        let (topic, payload) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(SinkRecord { topic: std::str::from_utf8(topic).ok()?, payload })
    }
}

/// What the cursor has moved over since it was last made durable.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub since_us: u64,
    pub records: u64,
}

/// What is stored of a sink besides its segments.
#[derive(Debug, Default, Clone, serde::Serialize, serde::Deserialize)]
pub struct StoredSink {
    pub tombstones: Vec<Tombstone>,
    pub dropped: u64,
}

pub struct SinkBooks {
    gateway: String,
    name: String,
    topic: Option<TopicTemplate>,
    queries: Vec<(usize, String, Vec<Field>)>,
    pub outbox: Outbox,
    pub moved: Option<Moved>,
    stored: StoredSink,
    told: (u64, u64),
    pub status: SinkStatus,
}

impl SinkBooks {
    /// `queries`: index, name and result columns of each query that the sink takes.
    pub fn new(
        gateway: &str,
        settings: &SinkSettings,
        queries: Vec<(usize, String, Vec<Field>)>,
        outbox: Outbox,
        stored: StoredSink,
    ) -> SinkBooks {
        let topic = match &settings.kind {
            SinkKind::Mqtt(mqtt) => Some(mqtt.topic.clone()),
            SinkKind::File { .. } | SinkKind::Stdout => None,
        };
        let status = SinkStatus { name: settings.name.clone(), ..SinkStatus::default() };
        let told = (outbox.start(), outbox.end());
        SinkBooks { gateway: gateway.to_owned(), name: settings.name.clone(), topic, queries, outbox, moved: None, stored, told, status }
    }

    /// Encodes results and appends them to the outbox, as one chunk.
    pub fn append(&mut self, results: &[QueryResult], stamp: Stamp, changes: &mut ChangeSet, letters: &mut DeadLetters) {
        let mut records = Vec::new();
        let mut encoder = RecordEncoder::new(format!("{}:{}:{:016x}:", self.gateway, self.name, self.outbox.epoch()), self.topic.as_ref());
        for result in results {
            let Some((_, query, fields)) = self.queries.iter().find(|(query, ..)| *query == result.query) else { continue };
            for row in 0..result.table.rows {
                let seq = self.outbox.next_seq() + records.len() as u64;
                match encoder.encode(query, fields, &result.table, row, seq) {
                    Ok(record) => records.push(record),
                    Err(reason) => letters.push(|| DeadLetter {
                        at_ms: stamp.wall_us.div_euclid(1_000),
                        query: Some(query.clone()),
                        sink: Some(self.name.clone()),
                        reason,
                        ..DeadLetter::default()
                    }),
                }
            }
        }
        self.status.committed += records.len() as u64;
        let created_ms = if stamp.synchronised { stamp.wall_us.div_euclid(1_000) } else { 0 };
        self.outbox.append(records, created_ms, changes);
    }

    /// Goes on with what was delivered since the last commit.
    pub(super) fn take_over(&mut self, old: &SinkBooks) {
        self.outbox.delivered(old.outbox.cursor());
        self.moved = old.moved;
        self.status.clone_from(&old.status);
    }

    pub fn delivered(&mut self, cursor: Cursor, count: u64, stamp: Stamp) {
        self.outbox.delivered(cursor);
        self.status.delivered += count;
        let moved = self.moved.get_or_insert(Moved { since_us: stamp.mono_us, records: 0 });
        moved.records += count;
    }

    /// Drops what is delivered or too old, and puts the cursor if it moved, in place of an earlier one.
    pub fn advance(&mut self, now_ms: Option<i64>, changes: &mut ChangeSet) {
        let before = self.outbox.cursor();
        self.outbox.trim(now_ms, changes);
        if self.moved.take().is_some() || self.outbox.cursor() != before || self.told.0 != self.outbox.start() {
            let key = keys::cursor(&self.name);
            changes.puts.retain(|(put, _)| *put != key);
            changes.puts.push((key, encode(&self.outbox.cursor())));
        }
    }

    /// The same, and notes what the policy dropped.
    pub fn bookkeeping(&mut self, now_ms: Option<i64>, changes: &mut ChangeSet) {
        self.advance(now_ms, changes);
        let dropped = self.outbox.take_dropped();
        if dropped.is_empty() {
            return;
        }
        for tombstone in dropped {
            let Tombstone { first, last, records, reason, .. } = &tombstone;
            match reason {
                DropReason::Superseded => {
                    tracing::info!(sink = %self.name, ?first, ?last, records, "results in the full outbox were superseded by later ones")
                }
                _ => {
                    tracing::warn!(sink = %self.name, ?first, ?last, records, ?reason, "results were dropped from the outbox by its policy")
                }
            }
            self.status.dropped += records;
            self.stored.dropped += records;
            self.stored.tombstones.push(tombstone);
        }
        let excess = self.stored.tombstones.len().saturating_sub(TOMBSTONES_MAX);
        self.stored.tombstones.drain(..excess);
        changes.puts.push((keys::log(self.outbox.log()), encode(&self.stored)));
    }

    /// Start and end of the log, if they changed since the last call.
    pub fn take_news(&mut self) -> Option<(u64, u64)> {
        let now = (self.outbox.start(), self.outbox.end());
        let changed = now != self.told;
        self.told = now;
        changed.then_some(now)
    }

    pub fn status(&self) -> SinkStatus {
        let (waiting_rows, oldest_ms) = self.outbox.waiting();
        let waiting_bytes = self.outbox.waiting_bytes();
        SinkStatus { waiting_bytes, waiting_rows, oldest_ms, outbox_full: self.outbox.blocks(), ..self.status.clone() }
    }
}

/// Writes the records of one batch, with its buffers used again.
struct RecordEncoder<'a> {
    /// Gateway, sink and epoch, then the number of the record.
    id: String,
    id_prefix_bytes: usize,
    template: Option<&'a TopicTemplate>,
    topic: String,
    /// Of the last record's payload: the next is about as long.
    payload_bytes: usize,
}

impl<'a> RecordEncoder<'a> {
    fn new(id_prefix: String, template: Option<&'a TopicTemplate>) -> RecordEncoder<'a> {
        let id_prefix_bytes = id_prefix.len();
        RecordEncoder { id: id_prefix, id_prefix_bytes, template, topic: String::new(), payload_bytes: 0 }
    }

    fn encode(&mut self, query: &str, fields: &[Field], table: &Table, row: usize, seq: u64) -> Result<Vec<u8>, String> {
        self.topic.clear();
        if let Some(template) = self.template {
            write_topic(template, query, fields, table, row, &mut self.topic).map_err(|error| error.to_string())?;
        }
        self.id.truncate(self.id_prefix_bytes);
        self.id.push_str(&seq.to_string());
        let mut record = SinkRecord::begin(&self.topic, self.payload_bytes);
        let payload_at = record.len();
        encode_result(&self.id, fields, table, row, &mut record);
        self.payload_bytes = record.len() - payload_at;
        if self.payload_bytes > RESULT_BYTES_MAX {
            return Err(format!("the result has {} bytes, more than {RESULT_BYTES_MAX}", self.payload_bytes));
        }
        Ok(record)
    }
}
