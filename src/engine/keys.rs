//! The group keys of one operator: each distinct key has a small number, dense from 0, that indexes everything else.
//!
//! A key lives while some pane holds it (`references`); the lowest free number is given out next, so that the numbers depend only on what
//! is alive and a restored operator goes on as the one that was never stopped. Every key also belongs to one stored bucket by a hash
//! that never changes.
//!
//! Limits: the operator's `keys_max`; code caches hold one number for each dictionary entry.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// A key's number.
pub(super) type KeyId = u32;

/// No key; also the greatest number, which is never given out.
pub(super) const NO_KEY: KeyId = u32::MAX;

/// Bytes of a key that lie in the list of keys itself: those of most devices' names. They are read together, without a way elsewhere each.
const SHORT_BYTES: usize = 22;

enum KeyBytes {
    Short { length: u8, bytes: [u8; SHORT_BYTES] },
    Long(Box<[u8]>),
}

impl KeyBytes {
    fn new(bytes: &[u8]) -> KeyBytes {
        let mut short = [0; SHORT_BYTES];
        match short.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                KeyBytes::Short { length: bytes.len() as u8, bytes: short }
            }
            None => KeyBytes::Long(bytes.into()),
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            KeyBytes::Short { length, bytes } => &bytes[..usize::from(*length)],
            KeyBytes::Long(bytes) => bytes,
        }
    }
}

/// What a live key costs beside its bytes.
pub(super) const KEY_OVERHEAD_BYTES: usize = 64;

struct Key {
    bytes: KeyBytes,
    /// Panes that hold the key; 0 where the number is free.
    references: u32,
    /// The dictionary code that [`Keys::codes`] maps to this key, or `NO_KEY`.
    code: u32,
}

/// The interned keys of one operator.
pub(super) struct Keys {
    lookup: HashTable<KeyId>,
    hasher: FixedState,
    entries: Vec<Key>,
    /// Of each entry: decides its bucket; stable across starts and versions.
    bucket_hashes: Vec<u32>,
    free: BTreeSet<KeyId>,
    bytes: usize,
    /// By dictionary code, for operators with one dictionary-coded key.
    codes: Vec<KeyId>,
    codes_generation: u64,
}

impl Keys {
    pub fn new(hash_seed: u64) -> Keys {
        Keys {
            lookup: HashTable::new(),
            hasher: FixedState::with_seed(hash_seed),
            entries: Vec::new(),
            bucket_hashes: Vec::new(),
            free: BTreeSet::new(),
            bytes: 0,
            codes: Vec::new(),
            codes_generation: 0,
        }
    }

    /// Live keys.
    pub fn len(&self) -> usize {
        self.lookup.len()
    }

    /// One more than the greatest number in use, or more.
    pub fn bound(&self) -> usize {
        self.entries.len()
    }

    /// Estimated memory.
    pub fn bytes(&self) -> usize {
        self.bytes + self.len() * KEY_OVERHEAD_BYTES
    }

    /// Bytes of a live key, on average.
    pub fn mean_length(&self) -> usize {
        self.bytes.checked_div(self.len()).unwrap_or(0)
    }

    pub fn bytes_of(&self, id: KeyId) -> &[u8] {
        self.entries[id as usize].bytes.get()
    }

    pub fn bucket_hash(&self, id: KeyId) -> u32 {
        self.bucket_hashes[id as usize]
    }

    pub fn find(&self, bytes: &[u8]) -> Option<KeyId> {
        self.lookup.find(self.hasher.hash_one(bytes), |id| self.bytes_of(*id) == bytes).copied()
    }

    /// Adds a key that [`Keys::find`] did not find; without references yet.
    pub fn add(&mut self, bytes: &[u8]) -> KeyId {
        let id = self.free.pop_first().unwrap_or(self.entries.len() as KeyId);
        self.place(id, bytes);
        id
    }

    /// Adds a stored key under its stored number. False where the number or the key is taken.
    pub fn restore(&mut self, id: KeyId, bytes: &[u8]) -> bool {
        if self.find(bytes).is_some() || self.entries.get(id as usize).is_some_and(|key| !key.bytes.get().is_empty() || key.references > 0)
        {
            return false;
        }
        while self.entries.len() < id as usize {
            self.free.insert(self.entries.len() as KeyId);
            self.entries.push(Key { bytes: KeyBytes::new(&[]), references: 0, code: NO_KEY });
            self.bucket_hashes.push(0);
        }
        self.free.remove(&id);
        self.place(id, bytes);
        true
    }

    fn place(&mut self, id: KeyId, bytes: &[u8]) {
        let key = Key { bytes: KeyBytes::new(bytes), references: 0, code: NO_KEY };
        match self.entries.get_mut(id as usize) {
            Some(entry) => {
                *entry = key;
                self.bucket_hashes[id as usize] = bucket_hash(bytes);
            }
            None => {
                self.entries.push(key);
                self.bucket_hashes.push(bucket_hash(bytes));
            }
        }
        self.bytes += bytes.len();
        let (entries, hasher) = (&self.entries, &self.hasher);
        self.lookup.insert_unique(hasher.hash_one(bytes), id, |id| hasher.hash_one(entries[*id as usize].bytes.get()));
    }

