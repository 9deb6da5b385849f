//! Columns whose entries vary in length: byte strings, lists and maps. Entry i holds `ends[i-1]..ends[i]` of what lies below.
//!
//! Limits: the bytes, or elements, of one column number less than 2^32.

use std::ops::Range;

use crate::batch::Column;

/// Byte strings, back to back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binaries {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Binaries {
    pub fn new() -> Binaries {
        Binaries::default()
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[entry(&self.ends, index)]
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len() as u32);
    }

    pub fn truncate(&mut self, len: usize) {
        if len < self.ends.len() {
            self.ends.truncate(len);
            self.bytes.truncate(self.ends.last().map_or(0, |end| *end as usize));
        }
    }

    /// Memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.ends.len() * 4
    }
}

/// Arrays: `items` holds the elements of all entries, back to back. A NULL entry has none.
#[derive(Clone, Debug)]
pub struct ListColumn {
    pub ends: Vec<u32>,
    pub items: Box<Column>,
}

impl ListColumn {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where in `items` the elements of entry `row` are.
    pub fn range(&self, row: usize) -> Range<usize> {
        entry(&self.ends, row)
    }
}

/// Maps: as a list, with a key beside each value.
#[derive(Clone, Debug)]
pub struct MapColumn {
    pub ends: Vec<u32>,
    /// Never NULL; different within an entry.
    pub keys: Box<Column>,
    pub values: Box<Column>,
}

impl MapColumn {
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Where in `keys` and `values` entry `row` is.
    pub fn range(&self, row: usize) -> Range<usize> {
        entry(&self.ends, row)
    }
}

fn entry(ends: &[u32], index: usize) -> Range<usize> {
    let start = if index == 0 { 0 } else { ends[index - 1] as usize };
    start..ends[index] as usize
}
