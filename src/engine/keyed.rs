//! What an operator keeps for each key between steps: a value, and a time at which the key comes due.
//!
//! | key | value, after a version byte |
//! |---|---|
//! | `s/<query>/<n>/meta` | text: the operator's fingerprint; varint: log2 of the buckets; signed varint: stream time, µs |
//! | `s/<query>/<n>/<bucket>` (hex), `….<part>` from part 1 on | until its end: key, due time (0, or 1 and a signed varint, µs), value; in the order of the keys |
//!
//! Entries are written over, also by empty ones. Keys that come due are found in order of time, without looking at the others.
//!
//! Limits: `keys_max` keys and `bytes_max` bytes of keys and values; what would go beyond is refused, and what is there stays. A value over
//! [`PART_BYTES`] goes on in a next part. All stored bytes are checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::buckets::Buckets;
use crate::engine::checkpoint::{Entry, PART_BYTES, Unfit, VERSION, open, open_meta, put_parts};
use crate::engine::key_codec::check_key;
use crate::engine::keys::{KeyId, Keys};
use crate::engine::set_back::SetBack;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint};
use crate::engine::state_limits::OperatorStatus;
use crate::sabotage::{Fault, planted};
use crate::types::DataType;

/// The one ring of [`Buckets`] that is used here.
const RING: i64 = 0;

/// Parts of an entry that are believed.
const PARTS_MAX: usize = 1 << 16;

/// A value that is kept for a key.
pub(super) trait Kept: Sized {
    /// Appends its stored form.
    fn put(&self, out: &mut Vec<u8>);
    /// Estimated memory.
    fn bytes(&self) -> usize;
}

/// What does not fit any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Keys(usize),
    Bytes(usize),
}

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Full::Keys(max) => write!(f, "the query holds {max} keys, its limit: rows of new keys are rejected"),
            Full::Bytes(max) => write!(f, "the query's state has reached its limit of {max} bytes"),
        }
    }
}

struct Slot<V> {
    value: V,
    due_us: Option<i64>,
    bytes: usize,
}

/// The keys of one operator with what is kept for them.
pub(super) struct KeyedStates<V> {
    keys: Keys,
    /// By key number; `None` where the number is free.
    slots: Vec<Option<Slot<V>>>,
    due: BTreeSet<(i64, KeyId)>,
    buckets: Buckets,
    /// Something changed since the last checkpoint.
    any_changed: bool,
    /// Stored entries of more than one part.
    parts: BTreeMap<u32, usize>,
    key_types: Vec<DataType>,
    fingerprint: String,
    value_bytes: usize,
    hash_seed: u64,
    keys_max: usize,
    bytes_max: usize,
    /// Values that did not fit, since the start.
    refused: u64,
    /// Stream time: the latest wall-clock time of a step that changed something, µs; and that of this step.
    stream_us: i64,
    step_us: i64,
}

impl<V: Kept> KeyedStates<V> {
    pub fn new(key_types: Vec<DataType>, fingerprint: String, hash_seed: u64, keys_max: usize, bytes_max: usize) -> KeyedStates<V> {
        let buckets = Buckets::new(1);
        KeyedStates {
            keys: Keys::new(hash_seed),
            slots: Vec::new(),
            due: BTreeSet::new(),
            buckets,
            any_changed: false,
            parts: BTreeMap::new(),
            key_types,
            fingerprint,
            value_bytes: 0,
            hash_seed,
            keys_max,
            bytes_max,
            refused: 0,
            stream_us: i64::MIN,
            step_us: i64::MIN,
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Stream time in a step at `wall_us`: it goes back behind a time at which something changed only where the clock is set back.
    pub fn stream_time(&mut self, wall_us: i64) -> i64 {
        self.step_us = self.stream_us.max(wall_us);
        self.step_us
    }

    /// Estimated memory.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.value_bytes
    }

    /// How the operator stands to its limits.
    pub fn status(&self, operator: &'static str) -> OperatorStatus {
        let (keys_max, bytes_max, rejected) = (self.keys_max, self.bytes_max, self.refused);
        OperatorStatus { operator, keys: self.len(), keys_max, bytes: self.bytes(), bytes_max, rejected, evicted: 0 }
    }

    pub fn key_types(&self) -> &[DataType] {
        &self.key_types
    }

    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let id = self.keys.find(key)?;
        self.slots[id as usize].as_ref().map(|slot| &slot.value)
    }

    /// Counts rows that found no room.
    pub fn count_refused(&mut self, rows: usize) {
        self.refused += rows as u64;
    }

