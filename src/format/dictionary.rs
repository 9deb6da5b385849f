//! The dictionary of one string column: text to a dense code, across batches.
//!
//! A column of a table is of one form: codes, or plain strings. The form is chosen when a table begins, and falls from codes to plain, at
//! most once a table, when a string cannot be given a code:
//! - it is longer than [`ENTRY_BYTES_MAX`]: the next table begins with codes again;
//! - the dictionary has [`ENTRIES_MAX`] entries or [`TEXT_BYTES_MAX`] bytes: the next table begins a new generation;
//! - the values are mostly distinct, that is, [`PROBE_ENTRIES`] entries came of fewer than twice as many strings: the dictionary is
//!   given up, and tried again after [`REST_ROWS`] more strings. (A fleet of more than `PROBE_ENTRIES` devices that report in turn looks like that too;
//!   it is only slower.)
//!
//! Codes of one generation never change their meaning, so tables in flight keep the snapshot they were taken with.

use std::hash::Hasher;
use std::sync::Arc;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

use super::convert::utf8;
use super::words;
use crate::batch::Dictionary;

pub const ENTRIES_MAX: usize = 65_536;
pub const TEXT_BYTES_MAX: usize = 4 << 20;
pub const ENTRY_BYTES_MAX: usize = 4096;
pub const PROBE_ENTRIES: usize = 16_384;
pub const REST_ROWS: usize = 16 * PROBE_ENTRIES;

/// Hashes text by a seed given from outside, so that senders cannot aim at collisions.
#[derive(Clone)]
pub(super) struct TextHasher(SharedSeed);

impl TextHasher {
    pub fn new(seed: u64) -> TextHasher {
        TextHasher(SharedSeed::from_u64(seed))
    }

    #[inline]
    pub fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(0, &self.0);
        hasher.write(text);
        hasher.finish()
    }
}

enum Phase {
    /// Takes new strings.
    Open,
    /// Full: a new generation begins with the next table.
    Full,
    /// Given up for this many more strings.
    Resting { rows_left: usize },
}

pub(super) struct Interner {
    hasher: TextHasher,
    index: HashTable<u32>,
    current: Dictionary,
    text_bytes: usize,
    /// Strings looked up in this generation.
    rows_seen: u64,
    phase: Phase,
}

impl Interner {
    pub fn new(hasher: TextHasher) -> Interner {
        Interner { hasher, index: HashTable::new(), current: Dictionary::default(), text_bytes: 0, rows_seen: 0, phase: Phase::Open }
    }

    pub fn generation(&self) -> u64 {
        self.current.generation
    }

    pub fn snapshot(&self) -> Dictionary {
        self.current.clone()
    }

    /// Whether a table that begins now is to hold codes.
    pub fn begin_table(&mut self) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Resting { rows_left } if rows_left > 0 => false,
            Phase::Full | Phase::Resting { .. } => {
                self.clear();
                self.phase = Phase::Open;
                true
            }
        }
    }

    /// A string was given the code that it is known to have.
    #[inline]
    pub fn count_known(&mut self) {
        self.rows_seen += 1;
    }

    /// A string went into a column of plain strings.
    pub fn count_plain(&mut self) {
        if let Phase::Resting { rows_left } = &mut self.phase {
            *rows_left = rows_left.saturating_sub(1);
        }
    }

    /// The code of `text`, which is UTF-8, or `None` if it has none and gets none: the table's column must go on as plain strings.
    ///
    /// `snapshot` is the table's, of this generation; it is brought up to date with a new entry.
    #[inline]
    pub fn intern(&mut self, text: &[u8], snapshot: &mut Dictionary) -> Option<u32> {
        self.rows_seen += 1;
        let hash = self.hasher.hash(text);
        let entries = &self.current.entries;
        match self.index.find(hash, |code| words::same(entries[*code as usize].as_bytes(), text)) {
            Some(code) => Some(*code),
            None => self.add(hash, text, snapshot),
        }
    }

    #[cold]
    fn add(&mut self, hash: u64, text: &[u8], snapshot: &mut Dictionary) -> Option<u32> {
        if text.len() > ENTRY_BYTES_MAX || !matches!(self.phase, Phase::Open) {
            return None;
        }
        let count = self.current.entries.len();
        if count == ENTRIES_MAX || self.text_bytes + text.len() > TEXT_BYTES_MAX {
            self.phase = Phase::Full;
            return None;
        }
        if count == PROBE_ENTRIES && self.rows_seen < 2 * PROBE_ENTRIES as u64 {
            // The table keeps its snapshot until its column is plain.
            self.clear();
            self.phase = Phase::Resting { rows_left: REST_ROWS };
            return None;
        }
        // Without the table's hold on the entries they need not be copied to grow.
        snapshot.entries = Arc::default();
        Arc::make_mut(&mut self.current.entries).push(Arc::from(utf8(text)));
        self.text_bytes += text.len();
        let (hasher, entries) = (&self.hasher, &self.current.entries);
        self.index.insert_unique(hash, count as u32, |code| hasher.hash(entries[*code as usize].as_bytes()));
        *snapshot = self.snapshot();
        Some(count as u32)
    }

    fn clear(&mut self) {
        self.index = HashTable::new();
        self.current = Dictionary { generation: self.current.generation + 1, entries: Arc::default() };
        self.text_bytes = 0;
        self.rows_seen = 0;
    }
}
