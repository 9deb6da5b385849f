//! Accumulators: one lane is one primitive aggregate of one input, as an array over the cells of a pane.
//!
//! `count(*)`, `avg(x)` and `sum(x)` share lanes: lane 0 of every pane counts rows; avg is a sum and a count. Formulas are Spark's:
//! sums of doubles in order of arrival, moments as in `CentralMomentAgg`. Sums of integers are kept in 128 bits, so that combining panes
//! cannot overflow; the operator holds each row's sum, and each result, to 64 bits.
//!
//! | module | job |
//! |---|---|
//! | `kind` | the kinds of lanes, what they need |
//! | `moments` | fixed state: variance, shape, joint moments |
//! | `cells` | cells of varying size, counted in bytes |
//! | `kept`, `list`, `set`, `tally` | values: one, all, different ones, how often each |
//! | `quantiles`, `registers`, `bias`, `histogram` | bounded sketches |
//! | `growth`, `stored` | what a row would add; cells as bytes |
//!
//! Invariant: a row's number in order of arrival (`first_arrival` + row) is above that of every row before it, so that what depends on
//! the order of arrival comes out of combined panes as out of one state.

mod bias;
mod cells;
mod growth;
mod histogram;
mod kept;
mod kind;
mod list;
mod moments;
mod quantiles;
mod registers;
mod set;
mod stored;
mod tally;
#[cfg(test)]
mod tests;

pub(super) use cells::Cells;
pub(super) use histogram::Histogram;
pub(super) use kept::{Keep, Kept};
pub(super) use kind::LaneKind;
pub(super) use list::List;
pub(super) use moments::{Comoments, Moments, Shape};
pub(super) use quantiles::{BATCH_BUFFER, Precision, Quantiles, STREAM_BUFFER};
pub(super) use registers::{Registers, precision_for};
pub(super) use set::Set;
pub(super) use stored::split_body;
pub(super) use tally::{Numbers, Tally};

use crate::batch::Column;
use crate::engine::hash::{SEED, fold_hash};
use crate::engine::input::Input;
use crate::engine::ordered::put_ordered;
use crate::engine::state_codec::put_bytes;
use crate::engine::value_codec::put_value;
use crate::sabotage::{Fault, planted};

/// A sum that has left 64 bits.
pub(super) const SUM_LOST: i128 = i128::MIN;

/// A lane's cells. Fresh cells of min and max hold the value that any input replaces.
#[derive(Clone, Debug)]
pub(super) enum Lane {
    Count(Vec<u64>),
    SumLong(Vec<i128>),
    SumTry(Vec<i128>),
    SumDouble(Vec<f64>),
    MinLong(Vec<i64>),
    MaxLong(Vec<i64>),
    MinDouble(Vec<f64>),
    MaxDouble(Vec<f64>),
    MinText(Texts),
    MaxText(Texts),
    Moments(Vec<Moments>),
    Shape(Vec<Shape>),
    Comoments(Vec<Comoments>),
    BitAnd(Vec<i64>),
    BitOr(Vec<i64>),
    BitXor(Vec<i64>),
    Kept(Keep, Cells<Kept>),
    List { ordered: bool, cells: Cells<List> },
    Set(Cells<Set>),
    Tally(Cells<Tally>),
    Numbers(Cells<Numbers>),
    Quantiles(Precision, Cells<Quantiles>),
    Registers(u8, Cells<Registers>),
    Histogram(u32, Cells<Histogram>),
}

/// Strings by cell, with the bytes that they take together.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub values: Vec<Option<Box<str>>>,
    pub bytes: usize,
}

impl Texts {
    fn offer(&mut self, slot: u32, text: &str, replaces: impl Fn(&str, &str) -> bool) {
        let value = &mut self.values[slot as usize];
        if value.as_ref().is_none_or(|old| replaces(text, old)) {
            self.bytes = self.bytes - value.as_ref().map_or(0, |old| old.len()) + text.len();
            *value = Some(text.into());
        }
    }
}

fn lower_text(new: &str, old: &str) -> bool {
    new < old
}

fn higher_text(new: &str, old: &str) -> bool {
    new > old
}

/// Spark's order: NaN is greatest, the first of equals stays. A fresh cell is NaN.
pub(super) fn lower(min: &mut f64, x: f64) {
    if x < *min || (min.is_nan() && !x.is_nan()) {
        *min = x;
    }
}

