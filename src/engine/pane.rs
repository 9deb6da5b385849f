//! The cells of one pane: for each key that has rows there, one cell in every lane.
//!
//! Cells are packed in order of the keys' first appearance; an index leads from key number to cell. The index is an array over all keys
//! while these are few or the pane holds a good part of them, and a hash table otherwise, so that a pane costs by its own keys.

use hashbrown::HashTable;

use crate::engine::input::Input;
use crate::engine::keys::KeyId;
use crate::engine::lanes::{Lane, LaneKind, Pairs};
use crate::engine::state_codec::{Malformed, Reader, put_varint};

/// No cell.
pub(super) const NO_SLOT: u32 = u32::MAX;

/// Up to this many keys in the operator every pane has an array index (16 KiB).
const DENSE_KEYS: usize = 4096;

/// Above that, a pane that holds at least one key in this many has one.
const DENSE_SHARE: usize = 16;

/// Rows that a stored cell may claim: far above what comes, far below what overflows when panes are combined.
const ROWS_COUNTED_MAX: u64 = 1 << 48;

/// What a pane costs beside its cells, roughly.
pub(super) const PANE_OVERHEAD_BYTES: usize = 400;

#[derive(Clone, Debug)]
enum Index {
    /// By key; may be shorter than the keys there are.
    Dense(Vec<u32>),
    /// Cell numbers, hashed by their key.
    Sparse(HashTable<u32>),
}

/// Cells by key.
#[derive(Clone, Debug)]
pub(super) struct Pane {
    index: Index,
    /// The key of each cell.
    keys: Vec<KeyId>,
    /// Lane 0 counts rows.
    lanes: Vec<Lane>,
    /// One bit a cell: changed in this step. Empty bits at the end may be missing.
    touched: Vec<u64>,
    /// The same, since the last checkpoint.
    unsaved: Vec<u64>,
}

