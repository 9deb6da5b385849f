//! How an operator's state is cut into stored entries: by key into hash buckets, by time into rings.
//!
//! An entry holds the cells of one bucket's keys in the panes of one ring: a batch writes what it touched, not what is merely open. Where
//! panes go with the watermark there is a fixed number of rings, used over and over: the entry of a closed pane is not deleted but
//! written over by a later one, and a reader leaves closed panes out. So the store never sees a key per window. Which entries have been
//! written is remembered, a bit each, for the day on which the watermark goes back and they must go.
//!
//! Limits: [`KEYS_PER_BUCKET_MAX`] keys a bucket on average before the buckets are split, [`BITS_MAX`].

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::keys::{KeyId, Keys};
use crate::engine::spec::TimeKey;
use crate::sabotage::{Fault, planted};

/// Mean number of keys in a bucket above which the number of buckets doubles.
pub(super) const KEYS_PER_BUCKET_MAX: usize = 32;

/// Log2 of the greatest number of buckets.
pub(super) const BITS_MAX: u32 = 16;

/// Rings where panes go.
const RINGS_MAX: u64 = 1024;

/// Some of the entries: buckets by ring, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks(BTreeMap<i64, Vec<u64>>);

impl Marks {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The buckets of a ring, for [`Marks::set_among`].
    pub fn of_ring(&mut self, ring: i64) -> &mut Vec<u64> {
        self.0.entry(ring).or_default()
    }

    pub fn set_among(words: &mut Vec<u64>, bucket: u32) {
        let (word, bit) = ((bucket / 64) as usize, bucket % 64);
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << bit;
    }

    pub fn rings(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    pub fn has_ring(&self, ring: i64) -> bool {
        self.0.contains_key(&ring)
    }

    pub fn has(&self, ring: i64, bucket: u32) -> bool {
        self.0.get(&ring).and_then(|words| words.get((bucket / 64) as usize)).is_some_and(|word| word >> (bucket % 64) & 1 == 1)
    }

    /// Of one ring, ascending.
    pub fn buckets(&self, ring: i64) -> impl Iterator<Item = u32> {
        let of_word = |(index, word): (usize, &u64)| {
            let word = *word;
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index as u32 * 64 + bit)
        };
        self.0.get(&ring).into_iter().flat_map(move |words| words.iter().enumerate().flat_map(of_word))
    }

    /// By ring, then by bucket.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u32)> {
        self.rings().flat_map(|ring| self.buckets(ring).map(move |bucket| (ring, bucket)))
    }
}

/// Which entries there are, which keys belong to which, and which have changed.
pub(super) struct Buckets {
    bits: u32,
    /// 0: every pane is its own ring (where panes stay).
    rings: u64,
    /// Of each bucket, by number.
    members: Vec<Vec<KeyId>>,
    dirty: Marks,
    /// Buckets were split since the last checkpoint: everything is written anew.
    split: bool,
    stored: bool,
    /// Entries that the store has; only where panes go.
    written: Marks,
}

impl Buckets {
    pub fn new(rings: u64) -> Buckets {
        Buckets {
            bits: 0,
            rings,
            members: vec![Vec::new()],
            dirty: Marks::default(),
            split: false,
            stored: false,
            written: Marks::default(),
        }
    }

    /// As stored. False where the numbers are out of range.
    pub fn restore(&mut self, bits: u64, rings: u64) -> bool {
        if bits > u64::from(BITS_MAX) || rings > RINGS_MAX || (rings == 0) != (self.rings == 0) {
            return false;
        }
        self.bits = bits as u32;
        self.rings = rings;
        self.members = vec![Vec::new(); 1 << bits];
        self.stored = true;
        true
    }

    pub fn bits(&self) -> u32 {
        self.bits
    }

    pub fn rings(&self) -> u64 {
        self.rings
    }

    /// By [`TimeKey::ring_number`].
    pub fn ring(&self, number: i64) -> i64 {
        ring_of(self.rings, number)
    }

    pub fn bucket(&self, hash: u32) -> u32 {
        hash & ((1 << self.bits) - 1)
    }

    /// Whether there is such a bucket.
    pub fn has(&self, bucket: u32) -> bool {
        (bucket as usize) < self.members.len()
    }

    /// Keys of a bucket, by number.
    pub fn members(&self, bucket: u32) -> &[KeyId] {
        &self.members[bucket as usize]
    }

    /// Keys of each bucket.
    pub fn each(&self) -> impl Iterator<Item = &[KeyId]> {
        self.members.iter().map(Vec::as_slice)
    }

    pub fn add(&mut self, key: KeyId, hash: u32) {
        let bucket = self.bucket(hash);
        let members = &mut self.members[bucket as usize];
        members.insert(members.partition_point(|member| *member < key), key);
    }

    pub fn remove(&mut self, key: KeyId, hash: u32) {
        let bucket = self.bucket(hash);
        let members = &mut self.members[bucket as usize];
        if let Ok(position) = members.binary_search(&key) {
            members.remove(position);
        }
    }

