//! Cells whose state varies in size, with the bytes that they take together.

use crate::engine::state_codec::{Malformed, Reader};

/// A cell's state beyond a fixed width. The default is that of no rows.
pub(in crate::engine) trait Loose: Clone + Default {
    /// Memory behind the cell, as counted against limits; constant time.
    fn bytes(&self) -> usize;

    /// Appends the state, as [`Loose::read`] takes it up: the same state exactly.
    fn put(&self, out: &mut Vec<u8>);

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Cells<T> {
    cells: Vec<T>,
    bytes: usize,
}

impl<T: Loose> Cells<T> {
    pub fn grow(&mut self, cells: usize) {
        self.cells.resize(cells, T::default());
    }

    pub fn clear(&mut self) {
        self.cells.clear();
        self.bytes = 0;
    }

    pub fn swap_remove(&mut self, slot: usize) {
        self.bytes -= self.cells.swap_remove(slot).bytes();
    }

    pub fn get(&self, slot: usize) -> &T {
        &self.cells[slot]
    }

    /// Bytes of all cells together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn bytes_of(&self, slot: u32) -> usize {
        self.cells[slot as usize].bytes()
    }

    pub fn change(&mut self, slot: u32, change: impl FnOnce(&mut T)) {
        let cell = &mut self.cells[slot as usize];
        let before = cell.bytes();
        change(cell);
        self.bytes = self.bytes - before + cell.bytes();
    }

    /// Combines cells `from_slots` of `from` into cells `slots`.
    pub fn merge(&mut self, slots: &[u32], from: &Cells<T>, from_slots: &[u32], merge: impl Fn(&mut T, &T)) {
        for (slot, from_slot) in slots.iter().zip(from_slots) {
            self.change(*slot, |cell| merge(cell, &from.cells[*from_slot as usize]));
        }
    }

    pub fn put(&self, slot: usize, out: &mut Vec<u8>) {
        self.cells[slot].put(out);
    }

    /// Reads what [`Cells::put`] wrote into the last cell.
    pub fn read_last(&mut self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        let read = T::read(reader)?;
        if let Some(last) = self.cells.len().checked_sub(1) {
            self.change(last as u32, |cell| *cell = read);
        }
        Ok(())
    }

    pub fn last(&self) -> Option<&T> {
        self.cells.last()
    }
}
