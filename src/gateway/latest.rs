//! `keep_latest`: of the results that wait, the last of each key, so that a full outbox can be written anew with these alone.
//!
//! A result's key is its topic and the columns that `outbox.key` names. A result is superseded when a later one of its key is in the log. What is kept
//! keeps its epoch and number, and its place before all that came later: the consumer sees a gap, never another order.
//!
//! Invariants: each result here is undelivered and in the log, at its place; of each key there is one.
//!
//! Limits: [`LATEST_BYTES_MAX`], or half of the outbox where that is less. Beyond, the keys that changed longest ago are forgotten: their results
//! stay in the log until it is written anew, and are then dropped and counted.

use std::collections::BTreeMap;

use super::outbox::Cursor;
use super::sinks::SinkRecord;
use crate::store::chunk::HEADER_BYTES;
use crate::store::{Chunk, StoredChunk};

/// Results held in memory, with their keys, in bytes.
const LATEST_BYTES_MAX: u64 = 16 << 20;

/// What a result takes at most besides its bytes: in the log a chunk of its own, and about the same here.
const OVERHEAD_BYTES: usize = HEADER_BYTES + 4;

#[derive(Debug)]
struct Held {
    key: Box<[u8]>,
    epoch: u64,
    seq: u64,
    created_ms: i64,
    record: Vec<u8>,
}

impl Held {
    fn bytes(&self) -> u64 {
        (self.record.len() + self.key.len() + OVERHEAD_BYTES) as u64
    }
}

/// Results given up since the log was last written anew, some of which may have been delivered before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GivenUp {
    /// A later result of their key is there.
    pub superseded: u64,
    /// For want of room.
    pub forgotten: u64,
}

/// The last waiting result of each key.
#[derive(Debug)]
pub struct Latest {
    columns: Vec<String>,
    bytes_max: u64,
    held: BTreeMap<Cursor, Held>,
    places: BTreeMap<Box<[u8]>, Cursor>,
    bytes: u64,
    given_up: GivenUp,
    /// What the store had at the start, up to here, is not known yet.
    unread_to: u64,
}

impl Latest {
    /// `unread_to`: up to where the log holds results that are still to be [`Latest::take_up`]n.
    pub fn new(columns: Vec<String>, outbox_bytes_max: u64, unread_to: u64) -> Latest {
        Latest {
            columns,
            bytes_max: LATEST_BYTES_MAX.min(outbox_bytes_max / 2),
            held: BTreeMap::new(),
            places: BTreeMap::new(),
            bytes: 0,
            given_up: GivenUp::default(),
            unread_to,
        }
    }

    /// Whether all that waits behind `cursor` is known.
    pub fn is_whole(&self, cursor: Cursor) -> bool {
        cursor.offset >= self.unread_to
    }

    /// Takes in a chunk that the store had, in order; records before `cursor` are delivered.
    pub fn take_up(&mut self, stored: StoredChunk, cursor: Cursor) {
        let StoredChunk { offset, end, chunk } = stored;
        self.note(offset, &chunk);
        self.delivered(cursor);
        if end >= self.unread_to {
            self.unread_to = 0;
        }
    }

    /// Everything that the store could give is taken in: the rest is damaged.
    pub fn taken_up(&mut self) {
        self.unread_to = 0;
    }

    /// The chunk is in the log at `offset`.
    pub fn note(&mut self, offset: u64, chunk: &Chunk) {
        for ((index, seq), record) in (0..).zip(chunk.first_seq..).zip(&chunk.records) {
            let key = key_of(record, &self.columns);
            self.supersede(&key);
            let held = Held { key, epoch: chunk.epoch, seq, created_ms: chunk.created_ms, record: record.clone() };
            self.hold(Cursor { offset, index }, held);
        }
        while self.bytes > self.bytes_max {
            self.forget_first();
        }
    }

    fn hold(&mut self, place: Cursor, held: Held) {
        self.bytes += held.bytes();
        self.places.insert(held.key.clone(), place);
        self.held.insert(place, held);
    }

    fn supersede(&mut self, key: &[u8]) {
        if let Some(place) = self.places.get(key).copied() {
            self.remove(place);
            self.given_up.superseded += 1;
        }
    }