impl Pane {
    pub fn new(kinds: &[LaneKind]) -> Pane {
        Pane {
            index: Index::Dense(Vec::new()),
            keys: Vec::new(),
            lanes: kinds.iter().map(|kind| Lane::new(*kind)).collect(),
            touched: Vec::new(),
            unsaved: Vec::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn keys(&self) -> &[KeyId] {
        &self.keys
    }

    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    pub fn lanes_mut(&mut self) -> &mut [Lane] {
        &mut self.lanes
    }

    /// The key's cell, or `NO_SLOT`, as for `NO_KEY`.
    pub fn slot(&self, key: KeyId) -> u32 {
        match &self.index {
            Index::Dense(slots) => slots.get(key as usize).copied().unwrap_or(NO_SLOT),
            Index::Sparse(table) => table.find(hash(key), |slot| self.keys[*slot as usize] == key).copied().unwrap_or(NO_SLOT),
        }
    }

    /// The cells by key, `NO_SLOT` where a key has none, where the index is an array; it may be shorter than the keys there are.
    pub fn by_key(&self) -> Option<&[u32]> {
        match &self.index {
            Index::Dense(slots) => Some(slots),
            Index::Sparse(_) => None,
        }
    }

    /// All cells in order of their keys' numbers.
    pub fn slots_by_key(&self) -> Vec<u32> {
        match &self.index {
            Index::Dense(slots) => slots.iter().copied().filter(|slot| *slot != NO_SLOT).collect(),
            Index::Sparse(_) => {
                let mut slots: Vec<u32> = (0..self.keys.len() as u32).collect();
                slots.sort_unstable_by_key(|slot| self.keys[*slot as usize]);
                slots
            }
        }
    }

    /// Makes a fresh cell for a key that has none; `bound` is above every key's number. Lanes grow by [`Pane::grow`].
    pub fn add(&mut self, key: KeyId, bound: usize) -> u32 {
        let slot = self.keys.len() as u32;
        self.keys.push(key);
        if let Index::Dense(slots) = &self.index
            && slots.len() <= key as usize
            && bound > DENSE_KEYS
            && self.keys.len() < bound / DENSE_SHARE
        {
            self.make_sparse();
            return slot;
        }
        let keys = &self.keys;
        match &mut self.index {
            Index::Dense(slots) => {
                if slots.len() <= key as usize {
                    slots.resize(bound.max(key as usize + 1), NO_SLOT);
                }
                slots[key as usize] = slot;
            }
            Index::Sparse(table) => {
                table.insert_unique(hash(key), slot, |slot| hash(keys[*slot as usize]));
                if keys.len() >= bound / DENSE_SHARE {
                    self.make_dense(bound);
                }
            }
        }
        slot
    }

    /// Makes a fresh cell that the index does not lead to: for those who keep the cells' numbers. A key may have several.
    pub fn append(&mut self, key: KeyId) -> u32 {
        self.keys.push(key);
        self.keys.len() as u32 - 1
    }

    /// Removes such a cell; the last one takes its number. No cell of this pane is in the index or touched.
    pub fn swap_remove(&mut self, slot: u32) {
        self.keys.swap_remove(slot as usize);
        self.lanes.iter_mut().for_each(|lane| lane.swap_remove(slot));
    }

    /// Removes a cell that the index leads to; the last one takes its number. Neither has been part of a checkpoint.
    pub fn take_out(&mut self, slot: u32) -> KeyId {
        let (key, last) = (self.keys[slot as usize], self.keys.len() as u32 - 1);
        let moved = self.keys[last as usize];
        match &mut self.index {
            Index::Dense(slots) => {
                slots[moved as usize] = slot;
                slots[key as usize] = NO_SLOT;
            }
            Index::Sparse(table) => {
                if let Ok(entry) = table.find_entry(hash(key), |other| *other == slot) {
                    entry.remove();
                }
                table.find_mut(hash(moved), |other| *other == last).into_iter().for_each(|moved| *moved = slot);
            }
        }
        let is_touched = self.is_touched(last);
        for (slot, is_touched) in [(slot, is_touched), (last, false)] {
            if let Some(word) = self.touched.get_mut(slot as usize / 64) {
                *word = *word & !(1 << (slot % 64)) | u64::from(is_touched) << (slot % 64);
            }
        }
        self.swap_remove(slot);
        key
    }

    fn make_sparse(&mut self) {
        let mut table = HashTable::with_capacity(self.keys.len());
        for (slot, key) in self.keys.iter().enumerate() {
            table.insert_unique(hash(*key), slot as u32, |slot| hash(self.keys[*slot as usize]));
        }
        self.index = Index::Sparse(table);
    }

    fn make_dense(&mut self, bound: usize) {
        let mut slots = vec![NO_SLOT; bound.max(self.keys.iter().max().map_or(0, |key| *key as usize + 1))];
        self.keys.iter().enumerate().for_each(|(slot, key)| slots[*key as usize] = slot as u32);
        self.index = Index::Dense(slots);
    }

    /// Gives every cell its place in the lanes.
    pub fn grow(&mut self) {
        let cells = self.keys.len();
        self.lanes.iter_mut().for_each(|lane| lane.grow(cells));
        self.touched.resize(cells.div_ceil(64), 0);
    }

    /// Combines cells `from` of `other` into cells `into`, all lanes.
    pub fn merge(&mut self, into: &[u32], other: &Pane, from: &[u32]) {
        self.lanes.iter_mut().zip(&other.lanes).for_each(|(lane, other)| lane.merge(into, other, from));
    }

    /// Undoes such a merge; for exact lanes only.
    pub fn retract(&mut self, into: &[u32], other: &Pane, from: &[u32]) {
        self.lanes.iter_mut().zip(&other.lanes).for_each(|(lane, other)| lane.retract(into, other, from));
    }

    /// Reads one stored cell into the last place of every lane.
    pub fn read_last_cell(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let rows = reader.varint()?;
        if rows > ROWS_COUNTED_MAX {
            return Err(Malformed("a count of rows is out of range"));
        }
        if let Lane::Count(counts) = &mut self.lanes[0]
            && let Some(count) = counts.last_mut()
        {
            *count = rows;
        }
        self.lanes[1..].iter_mut().try_for_each(|lane| lane.read_last_cell(reader, rows))
    }

    /// Appends one cell as [`Pane::read_last_cell`] reads it.
    pub fn put_cell(&self, slot: u32, out: &mut Vec<u8>) {
        let rows = self.rows(slot);
        put_varint(out, rows);
        for lane in &self.lanes[1..] {
            match lane {
                // As `Lane::put_cell` does it, without the way there: most cells are of these.
                Lane::Count(counts) if counts[slot as usize] == rows => out.push(0),
                Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => out.extend_from_slice(&v[slot as usize].to_le_bytes()),
                _ => lane.put_cell(slot, rows, out),
            }
        }
    }

    /// Marks the cells as changed.
    pub fn touch(&mut self, slots: impl IntoIterator<Item = u32>) {
        slots.into_iter().for_each(|slot| self.touched[slot as usize / 64] |= 1 << (slot % 64));
    }

    /// Whether the cell is marked as changed.
    pub fn is_touched(&self, slot: u32) -> bool {
        self.touched.get(slot as usize / 64).is_some_and(|word| word >> (slot % 64) & 1 == 1)
    }

    /// Whether any is.
    pub fn has_touched(&self) -> bool {
        self.touched.iter().any(|word| *word != 0)
    }

    /// Calls `visit` with each changed cell and its key.
    pub fn for_each_touched(&self, visit: impl FnMut(u32, KeyId)) {
        self.for_each_of(&self.touched, visit);
    }

    /// What is marked as changed is to be in the next checkpoint.
    pub fn note_unsaved(&mut self) {
        self.unsaved.resize(self.touched.len(), 0);
        self.unsaved.iter_mut().zip(&self.touched).for_each(|(unsaved, touched)| *unsaved |= touched);
    }

    /// Calls `visit` with each cell that has changed since the last checkpoint, and its key.
    pub fn for_each_unsaved(&self, visit: impl FnMut(u32, KeyId)) {
        self.for_each_of(&self.unsaved, visit);
    }

    pub fn forget_unsaved(&mut self) {
        self.unsaved.clear();
    }

    fn for_each_of(&self, marks: &[u64], mut visit: impl FnMut(u32, KeyId)) {
        for (word_index, word) in marks.iter().enumerate() {
            let mut rest = *word;
            while rest != 0 {
                let slot = word_index * 64 + rest.trailing_zeros() as usize;
                rest &= rest - 1;
                visit(slot as u32, self.keys[slot]);
            }
        }
    }

    pub fn forget_touched(&mut self) {
        self.touched.fill(0);
    }

    /// Forgets all cells, keeps memory: for a pane used to combine others.
    pub fn clear(&mut self) {
        match &mut self.index {
            Index::Dense(slots) => {
                for key in &self.keys {
                    if let Some(slot) = slots.get_mut(*key as usize) {
                        *slot = NO_SLOT;
                    }
                }
            }
            Index::Sparse(table) => table.clear(),
        }
        self.keys.clear();
        self.lanes.iter_mut().for_each(Lane::clear);
        self.touched.clear();
        self.unsaved.clear();
    }

    /// The cell of `key`, made where missing.
    pub fn slot_or_add(&mut self, key: KeyId, bound: usize) -> u32 {
        match self.slot(key) {
            NO_SLOT => self.add(key, bound),
            slot => slot,
        }
    }

    /// Rows that a cell counted.
    pub fn rows(&self, slot: u32) -> u64 {
        match &self.lanes[0] {
            Lane::Count(counts) => counts[slot as usize],
            _ => 0,
        }
    }

    /// One more row each.
    pub fn count_rows(&mut self, slots: &[u32]) {
        if let Lane::Count(counts) = &mut self.lanes[0] {
            slots.iter().for_each(|slot| counts[*slot as usize] += 1);
        }
    }

    /// Updates lanes other than 0.
    pub fn update(&mut self, lane: usize, pairs: Pairs<'_>, input: &Input<'_>) {
        self.lanes[lane].update(pairs, input);
    }
}

fn hash(key: KeyId) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_found_dense_sparse_and_dense_again() {
        let bound = DENSE_KEYS * 4;
        let mut pane = Pane::new(&[LaneKind::Count]);
        for step in 0..bound as u32 {
            let key = step.wrapping_mul(7919) % bound as u32;
            assert_eq!(pane.slot(key), NO_SLOT);
            assert_eq!(pane.add(key, bound), step);
            assert_eq!(pane.slot(key), step);
            match step {
                0..100 => assert!(matches!(pane.index, Index::Sparse(_))),
                1100.. => assert!(matches!(pane.index, Index::Dense(_))),
                _ => {}
            }
        }
        assert!((0..bound as u32).all(|key| pane.keys()[pane.slot(key) as usize] == key));
    }

    #[test]
    fn cells_that_are_taken_out_leave_the_others_where_they_are_looked_for() {
        let mut pane = Pane::new(&[LaneKind::Count]);
        // More than an array is made for: the index is a hash table, then an array.
        for bound in [DENSE_KEYS * 4, DENSE_KEYS] {
            pane.clear();
            (0..40).for_each(|key| _ = pane.add(key * 7, bound));
            pane.grow();
            pane.count_rows(&[39]);
            pane.touch([39]);
            assert_eq!((pane.take_out(5), pane.take_out(38), pane.take_out(0)), (35, 266, 0));
            assert_eq!((pane.len(), pane.slot(35), pane.slot(266), pane.slot(0)), (37, NO_SLOT, NO_SLOT, NO_SLOT));
            assert!((0..40).filter(|key| ![0, 5, 38].contains(key)).all(|key| pane.keys()[pane.slot(key * 7) as usize] == key * 7));
            let mut touched = Vec::new();
            pane.for_each_touched(|slot, key| touched.push((slot, key, pane.rows(slot))));
            assert_eq!(touched, [(5, 273, 1)]);
        }
    }

    #[test]
    fn a_cleared_pane_is_as_new() {
        let mut pane = Pane::new(&[LaneKind::Count]);
        pane.add(5, 6);
        pane.grow();
        pane.count_rows(&[0, 0]);
        pane.touch([0]);
        pane.clear();
        assert_eq!((pane.len(), pane.slot(5)), (0, NO_SLOT));
        assert_eq!(pane.slot_or_add(5, 6), 0);
        pane.grow();
        let mut touched = 0;
        pane.for_each_touched(|_, _| touched += 1);
        assert_eq!((pane.rows(0), touched), (0, 0));
    }
}