    /// Something in `ring` has changed; in which buckets is known elsewhere.
    pub fn mark_ring(&mut self, ring: i64) {
        if !planted(Fault::UnmarkedEntry) || ring % 2 != 0 {
            self.dirty.of_ring(ring);
        }
    }

    /// One bucket of `ring` has changed.
    pub fn mark_one(&mut self, ring: i64, bucket: u32) {
        Marks::set_among(self.dirty.of_ring(ring), bucket);
    }

    /// The store has this entry, or will have it with the step. False where there can be no such entry.
    pub fn note_written(&mut self, ring: i64, bucket: u32) -> bool {
        if self.rings == 0 {
            return true;
        }
        if !(0..self.rings as i64).contains(&ring) || bucket >> BITS_MAX != 0 {
            return false;
        }
        Marks::set_among(self.written.of_ring(ring), bucket);
        true
    }

    /// The entries that the store has; forgets them.
    pub fn take_written(&mut self) -> Marks {
        std::mem::take(&mut self.written)
    }

    /// Everything is to be written anew, layout too.
    pub fn rewrite(&mut self) {
        self.split = true;
    }

    /// Whether so many keys want more buckets.
    pub fn crowded(&self, keys: usize) -> bool {
        keys > KEYS_PER_BUCKET_MAX << self.bits && self.bits < BITS_MAX
    }

    /// Doubles the number of buckets.
    pub fn double(&mut self, keys: &Keys) {
        let members = std::mem::take(&mut self.members);
        self.bits += 1;
        self.members = vec![Vec::new(); 1 << self.bits];
        members.into_iter().flatten().for_each(|key| self.add(key, keys.bucket_hash(key)));
        self.split = true;
    }

    /// The entries to write, given the rings of all panes there are, no buckets in a ring that was marked without; and whether the layout is to be written too.
    pub fn take_dirty(&mut self, rings: impl Fn() -> BTreeSet<i64>) -> (Marks, bool) {
        let mut dirty = std::mem::take(&mut self.dirty);
        let split = std::mem::take(&mut self.split);
        if split {
            let buckets = self.members.len() as u32;
            for ring in rings() {
                let words = dirty.of_ring(ring);
                (0..buckets).for_each(|bucket| Marks::set_among(words, bucket));
            }
        }
        let layout = split || (!self.stored && !dirty.is_empty());
        self.stored |= layout;
        (dirty, layout)
    }
}

/// The ring of a pane among so many.
pub(super) fn ring_of(rings: u64, number: i64) -> i64 {
    if rings == 0 { number } else { number.rem_euclid(rings as i64) }
}

/// The number of rings for an operator: enough that panes open at one time share none, in the ordinary course.
pub(super) fn rings_for(time: &TimeKey, evicts_after_us: Option<i64>) -> u64 {
    let Some(delay) = evicts_after_us else { return u64::from(matches!(time, TimeKey::None)) };
    let (panes, length) = match time {
        TimeKey::Window { windows, .. } => (time.panes_per_frame(), windows.slide),
        TimeKey::Local { windows, .. } => (1, windows.length_us()),
        TimeKey::Interval { size, .. } => (1, (*size).max(1)),
        TimeKey::None | TimeKey::Moment { .. } => (16, 1_000_000),
    };
    let open = (panes as u64).saturating_add(2 * (delay.max(0) as u64).div_ceil(length as u64)).saturating_add(2);
    open.min(RINGS_MAX).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_moves_each_key_to_its_bucket_and_writes_everything() {
        let mut keys = Keys::new(0);
        let mut buckets = Buckets::new(4);
        for number in 0u32..100 {
            let key = keys.add(&number.to_le_bytes());
            buckets.add(key, keys.bucket_hash(key));
            while buckets.crowded(keys.len()) {
                buckets.double(&keys);
            }
        }
        assert_eq!(buckets.bits(), 2);
        for bucket in 0..4 {
            assert!(buckets.members(bucket).iter().all(|key| buckets.bucket(keys.bucket_hash(*key)) == bucket));
        }
        assert_eq!((0..4).map(|bucket| buckets.members(bucket).len()).sum::<usize>(), 100);
        let (dirty, layout) = buckets.take_dirty(|| BTreeSet::from([1, 3]));
        let all = [1, 3].into_iter().flat_map(|ring| (0..4).map(move |bucket| (ring, bucket)));
        assert_eq!((dirty.iter().collect(), layout), (Vec::from_iter(all), true));
        assert_eq!(buckets.take_dirty(BTreeSet::new), (Marks::default(), false));
    }

    #[test]
    fn a_removed_key_is_no_member() {
        let mut buckets = Buckets::new(1);
        buckets.add(7, 1);
        buckets.add(8, 2);
        buckets.remove(7, 1);
        assert_eq!(buckets.members(0), [8]);
    }
}
