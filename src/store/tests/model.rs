//! A simple model of a store, a writer of random valid change sets, and their comparison with a real store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::faults::Rng;
use crate::store::{Append, ChangeSet, Chunk, DiskStore, Loaded, LogName, SegmentMeta, StoreSettings, chunk};

/// What a store must hold.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub number: u64,
    pub entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Segments by log and base.
    pub segments: BTreeMap<(LogName, u64), Segment>,
}

/// A segment's record, and its chunks by offset.
type Segment = (SegmentMeta, Vec<(u64, Chunk)>);

impl Model {
    pub fn apply(&mut self, set: &ChangeSet) {
        assert_eq!(set.number, self.number + 1);
        self.number = set.number;
        for key in &set.deletes {
            self.entries.remove(key);
        }
        self.entries.extend(set.puts.iter().cloned());
        for append in &set.appends {
            let segment = self.segments.entry((append.log.clone(), append.segment.base));
            let (meta, chunks) = segment.or_insert_with(|| (append.segment.clone(), Vec::new()));
            *meta = append.segment.clone();
            chunks.push((append.offset, chunk::decode(&append.bytes).unwrap().0));
        }
        for drop in &set.drops {
            self.segments.remove(drop);
        }
    }

    /// Compares with a store that was just opened.
    pub fn check(&self, store: &DiskStore, loaded: &Loaded) {
        assert_eq!((loaded.number, store.number()), (self.number, self.number));
        let entries: Vec<_> = self.entries.clone().into_iter().collect();
        assert!(loaded.entries == entries, "the entries of set {} differ", self.number);
        self.check_logs(store, loaded);
    }

    pub fn check_logs(&self, store: &DiskStore, loaded: &Loaded) {
        let mut logs: BTreeMap<LogName, Vec<SegmentMeta>> = BTreeMap::new();
        let mut chunks: BTreeMap<LogName, Vec<(u64, Chunk)>> = BTreeMap::new();
        for ((log, _), (meta, held)) in &self.segments {
            logs.entry(log.clone()).or_default().push(meta.clone());
            chunks.entry(log.clone()).or_default().extend(held.iter().cloned());
        }
        assert_eq!(loaded.segments, logs.into_iter().collect::<Vec<_>>());
        for (log, held) in chunks {
            assert_eq!(read_all(store, &log, 10_000), held);
        }
    }
}

/// All chunks of a log, read `max_bytes` at a time.
pub fn read_all(store: &DiskStore, log: &LogName, max_bytes: u64) -> Vec<(u64, Chunk)> {
    let mut all = Vec::new();
    let mut from = 0;
    loop {
        let chunks = store.read_log(log, from, max_bytes).unwrap();
        let Some(last) = chunks.last() else { return all };
        from = last.end;
        all.extend(chunks.into_iter().map(|stored| (stored.offset, stored.chunk)));
    }
}

/// Makes random change sets that keep the rules.
pub struct Writer {
    pub rng: Rng,
    pub model: Model,
    /// Each set puts a value of up to so many bytes more.
    pub long_value_bytes: Option<u64>,
    /// Records are shorter than this.
    pub record_bytes_max: u64,
    seq: u64,
    ends: BTreeMap<LogName, u64>,
}

impl Writer {
    pub fn new(seed: u64) -> Writer {
        Writer {
            rng: Rng::new(seed),
            model: Model::default(),
            long_value_bytes: None,
            record_bytes_max: 600,
            seq: 0,
            ends: BTreeMap::new(),
        }
    }

    /// The next set; the model has it already.
    pub fn next_set(&mut self) -> ChangeSet {
        let mut set = ChangeSet { number: self.model.number + 1, ..ChangeSet::default() };
        for _ in 0..self.rng.below(8) {
            let key = format!("s/{}", self.rng.below(40)).into_bytes();
            let len = if self.rng.below(6) == 0 { self.rng.below(30_000) } else { self.rng.below(900) };
            let value = self.rng.bytes(len as usize);
            set.puts.push((key, value));
        }
        if let Some(end) = self.long_value_bytes {
            let key = format!("r/{}", self.rng.below(6)).into_bytes();
            let len = self.rng.below(end) as usize;
            set.puts.push((key, self.rng.bytes(len)));
        }
        if self.rng.below(3) == 0 {
            let key = format!("s/{}", self.rng.below(40)).into_bytes();
            if set.puts.iter().all(|(put, _)| *put != key) {
                set.deletes.push(key);
            }
        }
        let oldest = self.model.segments.keys().next().cloned();
        if let Some(oldest) = oldest.filter(|_| self.model.segments.len() > 6) {
            set.drops.push(oldest);
        }
        for _ in 0..self.rng.below(4) {
            let log = if self.rng.below(3) == 0 { LogName::dead_letters() } else { LogName::outbox("central") };
            self.append(&mut set, log);
        }
        self.model.apply(&set);
        set
    }

    fn append(&mut self, set: &mut ChangeSet, log: LogName) {
        let records = (0..1 + self.rng.below(5))
            .map(|_| {
                let len = self.rng.below(self.record_bytes_max) as usize;
                self.rng.bytes(len)
            })
            .collect();
        let chunk = Chunk { epoch: 9, first_seq: self.seq, created_ms: self.seq as i64 * 10, records };
        self.seq += chunk.records.len() as u64;
        let bytes = chunk::encode(&chunk).unwrap();
        let offset = self.ends.get(&log).copied().unwrap_or(0);
        let end = offset + bytes.len() as u64;
        let in_set = set.appends.iter().rev().find(|append| append.log == log).map(|append| append.segment.clone());
        let last =
            in_set.or_else(|| self.model.segments.range((log.clone(), 0)..=(log.clone(), u64::MAX)).next_back().map(|(_, s)| s.0.clone()));
        let going_on = last.filter(|meta| meta.end - meta.base < 3000 && !set.drops.contains(&(log.clone(), meta.base)));
        let segment = match going_on {
            Some(mut meta) => {
                meta.extend(&chunk, end);
                meta
            }
            None => SegmentMeta::begin(offset, &chunk, end),
        };
        self.ends.insert(log.clone(), end);
        set.appends.push(Append { log, offset, bytes, segment });
    }
}

pub fn settings(dir: &Path) -> StoreSettings {
    StoreSettings::new(dir, 1 << 30, 0, 1_700_000_000)
}

/// A temporary directory in memory where there is one: these tests sync a lot.
pub fn fast_dir() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// Opens a store that must be in order.
pub fn open(dir: &Path) -> (DiskStore, Loaded) {
    let (store, loaded) = DiskStore::open(settings(dir)).unwrap();
    assert_eq!((&loaded.quarantined, &loaded.warnings), (&None, &Vec::new()));
    (store, loaded)
}