/// As [`lower`]. A fresh cell is -∞.
pub(super) fn raise(max: &mut f64, x: f64) {
    if x > *max || x.is_nan() {
        *max = x;
    }
}

/// Adds to a sum that may be given up.
fn add_or_lose(sum: &mut i128, x: i128) {
    if *sum != SUM_LOST {
        *sum = Some(*sum + x).filter(|sum| x != SUM_LOST && i64::try_from(*sum).is_ok()).unwrap_or(SUM_LOST);
    }
}

fn each<T: Copy, A>(cells: &mut [A], pairs: Pairs<'_>, values: &[T], mut apply: impl FnMut(&mut A, T)) {
    for (row, slot) in pairs.rows.iter().zip(pairs.slots) {
        apply(&mut cells[*slot as usize], values[*row as usize]);
    }
}

fn merge_each<T>(into: &mut [T], slots: &[u32], from: &[T], from_slots: &[u32], apply: impl Fn(&mut T, &T)) {
    for (slot, from_slot) in slots.iter().zip(from_slots) {
        apply(&mut into[*slot as usize], &from[*from_slot as usize]);
    }
}

fn merge_texts(into: &mut Texts, slots: &[u32], from: &Texts, from_slots: &[u32], replaces: impl Fn(&str, &str) -> bool + Copy) {
    for (slot, from_slot) in slots.iter().zip(from_slots) {
        if let Some(text) = &from.values[*from_slot as usize] {
            into.offer(*slot, text, replaces);
        }
    }
}

/// Rows and the cells that they go to, in step.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'a> {
    pub rows: &'a [u32],
    pub slots: &'a [u32],
    /// Row r is number `first_arrival + r` in order of arrival.
    pub first_arrival: u64,
}

impl Pairs<'_> {
    /// Row and cell of each, and the row's number.
    fn each(&self) -> impl Iterator<Item = (usize, u32, u64)> + '_ {
        self.rows.iter().zip(self.slots).map(|(row, slot)| (*row as usize, *slot, self.first_arrival + u64::from(*row)))
    }
}

impl Lane {
    pub fn new(kind: LaneKind) -> Lane {
        match kind {
            LaneKind::Count => Lane::Count(Vec::new()),
            LaneKind::SumLong => Lane::SumLong(Vec::new()),
            LaneKind::SumTry => Lane::SumTry(Vec::new()),
            LaneKind::SumDouble => Lane::SumDouble(Vec::new()),
            LaneKind::MinLong => Lane::MinLong(Vec::new()),
            LaneKind::MaxLong => Lane::MaxLong(Vec::new()),
            LaneKind::MinDouble => Lane::MinDouble(Vec::new()),
            LaneKind::MaxDouble => Lane::MaxDouble(Vec::new()),
            LaneKind::MinText => Lane::MinText(Texts::default()),
            LaneKind::MaxText => Lane::MaxText(Texts::default()),
            LaneKind::Moments => Lane::Moments(Vec::new()),
            LaneKind::Shape => Lane::Shape(Vec::new()),
            LaneKind::Comoments => Lane::Comoments(Vec::new()),
            LaneKind::BitAnd => Lane::BitAnd(Vec::new()),
            LaneKind::BitOr => Lane::BitOr(Vec::new()),
            LaneKind::BitXor => Lane::BitXor(Vec::new()),
            LaneKind::Kept { keep, .. } => Lane::Kept(keep, Cells::default()),
            LaneKind::List { ordered, .. } => Lane::List { ordered, cells: Cells::default() },
            LaneKind::Set { .. } => Lane::Set(Cells::default()),
            LaneKind::Tally => Lane::Tally(Cells::default()),
            LaneKind::Numbers => Lane::Numbers(Cells::default()),
            LaneKind::Quantiles(precision) => Lane::Quantiles(precision, Cells::default()),
            LaneKind::Registers(precision) => Lane::Registers(precision, Cells::default()),
            LaneKind::Histogram(bins) => Lane::Histogram(bins, Cells::default()),
        }
    }