    /// Keeps `value` for the key until it is put anew or removed. Where it does not fit, everything stays as it was.
    pub fn put(&mut self, key: &[u8], value: V, due_us: Option<i64>) -> Result<(), Full> {
        let bytes = value.bytes();
        let known = self.keys.find(key);
        if known.is_none() && self.keys.len() >= self.keys_max {
            return Err(Full::Keys(self.keys_max));
        }
        let before = known.and_then(|id| self.slots[id as usize].as_ref()).map_or(0, |slot| slot.bytes);
        let added = if known.is_none() { key.len() + super::keys::KEY_OVERHEAD_BYTES } else { 0 };
        if self.bytes() + added + bytes > self.bytes_max.saturating_add(before) && bytes > before {
            return Err(Full::Bytes(self.bytes_max));
        }
        let id = known.unwrap_or_else(|| self.add(key));
        let slot = &mut self.slots[id as usize];
        if let Some(due) = slot.as_ref().and_then(|slot| slot.due_us) {
            self.due.remove(&(due, id));
        }
        self.due.extend(due_us.map(|due| (due, id)));
        *slot = Some(Slot { value, due_us, bytes });
        self.value_bytes = self.value_bytes + bytes - before;
        self.mark(id);
        Ok(())
    }

    fn add(&mut self, key: &[u8]) -> KeyId {
        let id = self.keys.add(key);
        self.keys.hold(id);
        self.buckets.add(id, self.keys.bucket_hash(id));
        if self.slots.len() <= id as usize {
            self.slots.resize_with(id as usize + 1, || None);
        }
        id
    }

    pub fn remove(&mut self, key: &[u8]) {
        let Some(id) = self.keys.find(key) else { return };
        self.mark(id);
        if let Some(slot) = self.slots[id as usize].take() {
            self.value_bytes -= slot.bytes;
            if let Some(due) = slot.due_us {
                self.due.remove(&(due, id));
            }
        }
        self.buckets.remove(id, self.keys.bucket_hash(id));
        self.keys.release(id);
    }

    fn mark(&mut self, id: KeyId) {
        let bucket = self.buckets.bucket(self.keys.bucket_hash(id));
        self.buckets.mark_one(RING, bucket);
        self.any_changed = true;
    }

    /// The earliest time at which a key comes due, µs.
    pub fn next_due(&self) -> Option<i64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The latest, µs.
    pub fn last_due(&self) -> Option<i64> {
        self.due.last().map(|(due, _)| *due)
    }

    /// Nothing comes due any more.
    pub fn forget_due(&mut self) {
        for (_, id) in std::mem::take(&mut self.due) {
            self.slots[id as usize].iter_mut().for_each(|slot| slot.due_us = None);
        }
    }

