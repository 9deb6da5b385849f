//! Accumulators: one lane is one primitive aggregate of one input, as an array over the cells of a pane.
//!
//! `count(*)`, `avg(x)` and `sum(x)` share lanes: lane 0 of every pane counts rows; avg is a sum and a count. Formulas are Spark's:
//! sums of doubles in order of arrival, moments as in `CentralMomentAgg`. Sums of integers are kept in 128 bits, so that combining panes
//! cannot overflow; the operator holds each row's sum, and each result, to 64 bits.
//!
//! Limits: DISTINCT keeps all values of a group and is for batch queries only; it is never stored.

use std::collections::BTreeSet;

use crate::batch::Column;
use crate::engine::input::Input;
use crate::engine::key_codec::put_key;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_signed, put_varint, put_wide};

/// What a lane accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneKind {
    Count,
    SumLong,
    SumDouble,
    MinLong,
    MaxLong,
    MinDouble,
    MaxDouble,
    MinText,
    MaxText,
    Moments,
    Distinct,
}

/// Count, mean and sum of squared deviations: Spark's buffers for stddev and variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub count: f64,
    pub mean: f64,
    pub m2: f64,
}

impl Moments {
    pub fn add(&mut self, x: f64) {
        self.count += 1.0;
        let delta = x - self.mean;
        let delta_n = delta / self.count;
        self.mean += delta_n;
        self.m2 += delta * (delta - delta_n);
    }

    fn merge(&mut self, other: &Moments) {
        let count = self.count + other.count;
        let delta = other.mean - self.mean;
        let delta_n = if count == 0.0 { 0.0 } else { delta / count };
        self.m2 = self.m2 + other.m2 + delta * delta_n * self.count * other.count;
        self.mean += delta_n * other.count;
        self.count = count;
    }
}

