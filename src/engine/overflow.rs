//! Which rows would carry a sum of integers out of 64 bits. Found before anything is added, so that such a row leaves no trace.

use crate::engine::input::Input;
use crate::engine::lanes::Lane;

/// Positions in `rows`, ascending, of the rows that do not fit when all are added in order, and those before them that fit stay added.
/// `sums`: the lanes with their inputs; `slots`: the cell of each row.
pub(super) fn overflowing(sums: &[(&Lane, &Input<'_>)], rows: &[u32], slots: &[u32]) -> Vec<usize> {
    if sums.iter().all(|(lane, input)| fits_surely(lane, input, rows, slots)) {
        return Vec::new();
    }
    let mut running: Vec<Vec<i128>> = sums.iter().map(|(lane, _)| cells(lane).to_vec()).collect();
    let mut refused = Vec::new();
    for (position, (row, slot)) in rows.iter().zip(slots).enumerate() {
        let next: Vec<i128> = (sums.iter().zip(&running))
            .map(|((_, input), cells)| cells[*slot as usize] + if input.takes(*row) { i128::from(input.longs()[*row as usize]) } else { 0 })
            .collect();
        if next.iter().all(|sum| i64::try_from(*sum).is_ok()) {
            running.iter_mut().zip(next).for_each(|(cells, sum)| cells[*slot as usize] = sum);
        } else {
            refused.push(position);
        }
    }
    refused
}

/// Whether the greatest sum touched plus everything added stays within 64 bits.
fn fits_surely(lane: &Lane, input: &Input<'_>, rows: &[u32], slots: &[u32]) -> bool {
    let (cells, longs) = (cells(lane), input.longs());
    if longs.is_empty() {
        return true;
    }
    let mut added: u128 = 0;
    let mut greatest: u128 = 0;
    for (row, slot) in rows.iter().zip(slots) {
        added += u128::from(longs[*row as usize].unsigned_abs());
        greatest = greatest.max(cells[*slot as usize].unsigned_abs());
    }
    added + greatest <= i64::MAX as u128
}

fn cells(lane: &Lane) -> &[i128] {
    match lane {
        Lane::SumLong(cells) => cells,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Column, Values};

    #[test]
    fn only_the_row_that_does_not_fit_is_refused() {
        let input = Input::of_columns(vec![Column::new(Values::BigInt(vec![i64::MAX, 1, -1, 1, i64::MIN]))]);
        let lane = Lane::SumLong(vec![0, 5]);
        assert_eq!(overflowing(&[(&lane, &input)], &[0, 1, 2, 3, 4], &[0, 0, 0, 0, 0]), [1]);
        assert_eq!(overflowing(&[(&lane, &input)], &[0, 1, 2], &[1, 0, 0]), [0]);
        assert!(overflowing(&[(&lane, &input)], &[1, 3], &[0, 1]).is_empty());
        assert!(overflowing(&[], &[0, 0], &[0, 0]).is_empty());
    }

    #[test]
    fn a_row_refused_by_one_sum_is_not_added_to_another() {
        let large = Input::of_columns(vec![Column::new(Values::BigInt(vec![i64::MAX, 1, 0]))]);
        let other = Input::of_columns(vec![Column::new(Values::BigInt(vec![0, i64::MAX, i64::MAX]))]);
        let (a, b) = (Lane::SumLong(vec![0]), Lane::SumLong(vec![0]));
        assert_eq!(overflowing(&[(&a, &large), (&b, &other)], &[0, 1, 2], &[0, 0, 0]), [1]);
    }
}
