//! Which rows find no room for the values that aggregates would keep of them. Found before anything changes, so that such a row leaves no trace.
//!
//! Limits: [`GROUP_BYTES_MAX`] a group, pane and aggregate in streams; what the operator has left for all. In batch queries only the latter.

use crate::engine::input::Input;
use crate::engine::lanes::Lane;
use crate::engine::refusal::Refusal;
use crate::engine::spec::Emission;

/// Bytes that one aggregate keeps of a group (in one pane of a window) in a stream; an element of a list counts as at least 16.
pub(super) const GROUP_BYTES_MAX: usize = 1 << 20;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub group_bytes_max: usize,
    /// What the operator has left.
    pub left: usize,
}

impl Room {
    pub fn new(emission: Emission, left: usize) -> Room {
        Room { group_bytes_max: if emission == Emission::AtEnd { usize::MAX } else { GROUP_BYTES_MAX }, left }
    }
}

/// Positions in `rows`, ascending, of rows without room when all others are added in order. `growing`: the lanes that grow, with their inputs;
/// `slots`: the cell of each row.
pub(super) fn without_room(growing: &[(&Lane, &Input<'_>)], rows: &[u32], slots: &[u32], room: Room) -> Vec<(usize, Refusal)> {
    if growing.is_empty() || growing.iter().all(|(lane, input)| fits_surely(lane, input, rows, slots, room, growing.len())) {
        return Vec::new();
    }
    let cells = slots.iter().max().map_or(0, |slot| *slot as usize + 1);
    let mut kept: Vec<Vec<usize>> =
        growing.iter().map(|(lane, _)| (0..cells).map(|slot| lane.cell_loose_bytes(slot as u32)).collect()).collect();
    let mut left = room.left;
    let mut refused = Vec::new();
    for (position, (row, slot)) in rows.iter().zip(slots).enumerate() {
        let growths: Vec<usize> = (growing.iter())
            .map(
                |(lane, input)| {
                    if !input.passes(*row) || lane.holds(*slot, input, *row as usize) { 0 } else { lane.growth(input, *row as usize) }
                },
            )
            .collect();
        let full = growths.iter().zip(&kept).any(|(growth, kept)| *growth > 0 && kept[*slot as usize] + growth > room.group_bytes_max);
        let sum: usize = growths.iter().sum();
        if full {
            refused.push((position, Refusal::GroupBytes));
        } else if sum > left {
            refused.push((position, Refusal::Bytes));
        } else {
            left -= sum;
            kept.iter_mut().zip(growths).for_each(|(kept, growth)| kept[*slot as usize] += growth);
        }
    }
    refused
}

/// Whether the greatest cell touched plus everything added stays within the limits.
fn fits_surely(lane: &Lane, input: &Input<'_>, rows: &[u32], slots: &[u32], room: Room, lanes: usize) -> bool {
    let (mut added, mut greatest) = (0usize, 0usize);
    for (row, slot) in rows.iter().zip(slots) {
        if input.passes(*row) {
            added += lane.growth(input, *row as usize);
        }
        greatest = greatest.max(lane.cell_loose_bytes(*slot));
    }
    added + greatest <= room.group_bytes_max && added <= room.left / lanes
}
