//! Cells that changed a few at a time, stored by batch until their bucket's entry is worth writing.
//!
//! A bucket's entry holds all of its keys' cells. Where a batch changes only a few of them, these go into an entry of the batch, the journal,
//! one for all buckets; a bucket's own entry is written once as many of its cells lie in the journal as it has. So what a batch stores
//! follows what it changed, about twice over, however many keys there are, until [`ENTRIES_MAX`] binds: a few rows a batch among very many keys. It is what log-structured
//! stores do, and Spark's with deltas and snapshots.
//!
//! Invariants, after each commit:
//! 1. of each cell of an open pane the store holds the present value: in the journal's latest entry with that cell, if it is later than the
//!    bucket's own entry, else in the bucket's own;
//! 2. an entry of the journal that no bucket needs any more is empty;
//! 3. some value of the store has the number of the last commit that stored cells.
//!
//! What is needed follows from what is stored and from the panes that are open: a restart comes to the same.
//!
//! Entries have slots, which are written over and never deleted: the lowest free one is taken. Limits: [`ENTRIES_MAX`] entries, and no more
//! cells than the operator has; beyond them the buckets that the earliest entry is needed for are written, until it is not.

use std::collections::{BTreeMap, BTreeSet};

/// Entries that hold something, about.
const ENTRIES_MAX: usize = 1 << 12;

/// Cells that the journal may always hold.
const CELLS_ALWAYS: usize = 64;

/// A bucket's cells in one pane: the pane's start, and the bucket.
pub(super) type Place = (i64, u32);

/// An entry of the journal that holds something.
struct Written {
    /// Which commit wrote it, counted from 1.
    sequence: u64,
    cells: usize,
    /// Places whose latest values it may hold.
    needed_by: usize,
}

/// What a place has in the journal since its bucket's own entry was written.
#[derive(Default)]
struct Pending {
    cells: usize,
    /// Slots of the entries with its cells, ascending by sequence, each once.
    slots: Vec<u32>,
}

/// Which entries there are, and what they are needed for.
#[derive(Default)]
pub(super) struct Journal {
    sequence: u64,
    written: BTreeMap<u32, Written>,
    pending: BTreeMap<Place, Pending>,
    /// Cells in all entries.
    cells: usize,
    /// Slots that are to be emptied, or written anew, with this commit.
    emptied: Vec<u32>,
}

impl Journal {
    /// Of the last commit that stored cells.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Of the commit that is being made.
    pub fn next_sequence(&self) -> u64 {
        self.sequence + 1
    }

    /// The commit stores something of [`Journal::next_sequence`].
    pub fn advance(&mut self) {
        self.sequence += 1;
    }