    fn remove(&mut self, place: Cursor) -> bool {
        let Some(held) = self.held.remove(&place) else { return false };
        self.bytes -= held.bytes();
        self.places.remove(&held.key);
        true
    }

    fn forget_first(&mut self) {
        let Some((place, _)) = self.held.first_key_value() else { return };
        let place = *place;
        self.remove(place);
        self.given_up.forgotten += 1;
    }

    /// Everything before `cursor` is delivered, or dropped.
    pub fn delivered(&mut self, cursor: Cursor) {
        while let Some((place, _)) = self.held.first_key_value()
            && *place < cursor
        {
            let place = *place;
            self.remove(place);
        }
    }

    /// What the log is to hold instead of what waits there, when records of `coming` follow: chunks of up to `chunk_bytes_max` bytes, in order.
    /// They are to be noted again, at their new places. Also tells what is given up.
    pub fn take_all(&mut self, coming: &[Vec<u8>], chunk_bytes_max: usize) -> (Vec<Chunk>, GivenUp) {
        for record in coming {
            let key = key_of(record, &self.columns);
            self.supersede(&key);
        }
        self.places.clear();
        self.bytes = 0;
        let mut chunks: Vec<Chunk> = Vec::new();
        let mut chunk_bytes = 0;
        for held in std::mem::take(&mut self.held).into_values() {
            let Held { epoch, seq, created_ms, record, .. } = held;
            let follows = |chunk: &Chunk| {
                chunk.epoch == epoch && chunk.created_ms == created_ms && chunk.first_seq + chunk.records.len() as u64 == seq
            };
            chunk_bytes += record.len();
            match chunks.last_mut() {
                Some(chunk) if follows(chunk) && chunk_bytes <= chunk_bytes_max => chunk.records.push(record),
                _ => {
                    chunk_bytes = record.len();
                    chunks.push(Chunk { epoch, first_seq: seq, created_ms, records: vec![record] });
                }
            }
        }
        (chunks, std::mem::take(&mut self.given_up))
    }
}