    /// Grows to `cells` cells, the new ones fresh.
    pub fn grow(&mut self, cells: usize) {
        match self {
            Lane::Count(v) => v.resize(cells, 0),
            Lane::SumLong(v) | Lane::SumTry(v) => v.resize(cells, 0),
            Lane::SumDouble(v) => v.resize(cells, 0.0),
            Lane::MinLong(v) => v.resize(cells, i64::MAX),
            Lane::MaxLong(v) => v.resize(cells, i64::MIN),
            Lane::MinDouble(v) => v.resize(cells, f64::NAN),
            Lane::MaxDouble(v) => v.resize(cells, f64::NEG_INFINITY),
            Lane::MinText(v) | Lane::MaxText(v) => v.values.resize(cells, None),
            Lane::Moments(v) => v.resize(cells, Moments::default()),
            Lane::Shape(v) => v.resize(cells, Shape::default()),
            Lane::Comoments(v) => v.resize(cells, Comoments::default()),
            Lane::BitAnd(v) => v.resize(cells, -1),
            Lane::BitOr(v) | Lane::BitXor(v) => v.resize(cells, 0),
            Lane::Kept(_, v) => v.grow(cells),
            Lane::List { cells: v, .. } => v.grow(cells),
            Lane::Set(v) => v.grow(cells),
            Lane::Tally(v) => v.grow(cells),
            Lane::Numbers(v) => v.grow(cells),
            Lane::Quantiles(_, v) => v.grow(cells),
            Lane::Registers(_, v) => v.grow(cells),
            Lane::Histogram(_, v) => v.grow(cells),
        }
    }

    /// Forgets all cells, keeps their memory.
    pub fn clear(&mut self) {
        match self {
            Lane::Count(v) => v.clear(),
            Lane::SumLong(v) | Lane::SumTry(v) => v.clear(),
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => v.clear(),
            Lane::MinLong(v) | Lane::MaxLong(v) | Lane::BitAnd(v) | Lane::BitOr(v) | Lane::BitXor(v) => v.clear(),
            Lane::MinText(v) | Lane::MaxText(v) => *v = Texts::default(),
            Lane::Moments(v) => v.clear(),
            Lane::Shape(v) => v.clear(),
            Lane::Comoments(v) => v.clear(),
            Lane::Kept(_, v) => v.clear(),
            Lane::List { cells: v, .. } => v.clear(),
            Lane::Set(v) => v.clear(),
            Lane::Tally(v) => v.clear(),
            Lane::Numbers(v) => v.clear(),
            Lane::Quantiles(_, v) => v.clear(),
            Lane::Registers(_, v) => v.clear(),
            Lane::Histogram(_, v) => v.clear(),
        }
    }

    /// Takes the input's entries of `pairs.rows`, none of them NULL unless the kind takes NULLs. Sums of integers are known to fit.
    pub fn update(&mut self, pairs: Pairs<'_>, input: &Input<'_>) {
        match self {
            Lane::Count(v) => pairs.slots.iter().for_each(|slot| v[*slot as usize] += 1),
            Lane::SumLong(v) => each(v, pairs, input.longs(), |sum, x| *sum += i128::from(x)),
            Lane::SumTry(v) => each(v, pairs, input.longs(), |sum, x| add_or_lose(sum, i128::from(x))),
            Lane::SumDouble(v) => each(v, pairs, input.doubles(), |sum, x| *sum += x),
            Lane::MinLong(v) => each(v, pairs, input.longs(), |min, x| *min = x.min(*min)),
            Lane::MaxLong(v) => each(v, pairs, input.longs(), |max, x| *max = x.max(*max)),
            Lane::MinDouble(v) => each(v, pairs, input.doubles(), lower),
            Lane::MaxDouble(v) => each(v, pairs, input.doubles(), raise),
            Lane::MinText(v) => offer_texts(v, pairs, input.column(), lower_text),
            Lane::MaxText(v) => offer_texts(v, pairs, input.column(), higher_text),
            Lane::Moments(v) => each(v, pairs, input.doubles(), Moments::add),
            Lane::Shape(v) => each(v, pairs, input.doubles(), Shape::add),
            Lane::Comoments(v) => {
                let (xs, ys) = (input.doubles(), input.second_doubles());
                pairs.each().for_each(|(row, slot, _)| v[slot as usize].add(xs[row], ys[row]));
            }
            Lane::BitAnd(v) => each(v, pairs, input.longs(), |bits, x| *bits &= x),
            Lane::BitOr(v) => each(v, pairs, input.longs(), |bits, x| *bits |= x),
            Lane::BitXor(v) => each(v, pairs, input.longs(), |bits, x| *bits ^= x),
            loose => loose.update_loose(pairs, input),
        }
    }