    /// A commit with this number was read back.
    pub fn saw(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Cells of a place that lie in the journal.
    pub fn pending(&self, place: Place) -> usize {
        self.pending.get(&place).map_or(0, |pending| pending.cells)
    }

    /// The bucket's own entry is written with this commit, or the pane has closed.
    pub fn settle(&mut self, place: Place) {
        let Some(pending) = self.pending.remove(&place) else { return };
        for slot in pending.slots {
            let Some(written) = self.written.get_mut(&slot) else { continue };
            written.needed_by -= 1;
            if written.needed_by == 0 {
                self.drop_entry(slot);
            }
        }
    }

    fn drop_entry(&mut self, slot: u32) {
        if let Some(written) = self.written.remove(&slot) {
            self.cells -= written.cells;
            self.emptied.push(slot);
        }
    }

    /// The places that the earliest entries are needed for, where there is no room for `more` cells beside them: without these entries there is.
    pub fn crowding(&self, more: usize, cells_max: usize) -> Vec<Place> {
        let (mut cells, mut entries) = (self.cells + more, self.written.len());
        let crowded = |cells: usize, entries: usize| cells > cells_max.max(CELLS_ALWAYS) || entries >= ENTRIES_MAX;
        if more == 0 || !crowded(cells, entries) {
            return Vec::new();
        }
        let mut by_age: Vec<(u64, u32)> = self.written.iter().map(|(slot, written)| (written.sequence, *slot)).collect();
        by_age.sort_unstable();
        let mut leaving = BTreeSet::new();
        for (_, slot) in by_age {
            if crowded(cells, entries) {
                leaving.insert(slot);
                (cells, entries) = (cells - self.written[&slot].cells, entries - 1);
            }
        }
        // A place that needs any of them needs one of them first.
        let needs_one = |pending: &Pending| pending.slots.first().is_some_and(|slot| leaving.contains(slot));
        self.pending.iter().filter(|(_, pending)| needs_one(pending)).map(|(place, _)| *place).collect()
    }

    /// A slot for an entry of this commit, with so many cells of each of these places.
    pub fn add(&mut self, cells: &BTreeMap<Place, usize>) -> u32 {
        let gap = self.written.keys().zip(0..).find(|(slot, number)| **slot != *number);
        let slot = gap.map_or(self.written.len() as u32, |(_, number)| number);
        self.emptied.retain(|emptied| *emptied != slot);
        self.put(slot, self.next_sequence(), cells.values().sum(), cells);
        slot
    }

    /// An entry with so many cells, as it was read back; they come in ascending order of sequence and slot. `needed`: the cells of open panes that are
    /// later than their bucket's own entry, by place.
    pub fn put(&mut self, slot: u32, sequence: u64, cells: usize, needed: &BTreeMap<Place, usize>) {
        if needed.is_empty() {
            return;
        }
        self.cells += cells;
        self.written.insert(slot, Written { sequence, cells, needed_by: needed.len() });
        for (place, count) in needed {
            let pending = self.pending.entry(*place).or_default();
            pending.cells += count;
            pending.slots.push(slot);
        }
    }

    /// As [`Journal::clear`], where other entries are deleted too: an empty one keeps the commit's number.
    pub fn clear_to_one(&mut self) {
        self.clear();
        if self.sequence > 0 && !self.emptied.contains(&0) {
            self.emptied.push(0);
        }
    }

    /// The pane has closed: what there is for it is not needed.
    pub fn drop_pane(&mut self, start: i64) {
        let places: Vec<Place> = self.pending.range((start, 0)..=(start, u32::MAX)).map(|(place, _)| *place).collect();
        places.into_iter().for_each(|place| self.settle(place));
    }

    /// Nothing of it counts any more.
    pub fn clear(&mut self) {
        self.pending.clear();
        self.emptied.extend(std::mem::take(&mut self.written).into_keys());
        self.cells = 0;
    }

    /// The slots to write an empty entry to.
    pub fn take_emptied(&mut self) -> Vec<u32> {
        let mut emptied = std::mem::take(&mut self.emptied);
        emptied.sort_unstable();
        emptied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(journal: &mut Journal, places: &[(Place, usize)]) -> u32 {
        let slot = journal.add(&places.iter().copied().collect());
        journal.advance();
        slot
    }

    #[test]
    fn an_entry_goes_with_the_last_bucket_that_needs_it_and_its_slot_is_used_again() {
        let mut journal = Journal::default();
        assert_eq!(commit(&mut journal, &[((0, 1), 2), ((0, 2), 1)]), 0);
        assert_eq!(commit(&mut journal, &[((0, 1), 3)]), 1);
        assert_eq!((journal.pending((0, 1)), journal.pending((0, 2)), journal.pending((1, 1))), (5, 1, 0));
        journal.settle((0, 1));
        assert_eq!((journal.pending((0, 1)), journal.take_emptied()), (0, vec![1]));
        journal.settle((0, 2));
        assert_eq!(commit(&mut journal, &[((0, 1), 1)]), 0);
        assert_eq!(journal.take_emptied(), [0; 0], "it is written over");
        journal.clear();
        assert_eq!((journal.take_emptied(), journal.pending((0, 1))), (vec![0], 0));
    }

    #[test]
    fn the_earliest_entries_make_room() {
        let mut journal = Journal::default();
        commit(&mut journal, &[((0, 1), 60), ((0, 2), 40)]);
        commit(&mut journal, &[((0, 2), 50)]);
        commit(&mut journal, &[((7, 3), 50)]);
        assert_eq!(journal.crowding(0, 0), []);
        assert_eq!(journal.crowding(50, 250), []);
        assert_eq!(journal.crowding(51, 250), [(0, 1), (0, 2)]);
        assert_eq!(journal.crowding(201, 250), [(0, 1), (0, 2), (7, 3)]);
        (0..ENTRIES_MAX).for_each(|_| _ = commit(&mut journal, &[((9, 9), 1)]));
        assert_eq!(journal.crowding(1, usize::MAX), [(0, 1), (0, 2), (7, 3), (9, 9)]);
    }

    #[test]
    fn a_closed_pane_needs_nothing() {
        let mut journal = Journal::default();
        commit(&mut journal, &[((i64::MIN, 1), 1), ((3, 2), 1), ((3, u32::MAX), 1), ((4, 0), 1)]);
        journal.drop_pane(3);
        assert_eq!((journal.pending((3, 2)), journal.pending((3, u32::MAX)), journal.pending((4, 0))), (0, 0, 1));
        journal.drop_pane(i64::MIN);
        assert_eq!(journal.take_emptied(), [0; 0]);
        journal.drop_pane(4);
        assert_eq!(journal.take_emptied(), [0]);
    }
}
