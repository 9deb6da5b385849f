//! Different values of a group, each with the number of its first row: collect_set, DISTINCT.

use std::collections::BTreeMap;

use crate::engine::lanes::cells::Loose;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};

/// What an entry takes beside its bytes, roughly.
pub(in crate::engine) const ENTRY_BYTES: usize = 48;

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Set {
    /// By key bytes; the number of arrival plus one.
    items: BTreeMap<Box<[u8]>, u64>,
    bytes: usize,
}

impl Set {
    pub fn insert(&mut self, arrival: u64, key: &[u8]) {
        if !self.items.contains_key(key) {
            self.add(arrival + 1, key);
        }
    }

    fn add(&mut self, arrival: u64, key: &[u8]) {
        self.bytes += key.len() + ENTRY_BYTES;
        self.items.insert(key.into(), arrival);
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.items.contains_key(key)
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn last_arrival(&self) -> u64 {
        self.items.values().copied().max().unwrap_or(0)
    }

    /// The keys in order of their first row.
    pub fn by_arrival(&self) -> Vec<&[u8]> {
        let mut items: Vec<(u64, &[u8])> = self.items.iter().map(|(key, arrival)| (*arrival, &**key)).collect();
        items.sort_unstable();
        items.into_iter().map(|(_, key)| key).collect()
    }

    pub fn merge(&mut self, other: &Set) {
        for (key, arrival) in &other.items {
            match self.items.get_mut(key) {
                Some(known) => *known = (*known).min(*arrival),
                None => self.add(*arrival, key),
            }
        }
    }
}

impl Loose for Set {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.items.len() as u64);
        for (key, arrival) in &self.items {
            put_varint(out, *arrival);
            put_bytes(out, key);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Set, Malformed> {
        let mut set = Set::default();
        for _ in 0..reader.count(2)? {
            let arrival = reader.varint()?;
            let key = reader.bytes()?;
            if arrival == 0 || set.items.contains_key(key) {
                return Err(Malformed("a set holds a value twice"));
            }
            set.add(arrival, key);
        }
        Ok(set)
    }
}