    /// The keys due before `before_us`, by time, then by key.
    pub fn due_before(&self, before_us: i64) -> Vec<Vec<u8>> {
        let due = self.due.range(..(before_us, 0));
        let mut due: Vec<(i64, &[u8])> = due.map(|(time, id)| (*time, self.keys.bytes_of(*id))).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key.to_vec()).collect()
    }

    /// The clock was set back. Stream time goes on from there; `move_due`: due times move with it.
    pub fn set_back(&mut self, set_back: &SetBack, move_due: bool) {
        self.step_us = self.step_us.min(set_back.to_us);
        if self.stream_us > set_back.to_us {
            self.stream_us = set_back.to_us;
            self.any_changed = true;
        }
        if move_due {
            for (due, id) in std::mem::take(&mut self.due) {
                let moved = set_back.moved(due);
                if let Some(slot) = self.slots[id as usize].as_mut() {
                    slot.due_us = Some(moved);
                }
                self.due.insert((moved, id));
                self.mark(id);
            }
        }
    }

    /// Changes every value. What is there stays, even where it no longer fits.
    pub fn change_all(&mut self, mut change: impl FnMut(&mut V)) {
        for id in 0..self.slots.len() {
            let Some(slot) = self.slots[id].as_mut() else { continue };
            change(&mut slot.value);
            let before = std::mem::replace(&mut slot.bytes, slot.value.bytes());
            self.value_bytes = self.value_bytes + slot.bytes - before;
            self.mark(id as KeyId);
        }
    }

    /// Forgets everything, as if nothing had been kept.
    pub fn clear(&mut self) {
        let key_types = std::mem::take(&mut self.key_types);
        let fingerprint = std::mem::take(&mut self.fingerprint);
        *self = KeyedStates::new(key_types, fingerprint, self.hash_seed, self.keys_max, self.bytes_max);
    }

    /// Appends what changed since the last call. `prefix`: `s/<query>/<n>/`.
    pub fn put_changes(&mut self, prefix: &str, out: &mut Vec<Entry>) {
        if !std::mem::take(&mut self.any_changed) {
            return;
        }
        self.stream_us = self.stream_us.max(self.step_us);
        while self.buckets.crowded(self.keys.len()) {
            self.buckets.double(&self.keys);
        }
        let (dirty, _) = self.buckets.take_dirty(|| BTreeSet::from([RING]));
        let mut meta = vec![VERSION];
        put_bytes(&mut meta, self.fingerprint.as_bytes());
        put_varint(&mut meta, u64::from(self.buckets.bits()));
        put_signed(&mut meta, self.stream_us);
        out.push((format!("{prefix}meta").into_bytes(), Some(meta)));
        for (_, bucket) in dirty.iter() {
            let parts = self.encode(bucket);
            let (count, before) = (parts.len(), self.parts.remove(&bucket).unwrap_or(1));
            put_parts(format!("{prefix}{bucket:x}").as_bytes(), parts, before, out);
            if count > 1 {
                self.parts.insert(bucket, count);
            }
        }
    }

    fn encode(&self, bucket: u32) -> Vec<Vec<u8>> {
        let mut members: Vec<(&[u8], &Slot<V>)> = (self.buckets.members(bucket).iter())
            .filter_map(|id| Some((self.keys.bytes_of(*id), self.slots[*id as usize].as_ref()?)))
            .collect();
        members.sort_unstable_by_key(|(key, _)| *key);
        let mut parts = vec![vec![VERSION]];
        let mut value = Vec::new();
        for (key, slot) in members {
            if parts[parts.len() - 1].len() >= PART_BYTES {
                parts.push(vec![VERSION]);
            }
            let out = parts.last_mut().expect("there is a first part");
            put_bytes(out, key);
            put_varint(out, u64::from(slot.due_us.is_some()));
            slot.due_us.iter().for_each(|due| put_signed(out, *due));
            value.clear();
            slot.value.put(&mut value);
            put_bytes(out, &value);
        }
        parts
    }

    /// Takes up the operator's entries, by what follows the prefix; `read` makes a value of its stored form.
    pub fn restore<'e>(
        &mut self,
        entries: &[(&'e str, &'e [u8])],
        read: impl Fn(&[u8]) -> Result<V, Malformed>,
    ) -> Result<(), (&'e str, Unfit)> {
        let meta = open_meta(entries, &self.fingerprint)?;
        self.restore_meta(meta).map_err(|malformed| ("meta", malformed.into()))?;
        for (name, value) in entries.iter().filter(|(name, _)| *name != "meta") {
            self.restore_entry(value, &read).map_err(|unfit| (*name, unfit))?;
            self.restore_part(name).ok_or((*name, Unfit::Malformed(Malformed("its name is not that of an entry"))))?;
        }
        self.any_changed = false;
        Ok(())
    }

    fn restore_meta(&mut self, mut reader: Reader<'_>) -> Result<(), Malformed> {
        let (bits, stream_us) = (reader.varint()?, reader.signed()?);
        reader.end()?;
        self.stream_us = stream_us;
        let restored = self.buckets.restore(bits, 1);
        if restored { Ok(()) } else { Err(Malformed("its numbers are out of range")) }
    }

    fn restore_entry(&mut self, value: &[u8], read: &impl Fn(&[u8]) -> Result<V, Malformed>) -> Result<(), Unfit> {
        let mut reader = open(value)?;
        while reader.remaining() > 0 {
            let key = reader.bytes()?;
            check_key(key, &self.key_types)?;
            if self.keys.find(key).is_some() {
                return Err(Malformed("a key is there twice").into());
            }
            let due_us = match reader.varint()? {
                0 => None,
                1 => Some(reader.signed()?),
                _ => return Err(Malformed("a due time has an unknown tag").into()),
            };
            let value = read(reader.bytes()?)?;
            let due_us = due_us.filter(|_| !planted(Fault::LostTimeout));
            let (id, bytes) = (self.add(key), value.bytes());
            self.due.extend(due_us.map(|due| (due, id)));
            self.slots[id as usize] = Some(Slot { value, due_us, bytes });
            self.value_bytes += bytes;
        }
        Ok(())
    }

    /// Remembers an entry of several parts, so that those no longer needed are deleted.
    fn restore_part(&mut self, name: &str) -> Option<()> {
        let mut numbers = name.split('.').map(|number| u64::from_str_radix(number, 16));
        let bucket = u32::try_from(numbers.next()?.ok()?).ok()?;
        if let Some(part) = numbers.next() {
            let part = usize::try_from(part.ok()?).ok().filter(|part| *part < PARTS_MAX)?;
            let parts = self.parts.entry(bucket).or_default();
            *parts = (part + 1).max(*parts);
        }
        numbers.next().is_none().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    impl Kept for Vec<u8> {
        fn put(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(self);
        }
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    fn states(keys_max: usize, bytes_max: usize) -> KeyedStates<Vec<u8>> {
        KeyedStates::new(vec![DataType::BigInt], "bytes".to_owned(), 7, keys_max, bytes_max)
    }

    fn key(number: i64) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&number.to_le_bytes());
        out
    }

    fn apply(store: &mut BTreeMap<Vec<u8>, Vec<u8>>, states: &mut KeyedStates<Vec<u8>>) -> usize {
        let mut changes = Vec::new();
        states.put_changes("", &mut changes);
        let count = changes.len();
        for (key, value) in changes {
            match value {
                Some(value) => store.insert(key, value),
                None => store.remove(&key),
            };
        }
        count
    }

    fn restored(store: &BTreeMap<Vec<u8>, Vec<u8>>) -> KeyedStates<Vec<u8>> {
        let mut again = states(1 << 20, 1 << 30);
        let entries: Vec<(&str, &[u8])> = store.iter().map(|(key, value)| (std::str::from_utf8(key).unwrap(), &value[..])).collect();
        again.restore(&entries, |bytes| Ok(bytes.to_vec())).unwrap();
        again
    }

    #[test]
    fn a_restored_table_goes_on_as_the_one_that_was_never_stopped() {
        let (mut running, mut store) = (states(1 << 20, 1 << 30), BTreeMap::new());
        for step in 0..60i64 {
            let mut stopped = if store.is_empty() { states(1 << 20, 1 << 30) } else { restored(&store) };
            for table in [&mut running, &mut stopped] {
                for number in 0..10 {
                    let number = step * 7 + number;
                    table.put(&key(number), vec![step as u8; 3], (number % 3 == 0).then_some(number)).unwrap();
                }
                assert!(table.due_before(step).is_sorted());
                for key in table.due_before(step * 4) {
                    table.remove(&key);
                }
            }
            assert_eq!((running.len(), running.bytes(), running.next_due()), (stopped.len(), stopped.bytes(), stopped.next_due()));
            let mut other = store.clone();
            apply(&mut store, &mut running);
            apply(&mut other, &mut stopped);
            assert_eq!(store, other);
        }
        assert!(running.len() > 200 && store.len() > 4);
        assert_eq!(apply(&mut store, &mut running), 0, "nothing has changed");
        running.put(&key(0), vec![1], None).unwrap();
        assert_eq!(apply(&mut store, &mut running), 2, "meta and one bucket");
    }

    #[test]
    fn what_is_over_a_limit_is_refused_and_what_is_there_stays() {
        let mut few = states(2, 1 << 20);
        few.put(&key(1), vec![1], None).unwrap();
        few.put(&key(2), vec![1], Some(5)).unwrap();
        assert_eq!(few.put(&key(3), vec![1], None), Err(Full::Keys(2)));
        few.put(&key(2), vec![2; 10], None).unwrap();
        assert_eq!((few.next_due(), few.get(&key(2)), few.get(&key(3))), (None, Some(&vec![2; 10]), None));
        let mut small = states(100, 200);
        small.put(&key(1), vec![0; 100], None).unwrap();
        assert_eq!(small.put(&key(2), vec![0; 10], None), Err(Full::Bytes(200)));
        assert_eq!(small.put(&key(1), vec![0; 200], None), Err(Full::Bytes(200)));
        small.put(&key(1), vec![0; 50], None).unwrap();
        small.remove(&key(1));
        assert_eq!((small.len(), small.bytes()), (0, 0));
    }

    #[test]
    fn large_values_are_cut_into_parts_that_go_again() {
        let (mut table, mut store) = (states(100, 1 << 30), BTreeMap::new());
        for number in 0..20 {
            table.put(&key(number), vec![7; 200_000], None).unwrap();
        }
        apply(&mut store, &mut table);
        assert!(store.len() > 3 && store.values().all(|value| value.len() < 2 << 20));
        let mut table = restored(&store);
        (0..20).for_each(|number| table.put(&key(number), vec![8], None).unwrap());
        apply(&mut store, &mut table);
        assert_eq!(store.len(), 2);
    }

    #[test]
    fn damaged_entries_are_refused() {
        let (mut table, mut store) = (states(100, 1 << 20), BTreeMap::new());
        table.put(&key(1), vec![1, 2, 3], Some(9)).unwrap();
        apply(&mut store, &mut table);
        for (name, value) in store.clone() {
            for end in 0..value.len() {
                let mut damaged = store.clone();
                damaged.insert(name.clone(), value[..end].to_vec());
                let entries: Vec<(&str, &[u8])> =
                    damaged.iter().map(|(key, value)| (std::str::from_utf8(key).unwrap(), &value[..])).collect();
                let again = states(100, 1 << 20).restore(&entries, |bytes| Ok(bytes.to_vec()));
                assert!(again.is_err() || (name == b"0" && end == 1), "{end}");
            }
        }
    }
}