/// A lane's cells. Fresh cells of min and max hold the value that any input replaces.
#[derive(Clone, Debug)]
pub(super) enum Lane {
    Count(Vec<u64>),
    SumLong(Vec<i128>),
    SumDouble(Vec<f64>),
    MinLong(Vec<i64>),
    MaxLong(Vec<i64>),
    MinDouble(Vec<f64>),
    MaxDouble(Vec<f64>),
    MinText(Texts),
    MaxText(Texts),
    Moments(Vec<Moments>),
    Distinct(Vec<BTreeSet<Box<[u8]>>>),
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
fn lower(min: &mut f64, x: f64) {
    if x < *min || (min.is_nan() && !x.is_nan()) {
        *min = x;
    }
}

/// As [`lower`]. A fresh cell is -∞.
fn raise(max: &mut f64, x: f64) {
    if x > *max || x.is_nan() {
        *max = x;
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
}

impl Lane {
    pub fn new(kind: LaneKind) -> Lane {
        match kind {
            LaneKind::Count => Lane::Count(Vec::new()),
            LaneKind::SumLong => Lane::SumLong(Vec::new()),
            LaneKind::SumDouble => Lane::SumDouble(Vec::new()),
            LaneKind::MinLong => Lane::MinLong(Vec::new()),
            LaneKind::MaxLong => Lane::MaxLong(Vec::new()),
            LaneKind::MinDouble => Lane::MinDouble(Vec::new()),
            LaneKind::MaxDouble => Lane::MaxDouble(Vec::new()),
            LaneKind::MinText => Lane::MinText(Texts::default()),
            LaneKind::MaxText => Lane::MaxText(Texts::default()),
            LaneKind::Moments => Lane::Moments(Vec::new()),
            LaneKind::Distinct => Lane::Distinct(Vec::new()),
        }
    }

    /// Grows to `cells` cells, the new ones fresh.
    pub fn grow(&mut self, cells: usize) {
        match self {
            Lane::Count(v) => v.resize(cells, 0),
            Lane::SumLong(v) => v.resize(cells, 0),
            Lane::SumDouble(v) => v.resize(cells, 0.0),
            Lane::MinLong(v) => v.resize(cells, i64::MAX),
            Lane::MaxLong(v) => v.resize(cells, i64::MIN),
            Lane::MinDouble(v) => v.resize(cells, f64::NAN),
            Lane::MaxDouble(v) => v.resize(cells, f64::NEG_INFINITY),
            Lane::MinText(v) | Lane::MaxText(v) => v.values.resize(cells, None),
            Lane::Moments(v) => v.resize(cells, Moments::default()),
            Lane::Distinct(v) => v.resize(cells, BTreeSet::new()),
        }
    }

    /// Forgets all cells, keeps their memory.
    pub fn clear(&mut self) {
        match self {
            Lane::Count(v) => v.clear(),
            Lane::SumLong(v) => v.clear(),
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => v.clear(),
            Lane::MinLong(v) | Lane::MaxLong(v) => v.clear(),
            Lane::MinText(v) | Lane::MaxText(v) => *v = Texts::default(),
            Lane::Moments(v) => v.clear(),
            Lane::Distinct(v) => v.clear(),
        }
    }

    /// Takes the input's entries of `pairs.rows`, none of them NULL. Sums of integers are known to fit.
    pub fn update(&mut self, pairs: Pairs<'_>, input: &Input<'_>) {
        match self {
            Lane::Count(v) => pairs.slots.iter().for_each(|slot| v[*slot as usize] += 1),
            Lane::SumLong(v) => each(v, pairs, input.longs(), |sum, x| *sum += i128::from(x)),
            Lane::SumDouble(v) => each(v, pairs, input.doubles(), |sum, x| *sum += x),
            Lane::MinLong(v) => each(v, pairs, input.longs(), |min, x| *min = x.min(*min)),
            Lane::MaxLong(v) => each(v, pairs, input.longs(), |max, x| *max = x.max(*max)),
            Lane::MinDouble(v) => each(v, pairs, input.doubles(), lower),
            Lane::MaxDouble(v) => each(v, pairs, input.doubles(), raise),
            Lane::MinText(v) => offer_texts(v, pairs, input.column(), lower_text),
            Lane::MaxText(v) => offer_texts(v, pairs, input.column(), higher_text),
            Lane::Moments(v) => each(v, pairs, input.doubles(), Moments::add),
            Lane::Distinct(v) => {
                for (row, slot) in pairs.rows.iter().zip(pairs.slots) {
                    let mut bytes = Vec::new();
                    put_key(&mut bytes, input.column(), *row as usize);
                    v[*slot as usize].insert(bytes.into());
                }
            }
        }
    }

    /// Combines cells `from_slots` of `from` into cells `slots`, as if its rows came after. Lanes of different kinds are left alone.
    pub fn merge(&mut self, slots: &[u32], from: &Lane, from_slots: &[u32]) {
        match (self, from) {
            (Lane::Count(a), Lane::Count(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::SumLong(a), Lane::SumLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::SumDouble(a), Lane::SumDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| *a += b),
            (Lane::MinLong(a), Lane::MinLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a = *b.min(a)),
            (Lane::MaxLong(a), Lane::MaxLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a = *b.max(a)),
            (Lane::MinDouble(a), Lane::MinDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| lower(a, *b)),
            (Lane::MaxDouble(a), Lane::MaxDouble(b)) => merge_each(a, slots, b, from_slots, |a, b| raise(a, *b)),
            (Lane::MinText(a), Lane::MinText(b)) => merge_texts(a, slots, b, from_slots, lower_text),
            (Lane::MaxText(a), Lane::MaxText(b)) => merge_texts(a, slots, b, from_slots, higher_text),
            (Lane::Moments(a), Lane::Moments(b)) => merge_each(a, slots, b, from_slots, Moments::merge),
            (Lane::Distinct(a), Lane::Distinct(b)) => merge_each(a, slots, b, from_slots, |a, b| a.extend(b.iter().cloned())),
            _ => debug_assert!(false, "panes of one operator have the same lanes"),
        }
    }

    /// Removes a cell; the last one takes its place.
    pub fn swap_remove(&mut self, slot: u32) {
        let slot = slot as usize;
        match self {
            Lane::Count(v) => drop(v.swap_remove(slot)),
            Lane::SumLong(v) => drop(v.swap_remove(slot)),
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => drop(v.swap_remove(slot)),
            Lane::MinLong(v) | Lane::MaxLong(v) => drop(v.swap_remove(slot)),
            Lane::MinText(v) | Lane::MaxText(v) => v.bytes -= v.values.swap_remove(slot).map_or(0, |text| text.len()),
            Lane::Moments(v) => drop(v.swap_remove(slot)),
            Lane::Distinct(v) => drop(v.swap_remove(slot)),
        }
    }

    /// Undoes an earlier merge of an exact lane; other lanes are left alone.
    pub fn retract(&mut self, slots: &[u32], from: &Lane, from_slots: &[u32]) {
        match (self, from) {
            (Lane::Count(a), Lane::Count(b)) => merge_each(a, slots, b, from_slots, |a, b| *a -= b),
            (Lane::SumLong(a), Lane::SumLong(b)) => merge_each(a, slots, b, from_slots, |a, b| *a -= b),
            _ => {}
        }
    }

    /// Memory that does not follow from the number of cells.
    pub fn loose_bytes(&self) -> usize {
        match self {
            Lane::MinText(v) | Lane::MaxText(v) => v.bytes,
            _ => 0,
        }
    }

    /// Appends a cell. `rows`: the count of the cell's rows, from which other counts differ little.
    pub fn put_cell(&self, slot: u32, rows: u64, out: &mut Vec<u8>) {
        let slot = slot as usize;
        match self {
            Lane::Count(v) => put_varint(out, rows - v[slot]),
            // Within 64 bits in panes; sessions that were joined may be beyond.
            Lane::SumLong(v) => put_wide(out, v[slot]),
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => out.extend_from_slice(&v[slot].to_le_bytes()),
            Lane::MinLong(v) | Lane::MaxLong(v) => put_signed(out, v[slot]),
            Lane::MinText(v) | Lane::MaxText(v) => match &v.values[slot] {
                None => out.push(0),
                Some(text) => {
                    out.push(1);
                    put_bytes(out, text.as_bytes());
                }
            },
            Lane::Moments(v) => {
                [v[slot].count, v[slot].mean, v[slot].m2].iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
            }
            Lane::Distinct(_) => {}
        }
    }

    /// Reads what [`Lane::put_cell`] wrote into the last cell.
    pub fn read_last_cell(&mut self, reader: &mut Reader<'_>, rows: u64) -> Result<(), Malformed> {
        const CELL: &str = "a lane has the cell that is read";
        match self {
            Lane::Count(v) => {
                *v.last_mut().expect(CELL) = rows.checked_sub(reader.varint()?).ok_or(Malformed("a count is negative"))?;
            }
            Lane::SumLong(v) => *v.last_mut().expect(CELL) = reader.wide()?,
            Lane::SumDouble(v) | Lane::MinDouble(v) | Lane::MaxDouble(v) => {
                *v.last_mut().expect(CELL) = f64::from_le_bytes(reader.fixed()?);
            }
            Lane::MinLong(v) | Lane::MaxLong(v) => *v.last_mut().expect(CELL) = reader.signed()?,
            Lane::MinText(v) | Lane::MaxText(v) => {
                if reader.byte()? != 0 {
                    let text = reader.text()?;
                    v.bytes += text.len();
                    *v.values.last_mut().expect(CELL) = Some(text.into());
                }
            }
            Lane::Moments(v) => {
                let [count, mean, m2] = [reader.fixed()?, reader.fixed()?, reader.fixed()?].map(f64::from_le_bytes);
                *v.last_mut().expect(CELL) = Moments { count, mean, m2 };
            }
            Lane::Distinct(_) => return Err(Malformed("DISTINCT is not stored")),
        }
        Ok(())
    }
}

fn offer_texts(texts: &mut Texts, pairs: Pairs<'_>, column: &Column, replaces: impl Fn(&str, &str) -> bool + Copy) {
    for (row, slot) in pairs.rows.iter().zip(pairs.slots) {
        if let Some(text) = column.text(*row as usize) {
            texts.offer(*slot, text, replaces);
        }
    }
}

impl LaneKind {
    /// Bytes of one cell in memory.
    pub fn cell_bytes(self) -> usize {
        match self {
            LaneKind::SumLong | LaneKind::MinText | LaneKind::MaxText => 16,
            LaneKind::Moments | LaneKind::Distinct => 24,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(kind: LaneKind, groups: &[&[f64]]) -> Lane {
        let mut lane = Lane::new(kind);
        lane.grow(groups.len());
        for (slot, group) in groups.iter().enumerate() {
            let input = Input::of_doubles(group);
            let rows: Vec<u32> = (0..group.len() as u32).collect();
            lane.update(Pairs { rows: &rows, slots: &vec![slot as u32; rows.len()] }, &input);
        }
        lane
    }

    #[test]
    fn extremes_follow_sparks_order() {
        let nan = f64::NAN;
        let groups: [&[f64]; 4] = [&[nan, 1.0], &[nan], &[f64::NEG_INFINITY, f64::INFINITY], &[0.0, -0.0]];
        let (Lane::MinDouble(min), Lane::MaxDouble(max)) = (filled(LaneKind::MinDouble, &groups), filled(LaneKind::MaxDouble, &groups))
        else {
            panic!()
        };
        assert_eq!((min[0], max[0].is_nan(), min[1].is_nan(), max[1].is_nan()), (1.0, true, true, true));
        assert_eq!((min[2], max[2]), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(min[3].is_sign_positive() && max[3].is_sign_positive());
    }

    #[test]
    fn moments_merge_as_if_the_rows_came_together() {
        let mut left = filled(LaneKind::Moments, &[&[1.0, 2.0, 4.0]]);
        left.merge(&[0], &filled(LaneKind::Moments, &[&[8.0, 16.0]]), &[0]);
        let Lane::Moments(cells) = left else { panic!() };
        assert!((cells[0].m2 - 148.8).abs() < 1e-9 && (cells[0].mean - 6.2).abs() < 1e-12);
    }

    #[test]
    fn cells_come_back_from_bytes() {
        for kind in [LaneKind::Count, LaneKind::SumDouble, LaneKind::MinDouble, LaneKind::MaxDouble, LaneKind::Moments] {
            let lane = filled(kind, &[&[1.5, f64::NAN], &[-0.0]]);
            for slot in 0..2 {
                let (mut out, mut again) = (Vec::new(), Vec::new());
                lane.put_cell(slot, 3, &mut out);
                let mut copy = Lane::new(kind);
                copy.grow(1);
                let mut reader = Reader::new(&out);
                copy.read_last_cell(&mut reader, 3).unwrap();
                reader.end().unwrap();
                copy.put_cell(0, 3, &mut again);
                assert_eq!(out, again);
            }
        }
    }
}
