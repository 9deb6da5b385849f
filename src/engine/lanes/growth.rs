//! How much memory a row would add to a cell: known before anything changes, so that a row that does not fit leaves no trace.

use crate::engine::input::Input;
use crate::engine::lanes::Lane;
use crate::engine::lanes::list::ELEMENT_BYTES_MIN;
use crate::engine::lanes::set::ENTRY_BYTES;
use crate::engine::lanes::tally::NUMBER_BYTES;
use crate::engine::value_codec::value_len;

/// Lengths and numbers beside a value, at most.
const FRAME_BYTES: usize = 24;

/// What a number adds to a sketch at most: its place in the buffer, and later a sample.
const SKETCH_BYTES: usize = 16;

impl Lane {
    /// At most how many bytes row `row` adds to a cell.
    pub fn growth(&self, input: &Input<'_>, row: usize) -> usize {
        match self {
            Lane::Kept(..) => input.twice_len(row) + FRAME_BYTES,
            Lane::List { .. } => (input.kept_len(row) + FRAME_BYTES).max(ELEMENT_BYTES_MIN),
            Lane::Set(_) => input.kept_len(row) + ENTRY_BYTES,
            Lane::Tally(_) => 2 * value_len(input.column(), row) + ENTRY_BYTES,
            Lane::Numbers(_) => NUMBER_BYTES,
            Lane::Quantiles(..) | Lane::Registers(..) | Lane::Histogram(..) => SKETCH_BYTES,
            _ => 0,
        }
    }

    /// Bytes of one cell beyond its width, for lanes that grow.
    pub fn cell_loose_bytes(&self, slot: u32) -> usize {
        match self {
            Lane::Kept(_, v) => v.bytes_of(slot),
            Lane::List { cells: v, .. } => v.bytes_of(slot),
            Lane::Set(v) => v.bytes_of(slot),
            Lane::Tally(v) => v.bytes_of(slot),
            Lane::Numbers(v) => v.bytes_of(slot),
            Lane::Quantiles(_, v) => v.bytes_of(slot),
            Lane::Registers(_, v) => v.bytes_of(slot),
            Lane::Histogram(_, v) => v.bytes_of(slot),
            _ => 0,
        }
    }

    /// Whether the row certainly adds nothing: the cell holds its value already.
    pub fn holds(&self, slot: u32, input: &Input<'_>, row: usize) -> bool {
        match self {
            Lane::Set(v) => {
                let mut key = Vec::new();
                input.put_keys(&mut key, row);
                v.get(slot as usize).contains(&key)
            }
            Lane::Tally(v) => v.get(slot as usize).contains(input.column(), row),
            Lane::Numbers(v) => v.get(slot as usize).contains(input.doubles()[row]),
            // Bounded by themselves; they count against the operator's bytes only.
            Lane::Registers(..) | Lane::Histogram(..) => true,
            _ => false,
        }
    }
}
