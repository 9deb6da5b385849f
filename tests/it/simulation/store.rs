//! A store in memory with the disk's one promise: a change set is there whole after a crash, or not at all.
//!
//! It refuses what the disk refuses, and remembers for the comparison all records that it ever got, and all tombstones.

use std::collections::{BTreeMap, BTreeSet};

use tidemill::gateway::Tombstone;
use tidemill::store::{ChangeSet, Loaded, LogName, SegmentMeta, StoredChunk, chunk, codec, keys};

/// What the core stores of a sink, as `docs/format.md` has it.
#[derive(serde::Deserialize)]
struct StoredSink {
    tombstones: Vec<Tombstone>,
    #[serde(rename = "dropped")]
    _dropped: u64,
}

#[derive(Default)]
struct Log {
    segments: BTreeMap<u64, (SegmentMeta, Vec<u8>)>,
}

#[derive(Default)]
pub struct MemoryStore {
    number: u64,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    logs: BTreeMap<LogName, Log>,
    /// All records ever appended, by (epoch, seq).
    pub appended: BTreeMap<LogName, BTreeMap<(u64, u64), Vec<u8>>>,
    /// Records may come again under their id, in a log that is written anew.
    pub anew: bool,
    /// All dead letters ever appended.
    pub dead_letters: Vec<String>,
    pub tombstones: BTreeMap<LogName, Vec<Tombstone>>,
}

impl MemoryStore {
    /// Applies a set as the disk does: at its stated offsets, and not twice.
    pub fn commit(&mut self, set: &ChangeSet) {
        if set.number <= self.number {
            return;
        }
        assert_eq!(set.number, self.number + 1, "numbers rise by one");
        self.number = set.number;
        for key in &set.deletes {
            self.entries.remove(key);
        }
        for (key, value) in &set.puts {
            self.entries.insert(key.clone(), value.clone());
        }
        self.remember(set);
        for append in &set.appends {
            let dropped = set.drops.iter().any(|(log, base)| *log == append.log && *base == append.segment.base);
            assert!(!dropped, "the disk refuses a set that appends to a segment and drops it");
            let log = self.logs.entry(append.log.clone()).or_default();
            let end = log.segments.last_key_value().map_or(0, |(_, (meta, _))| meta.end);
            let (meta, bytes) = log.segments.entry(append.segment.base).or_insert_with(|| (append.segment.clone(), Vec::new()));
            let follows =
                if bytes.is_empty() { append.offset == append.segment.base && append.offset >= end } else { append.offset == meta.end };
            assert!(follows, "the disk refuses an append that does not follow the log's end");
            bytes.extend(&append.bytes);
            *meta = append.segment.clone();
            assert_eq!(meta.end - meta.base, bytes.len() as u64, "a segment's end is where its bytes end");
        }
        for (log, base) in &set.drops {
            let dropped = self.logs.get_mut(log).and_then(|log| log.segments.remove(base));
            assert!(dropped.is_some(), "a segment is dropped that the store does not have");
        }
    }

    fn remember(&mut self, set: &ChangeSet) {
        for append in &set.appends {
            let (chunk, _) = chunk::decode(&append.bytes).expect("the core encodes whole chunks");
            let letters = append.log == LogName::dead_letters();
            let ids = self.appended.entry(append.log.clone()).or_default();
            for (seq, record) in (chunk.first_seq..).zip(chunk.records) {
                if letters {
                    self.dead_letters.push(String::from_utf8(record.clone()).expect("dead letters are JSON"));
                }
                let before = ids.insert((chunk.epoch, seq), record.clone());
                let again = before.is_none_or(|before| self.anew && before == record);
                assert!(again, "an id was given twice: {:?}", (chunk.epoch, seq));
            }
        }
        for log in ["central", "small"].map(LogName::outbox) {
            let Some((_, value)) = set.puts.iter().find(|(key, _)| *key == keys::log(&log)) else { continue };
            let stored: StoredSink = codec::decode(1, value).expect("the core's own record");
            let known = self.tombstones.entry(log).or_default();
            known.extend(stored.tombstones.into_iter().filter(|tombstone| !known.contains(tombstone)).collect::<Vec<_>>());
        }
    }

    /// Where a log's first segment begins.
    pub fn start(&self, log: &LogName) -> Option<u64> {
        self.logs.get(log)?.segments.first_key_value().map(|(base, _)| *base)
    }

    /// (epoch, seq) of all records that are stored now.
    pub fn stored(&self, log: &LogName) -> impl Iterator<Item = (u64, u64)> {
        let chunks = self.read(log, 0).into_iter().map(|stored| stored.chunk);
        chunks.flat_map(|chunk| (chunk.first_seq..chunk.first_seq + chunk.records.len() as u64).map(move |seq| (chunk.epoch, seq)))
    }

    /// As [`MemoryStore::load`], but for the state of these queries.
    pub fn load_without(&self, left_out: BTreeSet<String>) -> Loaded {
        let mut loaded = self.load();
        loaded.entries.retain(|(key, _)| !left_out.iter().any(|query| key.starts_with(&keys::state_of(query))));
        Loaded { left_out, ..loaded }
    }

    pub fn load(&self) -> Loaded {
        Loaded {
            number: self.number,
            entries: self.entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            segments: self
                .logs
                .iter()
                .map(|(name, log)| (name.clone(), log.segments.values().map(|(meta, _)| meta.clone()).collect()))
                .collect(),
            ..Loaded::default()
        }
    }

    /// Chunks of a log from `from` on.
    pub fn read(&self, log: &LogName, from: u64) -> Vec<StoredChunk> {
        let mut chunks = Vec::new();
        let Some(log) = self.logs.get(log) else { return chunks };
        for (meta, bytes) in log.segments.values().filter(|(meta, _)| meta.end > from) {
            let mut at = 0;
            while at < bytes.len() {
                let Ok((chunk, length)) = chunk::decode(&bytes[at..]) else { return chunks };
                let offset = meta.base + at as u64;
                at += length;
                let end = meta.base + at as u64;
                if end > from {
                    chunks.push(StoredChunk { offset, end, chunk });
                }
            }
        }
        chunks
    }
}
