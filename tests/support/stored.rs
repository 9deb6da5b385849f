//! What a stopped gateway left in its data directory, read through the store itself.

use std::path::Path;

use tidemill::store::{DiskStore, Loaded, LogName, ReadError, StoreSettings, StoredChunk};

/// Schema version of the core's records.
const SCHEMA: u8 = 1;

pub struct Stored {
    store: DiskStore,
    pub loaded: Loaded,
}

impl Stored {
    pub fn open(data_dir: &Path) -> Stored {
        let settings = StoreSettings::new(data_dir, u64::MAX, 0, 1_780_272_000);
        let (store, loaded) = DiskStore::open(settings).unwrap_or_else(|error| panic!("{error}"));
        Stored { store, loaded }
    }

    /// Committed chunks of a log, from its first on.
    pub fn chunks(&self, log: &LogName) -> Vec<StoredChunk> {
        let read = |from| -> Result<Vec<StoredChunk>, ReadError> { self.store.read_log(log, from, 1 << 20) };
        let mut all: Vec<StoredChunk> = Vec::new();
        loop {
            let from = all.last().map_or(0, |chunk| chunk.end);
            let more = read(from).unwrap_or_else(|error| panic!("{error}"));
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// The dead letters, as JSON.
    pub fn dead_letters(&self) -> Vec<serde_json::Value> {
        let chunks = self.chunks(&LogName::dead_letters());
        let records = chunks.iter().flat_map(|stored| &stored.chunk.records);
        records.map(|record| serde_json::from_slice(record).expect("a dead letter is JSON")).collect()
    }

    /// A record of the core, if it is there.
    pub fn record<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        let (_, value) = self.loaded.entries.iter().find(|(entry, _)| entry == key)?;
        Some(tidemill::store::codec::decode(SCHEMA, value).unwrap_or_else(|error| panic!("{error}")))
    }
}
