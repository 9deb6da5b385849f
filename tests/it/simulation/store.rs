//! A store in memory with the disk's one promise: a change set is there whole after a crash, or not at all.

use std::collections::BTreeMap;

use tidemill::store::{ChangeSet, Loaded, LogName, SegmentMeta, StoredChunk, chunk};

#[derive(Default)]
struct Log {
    segments: BTreeMap<u64, (SegmentMeta, Vec<u8>)>,
}

#[derive(Default)]
pub struct MemoryStore {
    number: u64,
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    logs: BTreeMap<LogName, Log>,
}

impl MemoryStore {
    /// Applies a set as the disk does: at its stated offsets, and not twice.
    pub fn commit(&mut self, set: &ChangeSet) {
        if set.number <= self.number {
            return;
        }
        assert_eq!(set.number, self.number + 1, "numbers rise by one");
        self.number = set.number;
        for (key, value) in &set.puts {
            self.entries.insert(key.clone(), value.clone());
        }
        for key in &set.deletes {
            self.entries.remove(key);
        }
        for append in &set.appends {
            let log = self.logs.entry(append.log.clone()).or_default();
            let (meta, bytes) = log.segments.entry(append.segment.base).or_insert_with(|| (append.segment.clone(), Vec::new()));
            // Bytes that an offset leaves out are a hole, as in a file.
            bytes.resize((append.offset - append.segment.base) as usize, 0);
            bytes.extend(&append.bytes);
            *meta = append.segment.clone();
        }
        for (log, base) in &set.drops {
            if let Some(log) = self.logs.get_mut(log) {
                log.segments.remove(base);
            }
        }
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
