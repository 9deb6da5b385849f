//! How the buffered rows of one side are cut into stored entries ("parts"): by time, and by size.
//!
//! Rows whose times lie in one stretch go together, so that a part's rows expire together. The number of a part that is gone is used again,
//! lowest first; what is stored of an expired part is a left-over that a reader skips, so there are never more entries than parts were ever
//! alive at once, and none is written only to say that rows have expired. When the watermark goes back, left-overs are deleted.
//!
//! Invariant: which part a new row goes to depends only on the live rows and on what is stored, so a restored side goes on as one that ran.
//!
//! Limits: a part takes no more rows from [`PART_BYTES`] on.

use std::collections::{BTreeMap, BTreeSet};

use super::side::Row;

/// Bytes of rows after which a part is full.
const PART_BYTES: usize = 16 << 10;

/// A stored entry's rows.
pub(in crate::engine) struct Part {
    /// The number of the first row that it got.
    pub opened: u64,
    stretch: Option<i64>,
    pub rows: BTreeSet<u64>,
    bytes: usize,
}

/// All parts of a side.
pub(in crate::engine) struct Parts {
    stretch_us: i64,
    parts: BTreeMap<u32, Part>,
    /// (stretch, opened, part)
    by_stretch: BTreeSet<(Option<i64>, u64, u32)>,
    dirty: BTreeSet<u32>,
    /// Dirty parts that lost a row otherwise than by time: what is stored of them still has it, for a reader to take up.
    lost: BTreeSet<u32>,
    /// Parts that are empty, and of which what is stored has rows that have not expired.
    gone: BTreeSet<u32>,
    /// Parts of which the store has an entry.
    written: BTreeSet<u32>,
}

impl Parts {
    pub fn new(stretch_us: i64) -> Parts {
        Parts {
            stretch_us: stretch_us.max(1),
            parts: BTreeMap::new(),
            by_stretch: BTreeSet::new(),
            dirty: BTreeSet::new(),
            lost: BTreeSet::new(),
            gone: BTreeSet::new(),
            written: BTreeSet::new(),
        }
    }

    /// The store has an entry of this part.
    pub fn note_written(&mut self, part: u32) {
        self.written.insert(part);
    }

    /// Rows that have expired may be taken for live ones from now on: none is to be left in the store.
    pub fn void_leftovers(&mut self) {
        self.dirty.extend(self.parts.keys());
        self.gone.extend(self.written.iter().filter(|part| !self.parts.contains_key(part)));
    }

    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Finds a place for a new row.
    pub fn add(&mut self, number: u64, time: Option<i64>, bytes: usize) -> u32 {
        let stretch = time.map(|time| time.div_euclid(self.stretch_us));
        let last = self.by_stretch.range((stretch, 0, 0)..=(stretch, u64::MAX, u32::MAX)).next_back().map(|(_, _, part)| *part);
        let open = last.filter(|part| self.parts[part].bytes < PART_BYTES);
        let part = open.unwrap_or_else(|| self.free());
        self.put(part, number, number, time, bytes);
        self.dirty.insert(part);
        part
    }

    /// Puts a row into a part that was opened by row `opened` if it is new here.
    pub fn put(&mut self, part: u32, opened: u64, number: u64, time: Option<i64>, bytes: usize) {
        let stretch = time.map(|time| time.div_euclid(self.stretch_us));
        let into = self.parts.entry(part).or_insert_with(|| Part { opened, stretch, rows: BTreeSet::new(), bytes: 0 });
        into.rows.insert(number);
        into.bytes += bytes;
        self.by_stretch.insert((into.stretch, into.opened, part));
    }

    /// The lowest number that no part has.
    fn free(&self) -> u32 {
        match self.parts.last_key_value() {
            Some((last, _)) if *last as usize + 1 == self.parts.len() => last + 1,
            None => 0,
            Some(_) => {
                let mut taken = self.parts.keys().copied().zip(0u32..);
                taken.find(|(part, index)| part != index).map_or(0, |(_, index)| index)
            }
        }
    }

    pub fn changed(&mut self, part: u32) {
        self.dirty.insert(part);
    }

    pub fn remove(&mut self, number: u64, row: &Row, expired: bool) {
        let Some(part) = self.parts.get_mut(&row.part) else { return };
        part.rows.remove(&number);
        part.bytes -= row.bytes.len();
        let empty = part.rows.is_empty();
        if !expired {
            self.dirty.insert(row.part);
            self.lost.insert(row.part);
        }
        if empty {
            self.by_stretch.remove(&(part.stretch, part.opened, row.part));
            self.parts.remove(&row.part);
            self.dirty.remove(&row.part);
            if self.lost.remove(&row.part) {
                self.gone.insert(row.part);
            }
        }
    }

    /// What is to be written, and what is to be deleted; both begin anew.
    pub fn take_changed(&mut self) -> (Vec<u32>, Vec<u32>) {
        self.lost.clear();
        let dirty: Vec<u32> = std::mem::take(&mut self.dirty).into_iter().collect();
        let gone: Vec<u32> = std::mem::take(&mut self.gone).into_iter().filter(|part| !self.parts.contains_key(part)).collect();
        self.written.extend(&dirty);
        gone.iter().for_each(|part| _ = self.written.remove(part));
        (dirty, gone)
    }

    pub fn get(&self, part: u32) -> Option<&Part> {
        self.parts.get(&part)
    }
}