    fn update_loose(&mut self, pairs: Pairs<'_>, input: &Input<'_>) {
        let mut scratch = Vec::new();
        match self {
            Lane::Kept(keep, cells) => {
                let value = input.second().unwrap_or(input.column());
                for (row, slot, arrival) in pairs.each() {
                    cells.change(slot, |cell| cell.offer(*keep, arrival, value, input.column(), row, &mut scratch));
                }
            }
            Lane::List { ordered, cells } => {
                for (row, slot, arrival) in pairs.each() {
                    scratch.clear();
                    if *ordered {
                        put_bytes(&mut scratch, &input.sort_key(row));
                    }
                    put_value(&mut scratch, input.column(), row);
                    cells.change(slot, |cell| cell.push(arrival, &scratch));
                }
            }
            Lane::Set(cells) => {
                for (row, slot, arrival) in pairs.each() {
                    scratch.clear();
                    input.put_keys(&mut scratch, row);
                    cells.change(slot, |cell| cell.insert(arrival, &scratch));
                }
            }
            Lane::Tally(cells) => {
                let mut value = Vec::new();
                for (row, slot, _) in pairs.each() {
                    scratch.clear();
                    value.clear();
                    put_ordered(&mut scratch, input.column(), row);
                    put_value(&mut value, input.column(), row);
                    cells.change(slot, |cell| cell.add(&scratch, &value, 1));
                }
            }
            Lane::Numbers(cells) => {
                let (numbers, counts) = (input.doubles(), input.second_longs());
                for (row, slot, _) in pairs.each() {
                    // Negative ones are refused before.
                    let count = counts.map_or(1, |counts| counts[row].max(0) as u64);
                    if count > 0 {
                        cells.change(slot, |cell| cell.add(numbers[row], count));
                    }
                }
            }
            Lane::Quantiles(precision, cells) => {
                let numbers = input.doubles();
                pairs.each().for_each(|(row, slot, _)| cells.change(slot, |cell| cell.add(numbers[row], *precision)));
            }
            Lane::Registers(precision, cells) => {
                let column = input.column();
                for (row, slot, _) in pairs.each() {
                    cells.change(slot, |cell| cell.add(fold_hash(SEED, column, row), *precision));
                }
            }
            Lane::Histogram(bins, cells) => {
                let numbers = input.doubles();
                pairs.each().for_each(|(row, slot, _)| cells.change(slot, |cell| cell.add(numbers[row], *bins as usize)));
            }
            _ => debug_assert!(false, "a lane of fixed width is updated elsewhere"),
        }
    }

