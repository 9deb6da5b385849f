//! Which rows of its partition each row sees.

use std::cmp::Ordering;
use std::ops::Range;

use crate::batch::{Column, Values};
use crate::engine::chunk::Chunk;
use crate::engine::expr::compare::order_for_sort;
use crate::engine::expr::{Context, Selection};
use crate::plan::{Expr, Frame, FrameBound, SortKey};
use crate::types::{DataType, Value};

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The frames of one partition, and its peers: rows that the order does not tell apart.
pub(super) struct Frames<'a> {
    /// Rows of the held table, in order.
    pub rows: &'a [u32],
    /// For each row, the first and the end of its peers.
    peers: Vec<(u32, u32)>,
    rows_unit: bool,
    start: Bound,
    end: Bound,
    /// The ORDER BY values, greater ones later, where the frame measures them; `None` where NULL.
    keys: Vec<Option<Key>>,
}

/// A bound with its distance, negative before the current row.
#[derive(Clone, Copy)]
enum Bound {
    First,
    Last,
    /// The current row, in ROWS; its peers, in RANGE.
    Current,
    Rows(i64),
    Distance(Key),
}

/// What a distance is added to.
#[derive(Clone, Copy, Debug)]
enum Key {
    Whole(i64),
    Single(f32),
    Real(f64),
}