/// Topic and columns; a record that cannot be read is a key of its own.
fn key_of(record: &[u8], columns: &[String]) -> Box<[u8]> {
    let Some(SinkRecord { topic, payload }) = SinkRecord::decode(record) else { return record.into() };
    let mut key = topic.as_bytes().to_vec();
    if columns.is_empty() {
        return key.into();
    }
    let Ok(row) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(payload) else { return record.into() };
    for column in columns {
        // Neither a topic nor JSON text holds this byte.
        key.push(0);
        if let Some(value) = row.get(column) {
            key.extend_from_slice(value.to_string().as_bytes());
        }
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::outbox::{DropReason, Outbox};
    use super::*;
    use crate::config::settings::{OutboxSettings, WhenFull};
    use crate::store::{ChangeSet, LogName};

    fn record(device: &str, start: i64, n: u64) -> Vec<u8> {
        SinkRecord::encode("out", format!(r#"{{"_id":"x","device":"{device}","start":{start},"n":{n}}}"#).as_bytes())
    }

    fn latest(columns: &[&str]) -> Latest {
        Latest::new(columns.iter().map(|column| column.to_string()).collect(), 1 << 20, 0)
    }

    fn chunk(first_seq: u64, records: Vec<Vec<u8>>) -> Chunk {
        Chunk { epoch: 3, first_seq, created_ms: 1, records }
    }

    fn ids(chunks: &[Chunk]) -> Vec<Vec<u64>> {
        chunks.iter().map(|chunk| (chunk.first_seq..).take(chunk.records.len()).collect()).collect()
    }

    #[test]
    fn the_last_of_each_key_stays_with_its_number() {
        let mut latest = latest(&["device", "start"]);
        latest.note(0, &chunk(1, vec![record("a", 0, 1), record("b", 0, 1), record("a", 10, 1)]));
        latest.note(100, &chunk(4, vec![record("a", 0, 2), record("c", 0, 1)]));
        let (chunks, given_up) = latest.take_all(&[record("c", 0, 2)], 1 << 20);
        assert_eq!(ids(&chunks), [vec![2, 3, 4]]);
        assert_eq!(chunks[0].records[2], record("a", 0, 2));
        assert_eq!(given_up, GivenUp { superseded: 2, forgotten: 0 });
        assert_eq!(latest.take_all(&[], 1 << 20), (Vec::new(), GivenUp::default()));
    }

    #[test]
    fn without_columns_the_topic_is_the_key() {
        let mut latest = latest(&[]);
        let records = [("t/a", "1"), ("t/b", "2"), ("t/a", "3")].map(|(topic, payload)| SinkRecord::encode(topic, payload.as_bytes()));
        latest.note(0, &chunk(1, records.to_vec()));
        assert_eq!(ids(&latest.take_all(&[], 1 << 20).0), [vec![2, 3]]);
    }

    #[test]
    fn what_cannot_be_read_is_never_superseded() {
        let mut latest = latest(&["device"]);
        latest.note(
            0,
            &chunk(1, vec![SinkRecord::encode("t", b"{"), SinkRecord::encode("t", b"[1]"), vec![9], record("a", 0, 1), record("a", 0, 2)]),
        );
        assert_eq!(ids(&latest.take_all(&[], 1 << 20).0), [vec![1, 2, 3], vec![5]]);
    }

    #[test]
    fn a_column_that_is_not_there_is_a_value_of_its_own() {
        let mut latest = latest(&["device"]);
        let null = SinkRecord::encode("out", b"{}");
        latest.note(0, &chunk(1, vec![null.clone(), SinkRecord::encode("out", br#"{"device":""}"#), null]));
        assert_eq!(ids(&latest.take_all(&[], 1 << 20).0), [vec![2, 3]]);
    }

    #[test]
    fn delivered_results_are_not_held() {
        let mut latest = latest(&["device"]);
        latest.note(0, &chunk(1, vec![record("a", 0, 1), record("b", 0, 1)]));
        latest.delivered(Cursor { offset: 0, index: 1 });
        assert_eq!(ids(&latest.take_all(&[], 1 << 20).0), [vec![2]]);
        assert_eq!(latest.bytes, 0);
    }

    #[test]
    fn too_many_keys_forget_those_that_changed_longest_ago() {
        let mut latest = Latest::new(vec!["device".to_owned()], 2_000, 0);
        let records = (0..100).map(|n| record(&format!("{n}"), 0, 1)).collect();
        latest.note(0, &chunk(1, records));
        assert!(latest.bytes <= 1_000);
        let (chunks, given_up) = latest.take_all(&[], 1 << 20);
        let kept = ids(&chunks).concat();
        assert_eq!((kept.last(), kept.len() as u64 + given_up.forgotten), (Some(&100), 100));
    }

    #[test]
    fn long_runs_are_cut_into_chunks() {
        let mut latest = latest(&["device"]);
        latest.note(0, &chunk(1, (0..4).map(|n| record(&format!("{n}"), 0, 1)).collect()));
        let bytes = record("0", 0, 1).len();
        assert_eq!(ids(&latest.take_all(&[], 2 * bytes + 1).0), [vec![1, 2], vec![3, 4]]);
    }

    #[test]
    fn what_the_store_had_is_known_when_it_was_read() {
        let mut latest = Latest::new(vec!["device".to_owned()], 1 << 20, 200);
        let begin = Cursor { offset: 50, index: 1 };
        assert!(!latest.is_whole(begin));
        let stored = |offset: u64, first_seq, devices: &[&str]| {
            let records = devices.iter().map(|device| record(device, 0, 1)).collect();
            StoredChunk { offset, end: offset + 75, chunk: chunk(first_seq, records) }
        };
        latest.take_up(stored(50, 1, &["a", "b"]), begin);
        assert!(!latest.is_whole(begin));
        latest.take_up(stored(125, 3, &["c"]), begin);
        assert!(latest.is_whole(begin));
        assert_eq!(ids(&latest.take_all(&[], 1 << 20).0), [vec![2, 3]]);
    }

    fn outbox(bytes_max: u64) -> Outbox {
        let settings =
            OutboxSettings { bytes_max, age_max: Duration::from_secs(60), when_full: WhenFull::KeepLatest, key: vec!["device".to_owned()] };
        Outbox::restore(LogName::outbox("s"), settings, Vec::new(), Cursor::default(), 3)
    }

    /// The numbers of the records that wait, in the order of the log, after these change sets.
    fn waiting(sets: &[ChangeSet], cursor: Cursor) -> Vec<u64> {
        let mut segments: BTreeMap<u64, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        for set in sets {
            set.appends
                .iter()
                .for_each(|append| segments.entry(append.segment.base).or_default().push((append.offset, append.bytes.clone())));
            set.drops.iter().for_each(|(_, base)| assert!(segments.remove(base).is_some(), "a segment is dropped that is not there"));
        }
        let mut waiting = Vec::new();
        for (offset, bytes) in segments.into_values().flatten() {
            let (chunk, _) = crate::store::chunk::decode(&bytes).unwrap();
            let ids = (0..).map(|index| Cursor { offset, index }).zip(chunk.first_seq..).take(chunk.records.len());
            waiting.extend(ids.filter(|(place, _)| *place >= cursor).map(|(_, seq)| seq));
        }
        waiting
    }

    #[test]
    fn a_full_log_is_written_anew_in_its_order() {
        let mut outbox = outbox(4_000);
        let mut sets = Vec::new();
        for n in 0..100 {
            let mut changes = ChangeSet::default();
            outbox.append(
                vec![record("rare", 0, n)].into_iter().filter(|_| n == 0).chain([record("often", 0, n)]).collect(),
                1,
                &mut changes,
            );
            sets.push(changes);
        }
        let waits = waiting(&sets, outbox.cursor());
        assert!(waits.is_sorted() && waits.len() < 40, "{waits:?}");
        assert_eq!((waits[0], waits[waits.len() - 1]), (1, 101), "the rare one, and the last of the other: {waits:?}");
        assert!(outbox.waiting_bytes() <= 4_000);
        let buried = outbox.take_dropped();
        assert!(buried.iter().all(|tombstone| tombstone.reason == DropReason::Superseded), "{buried:?}");
        assert_eq!(buried.iter().map(|tombstone| tombstone.records).sum::<u64>() + waits.len() as u64, 101);
    }

    #[test]
    fn keys_that_do_not_fit_go_with_a_tombstone_of_their_own() {
        let mut outbox = outbox(4_000);
        let sets: Vec<ChangeSet> = (0..100)
            .map(|n| {
                let mut changes = ChangeSet::default();
                outbox.append(vec![record(&n.to_string(), 0, n)], 1, &mut changes);
                changes
            })
            .collect();
        let waits = waiting(&sets, outbox.cursor());
        assert_eq!(waits.last(), Some(&100));
        let buried = outbox.take_dropped();
        assert!(buried.iter().all(|tombstone| tombstone.reason == DropReason::Full), "{buried:?}");
        assert_eq!(buried.iter().map(|tombstone| tombstone.records).sum::<u64>() + waits.len() as u64, 100);
    }

    #[test]
    fn one_batch_larger_than_the_log_leaves_the_last_of_each_key() {
        let mut outbox = outbox(4_000);
        let mut changes = ChangeSet::default();
        let devices = ["a", "b", "c"];
        outbox.append((0..500).map(|n| record(devices[n as usize % 3], 0, n)).collect(), 1, &mut changes);
        assert!(outbox.waiting_bytes() <= 4_000);
        let waits = waiting(&[changes], outbox.cursor());
        assert!(waits.is_sorted() && waits.ends_with(&[498, 499, 500]), "{waits:?}");
    }

    #[test]
    fn a_log_that_was_not_read_drops_its_oldest() {
        let mut first = outbox(4_000);
        let mut changes = ChangeSet::default();
        first.append(vec![record("a", 0, 1)], 1, &mut changes);
        let segments = vec![changes.appends[0].segment.clone()];
        let settings =
            OutboxSettings { bytes_max: 4_000, age_max: Duration::from_secs(60), when_full: WhenFull::KeepLatest, key: Vec::new() };
        let mut again = Outbox::restore(LogName::outbox("s"), settings, segments, Cursor::default(), 4);
        assert_eq!(again.wants_waiting(), Some(0));
        again.append((0..200).map(|n| record("b", 0, n)).collect(), 1, &mut changes);
        let buried = again.take_dropped();
        assert_eq!((buried[0].first, buried[0].reason), ((3, 1), DropReason::Full));
    }
}