    /// A pane took the key up.
    pub fn hold(&mut self, id: KeyId) {
        self.entries[id as usize].references += 1;
    }

    /// A pane let the key go; true where it was the last: the key is gone and its number free.
    pub fn release(&mut self, id: KeyId) -> bool {
        let key = &mut self.entries[id as usize];
        key.references -= 1;
        if key.references > 0 {
            return false;
        }
        self.forget(id);
        true
    }

    fn forget(&mut self, id: KeyId) {
        let key = &mut self.entries[id as usize];
        let bytes = std::mem::replace(&mut key.bytes, KeyBytes::new(&[]));
        let bytes = bytes.get();
        let code = std::mem::replace(&mut key.code, NO_KEY);
        if let Some(cached) = self.codes.get_mut(code as usize) {
            *cached = NO_KEY;
        }
        if let Ok(entry) = self.lookup.find_entry(self.hasher.hash_one(bytes), |other| *other == id) {
            entry.remove();
        }
        self.bytes -= bytes.len();
        self.free.insert(id);
        while self.entries.last().is_some_and(|_| self.free.last() == Some(&(self.entries.len() as KeyId - 1))) {
            self.entries.pop();
            self.bucket_hashes.pop();
            self.free.pop_last();
        }
    }

    /// Readies the cache for codes of a dictionary with `entries` entries.
    pub fn prepare_codes(&mut self, generation: u64, entries: usize) {
        if generation != self.codes_generation {
            self.drop_codes();
            self.codes_generation = generation;
        }
        if self.codes.len() < entries {
            self.codes.resize(entries, NO_KEY);
        }
    }

    /// Empties the cache.
    pub fn drop_codes(&mut self) {
        self.codes.clear();
        self.entries.iter_mut().for_each(|key| key.code = NO_KEY);
    }

    /// The key of a code, or `NO_KEY` where it is not known.
    pub fn of_code(&self, code: u32) -> KeyId {
        self.codes[code as usize]
    }

    /// The keys of all codes, `NO_KEY` where one is not known.
    pub fn of_codes(&self) -> &[KeyId] {
        &self.codes
    }

    pub fn remember_code(&mut self, code: u32, id: KeyId) {
        let key = &mut self.entries[id as usize];
        // A key that two codes mean (a dictionary began anew) is cached for one of them only.
        if key.code == NO_KEY {
            key.code = code;
            self.codes[code as usize] = id;
        }
    }
}

/// What the key's bucket is taken from.
pub(super) fn bucket_hash(key: &[u8]) -> u32 {
    crc32fast::hash(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_number_is_given_out_again() {
        let mut keys = Keys::new(1);
        let ids: Vec<KeyId> = ["a", "b", "c"].iter().map(|key| keys.add(key.as_bytes())).collect();
        assert_eq!(ids, [0, 1, 2]);
        ids.iter().for_each(|id| keys.hold(*id));
        assert!(keys.release(1) && keys.release(0));
        assert_eq!((keys.find(b"a"), keys.find(b"c"), keys.len()), (None, Some(2), 1));
        assert_eq!((keys.add(b"d"), keys.add(b"e"), keys.add(b"f")), (0, 1, 3));
        assert_eq!(keys.find(b"e"), Some(1));
    }

    #[test]
    fn trailing_free_numbers_are_given_back() {
        let mut keys = Keys::new(1);
        for key in 0u32..100 {
            let id = keys.add(&key.to_le_bytes());
            keys.hold(id);
        }
        (1..100).for_each(|id| assert!(keys.release(id)));
        assert_eq!((keys.bound(), keys.len()), (1, 1));
        assert!(keys.release(0));
        assert_eq!((keys.bound(), keys.bytes()), (0, 0));
    }

    #[test]
    fn a_cached_code_dies_with_its_key() {
        let mut keys = Keys::new(1);
        keys.prepare_codes(0, 2);
        let id = keys.add(b"a");
        keys.hold(id);
        keys.remember_code(1, id);
        assert_eq!((keys.of_code(0), keys.of_code(1)), (NO_KEY, id));
        keys.release(id);
        assert_eq!(keys.of_code(1), NO_KEY);
        keys.prepare_codes(1, 1);
        assert_eq!(keys.of_code(0), NO_KEY);
    }

    #[test]
    fn restoring_refuses_what_is_taken() {
        let mut keys = Keys::new(1);
        assert!(keys.restore(3, b"a"));
        assert!(!keys.restore(3, b"b") && !keys.restore(4, b"a"));
        assert!(keys.restore(0, b"b"));
        assert_eq!((keys.add(b"c"), keys.bound()), (1, 4));
    }
}