impl Key {
    fn plus(self, distance: Key) -> Key {
        match (self, distance) {
            (Key::Whole(a), Key::Whole(b)) => Key::Whole(a.saturating_add(b)),
            (Key::Single(a), Key::Single(b)) => Key::Single(a + b),
            (a, b) => Key::Real(a.real() + b.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Key::Whole(n) => n as f64,
            Key::Single(x) => f64::from(x),
            Key::Real(x) => x,
        }
    }

    fn order(self, other: Key) -> Ordering {
        match (self, other) {
            (Key::Whole(a), Key::Whole(b)) => a.cmp(&b),
            (a, b) => crate::engine::expr::compare::order_doubles(a.real(), b.real()),
        }
    }

    fn negated(self) -> Key {
        match self {
            Key::Whole(n) => Key::Whole(n.saturating_neg()),
            Key::Single(x) => Key::Single(-x),
            Key::Real(x) => Key::Real(-x),
        }
    }
}

/// How two rows of the held table stand by the sort keys.
pub(super) fn order(by: &[SortKey], columns: &[Column], a: u32, b: u32) -> Ordering {
    let compare = |(key, column): (&SortKey, &Column)| order_for_sort(column, a as usize, b as usize, key.descending, key.nulls_first);
    by.iter().zip(columns).map(compare).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl<'a> Frames<'a> {
    pub fn new(frame: &Frame, by: &[SortKey], columns: &[Column], rows: &'a [u32], context: &Context) -> Frames<'a> {
        let mut peers: Vec<(u32, u32)> = Vec::with_capacity(rows.len());
        let mut first = 0;
        for end in 1..=rows.len() {
            if end == rows.len() || order(by, columns, rows[end - 1], rows[end]).is_ne() {
                peers.resize(end, (first, end as u32));
                first = end as u32;
            }
        }
        let as_days = matches!(by.first().map(|key| &key.expr.data_type), Some(DataType::Date));
        let interval = |bound: &FrameBound| bound.distance().is_some_and(|distance| distance.data_type == DataType::Interval);
        let unit = if as_days && (interval(&frame.start) || interval(&frame.end)) { MICROS_PER_DAY } else { 1 };
        let bound = |bound: &FrameBound| bound_of(bound, frame.rows, unit, context);
        let (start, end) = (bound(&frame.start), bound(&frame.end));
        let measures = matches!(start, Bound::Distance(_)) || matches!(end, Bound::Distance(_));
        let keys = match (by.first(), columns.first()) {
            (Some(key), Some(column)) if measures => rows.iter().map(|row| key_of(column, *row as usize, unit, key.descending)).collect(),
            _ => Vec::new(),
        };
        Frames { rows, peers, rows_unit: frame.rows, start, end, keys }
    }

    /// The first of the row's peers, and their end.
    pub fn peers(&self, place: usize) -> Range<usize> {
        let (first, end) = self.peers[place];
        first as usize..end as usize
    }

    /// The places that the row at `place` sees.
    pub fn of(&self, place: usize) -> Range<usize> {
        let count = self.rows.len();
        let start = match self.start {
            Bound::First => 0,
            Bound::Last => count,
            Bound::Current if self.rows_unit => place,
            Bound::Current => self.peers(place).start,
            Bound::Rows(distance) => moved(place, distance, count),
            Bound::Distance(distance) => self.first_at(place, distance),
        };
        let end = match self.end {
            Bound::First => 0,
            Bound::Last => count,
            Bound::Current if self.rows_unit => place + 1,
            Bound::Current => self.peers(place).end,
            Bound::Rows(distance) => moved(place + 1, distance, count),
            Bound::Distance(distance) => self.end_at(place, distance),
        };
        start..end.max(start)
    }

    /// The first row whose value is not below this row's moved by `distance`; NULLs see their peers.
    fn first_at(&self, place: usize, distance: Key) -> usize {
        let Some(key) = self.keys[place] else { return self.peers(place).start };
        let wanted = key.plus(distance);
        let (from, to) = self.present();
        from + self.keys[from..to].partition_point(|key| key.is_some_and(|key| key.order(wanted).is_lt()))
    }

    fn end_at(&self, place: usize, distance: Key) -> usize {
        let Some(key) = self.keys[place] else { return self.peers(place).end };
        let wanted = key.plus(distance);
        let (from, to) = self.present();
        from + self.keys[from..to].partition_point(|key| key.is_some_and(|key| key.order(wanted).is_le()))
    }

    /// Where the values that are not NULL stand: NULLs are first or last.
    fn present(&self) -> (usize, usize) {
        let from = self.keys.iter().position(Option::is_some).unwrap_or(0);
        let to = self.keys.iter().rposition(Option::is_some).map_or(from, |last| last + 1);
        (from, to)
    }
}

fn moved(place: usize, distance: i64, count: usize) -> usize {
    (place as i64).saturating_add(distance).clamp(0, count as i64) as usize
}

fn bound_of(bound: &FrameBound, rows: bool, unit: i64, context: &Context) -> Bound {
    let constant = |distance: &Expr| {
        let nothing = Chunk::made(Vec::new(), 1);
        let value = nothing.evaluate(distance, &Selection::All(1), context).column.value(0);
        match value {
            Value::Int(n) => Key::Whole(i64::from(n).saturating_mul(unit)),
            Value::BigInt(n) => Key::Whole(n.saturating_mul(if distance.data_type == DataType::Interval { 1 } else { unit })),
            Value::Interval(micros) => Key::Whole(micros),
            Value::Float(x) => Key::Single(x),
            Value::Double(x) => Key::Real(x),
            _ => Key::Whole(0),
        }
    };
    let made = |distance: Key| match distance {
        Key::Whole(distance) if rows => Bound::Rows(distance),
        distance => Bound::Distance(distance),
    };
    match bound {
        FrameBound::UnboundedPreceding => Bound::First,
        FrameBound::UnboundedFollowing => Bound::Last,
        FrameBound::CurrentRow => Bound::Current,
        FrameBound::Preceding(distance) => made(constant(distance).negated()),
        FrameBound::Following(distance) => made(constant(distance)),
    }
}

/// The value as what a distance is added to: times and dates in the distance's unit; negated where it descends.
fn key_of(column: &Column, row: usize, unit: i64, descending: bool) -> Option<Key> {
    if column.is_null(row) {
        return None;
    }
    let key = match &column.values {
        Values::Int(v) => Key::Whole(i64::from(v[row])),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => Key::Whole(v[row]),
        Values::Date(v) => Key::Whole(i64::from(v[row]).saturating_mul(unit)),
        Values::Float(v) => Key::Single(v[row]),
        Values::Double(v) => Key::Real(v[row]),
        _ => return None,
    };
    Some(if descending { key.negated() } else { key })
}