    /// Combines cells `from_slots` of `from` into cells `slots`, as if its rows came after, or between where arrival is numbered. Lanes of
    /// different kinds are left alone.
    pub fn merge(&mut self, slots: &[u32], from: &Lane, from_slots: &[u32]) {
        match (self, from) {
            (Lane::Count(a), Lane::Count(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::SumLong(a), Lane::SumLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::SumTry(a), Lane::SumTry(b)) => merge_each(a, slots, b, from_slots, |a, b| add_or_lose(a, *b)),
            (Lane::SumDouble(a), Lane::SumDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::MinLong(a), Lane::MinLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a = *b.min(a)),
            (Lane::MaxLong(a), Lane::MaxLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a = *b.max(a)),
            (Lane::MinDouble(a), Lane::MinDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| lower(a, *b)),
            (Lane::MaxDouble(a), Lane::MaxDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| raise(a, *b)),
            (Lane::MinText(a), Lane::MinText(b)) => merge_texts(a, slots, b, from_slots, lower_text),
            (Lane::MaxText(a), Lane::MaxText(b)) => merge_texts(a, slots, b, from_slots, higher_text),
            (Lane::Moments(a), Lane::Moments(b)) => merge_each(a, slots, b, from_slots, Moments::merge),
            (Lane::Shape(a), Lane::Shape(b)) => merge_each(a, slots, b, from_slots, Shape::merge),
            (Lane::Comoments(a), Lane::Comoments(b)) => merge_each(a, slots, b, from_slots, Comoments::merge),
            (Lane::BitAnd(a), Lane::BitAnd(b)) => merge_each(a, slots, b, from_slots, |a, b| *a &= b),
            (Lane::BitOr(a), Lane::BitOr(b)) => merge_each(a, slots, b, from_slots, |a, b| *a |= b),
            (Lane::BitXor(a), Lane::BitXor(b)) => merge_each(a, slots, b, from_slots, |a, b| *a ^= b),
            (Lane::Kept(keep, a), Lane::Kept(_, b)) => a.merge(slots, b, from_slots, |a, b| a.merge(*keep, b)),
            (Lane::List { cells: a, .. }, Lane::List { cells: b, .. }) => a.merge(slots, b, from_slots, List::merge),
            (Lane::Set(a), Lane::Set(b)) => a.merge(slots, b, from_slots, Set::merge),
            (Lane::Tally(a), Lane::Tally(b)) => a.merge(slots, b, from_slots, Tally::merge),
            (Lane::Numbers(a), Lane::Numbers(b)) => a.merge(slots, b, from_slots, Numbers::merge),
            (Lane::Quantiles(precision, a), Lane::Quantiles(_, b)) => a.merge(slots, b, from_slots, |a, b| a.merge(b, *precision)),
            (Lane::Registers(precision, a), Lane::Registers(_, b)) => a.merge(slots, b, from_slots, |a, b| a.merge(b, *precision)),
            (Lane::Histogram(bins, a), Lane::Histogram(_, b)) => a.merge(slots, b, from_slots, |a, b| a.merge(b, *bins as usize)),
            _ => debug_assert!(false, "panes of one operator have the same lanes"),
        }
    }

    /// Removes a cell; the last one takes its place.
    pub fn swap_remove(&mut self, slot: u32) {
        let slot = slot as usize;
        match self {
            Lane::Count(v) => drop(v.swap_remove(slot)),
            Lane::SumLong(v) | Lane::SumTry(v) => drop(v.swap_remove(slot)),
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => drop(v.swap_remove(slot)),
            Lane::MinLong(v) | Lane::MaxLong(v) | Lane::BitAnd(v) | Lane::BitOr(v) | Lane::BitXor(v) => drop(v.swap_remove(slot)),
            Lane::MinText(v) | Lane::MaxText(v) => v.bytes -= v.values.swap_remove(slot).map_or(0, |text| text.len()),
            Lane::Moments(v) => drop(v.swap_remove(slot)),
            Lane::Shape(v) => drop(v.swap_remove(slot)),
            Lane::Comoments(v) => drop(v.swap_remove(slot)),
            Lane::Kept(_, v) => v.swap_remove(slot),
            Lane::List { cells: v, .. } => v.swap_remove(slot),
            Lane::Set(v) => v.swap_remove(slot),
            Lane::Tally(v) => v.swap_remove(slot),
            Lane::Numbers(v) => v.swap_remove(slot),
            Lane::Quantiles(_, v) => v.swap_remove(slot),
            Lane::Registers(_, v) => v.swap_remove(slot),
            Lane::Histogram(_, v) => v.swap_remove(slot),
        }
    }

    /// Undoes an earlier merge of an exact lane; other lanes are left alone.
    pub fn retract(&mut self, slots: &[u32], from: &Lane, from_slots: &[u32]) {
        match (self, from) {
            (Lane::Count(a), Lane::Count(b)) => merge_each(a, slots, b, from_slots, |a, b| *a -= b),
            (Lane::SumLong(_), Lane::SumLong(_)) if planted(Fault::KeptSum) => {}
            (Lane::SumLong(a), Lane::SumLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a -= b),
            _ => {}
        }
    }

    /// Memory that does not follow from the number of cells.
    pub fn loose_bytes(&self) -> usize {
        match self {
            Lane::MinText(v) | Lane::MaxText(v) => v.bytes,
            Lane::Kept(_, v) => v.bytes(),
            Lane::List { cells: v, .. } => v.bytes(),
            Lane::Set(v) => v.bytes(),
            Lane::Tally(v) => v.bytes(),
            Lane::Numbers(v) => v.bytes(),
            Lane::Quantiles(_, v) => v.bytes(),
            Lane::Registers(_, v) => v.bytes(),
            Lane::Histogram(_, v) => v.bytes(),
            _ => 0,
        }
    }
}

fn offer_texts(texts: &mut Texts, pairs: Pairs<'_>, column: &Column, replaces: impl Fn(&str, &str) -> bool + Copy) {
    for (row, slot) in pairs.rows.iter().zip(pairs.slots) {
        if let Some(text) = column.text(*row as usize) {
            texts.offer(*slot, text, replaces);
        }
    }
}
