//! The arguments of aggregates for one batch: their values as the lanes want them, and which rows take part.

use std::borrow::Cow;

use crate::batch::{Column, Values};
use crate::engine::expr::Selection;
use crate::engine::key_codec::put_key;
use crate::engine::ordered::put_sort_key;
use crate::engine::value_codec::value_len;

/// How a further column sorts, where it is part of a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Direction {
    pub descending: bool,
    pub nulls_first: bool,
}

/// What lanes ask of an input.
#[derive(Clone, Debug, Default)]
pub(super) struct Needs {
    /// The first column as 64-bit integers, as doubles.
    pub longs: bool,
    pub doubles: bool,
    /// Rows with a NULL in any column do not take part; else those with one in the first.
    pub all_present: bool,
    /// The columns after the first are a sort key.
    pub order: Vec<Direction>,
}

/// Evaluated arguments; the first decides which rows take part.
pub(super) struct Input<'a> {
    first: Cow<'a, Column>,
    further: Vec<Cow<'a, Column>>,
    /// The first column's values as 64-bit integers or as doubles where they are of another width and a lane needs them.
    longs: Option<Vec<i64>>,
    doubles: Option<Vec<f64>>,
    /// Rows that passed the FILTER clause, by row; `None`: all.
    passed: Option<Vec<bool>>,
    all_present: bool,
    order: Vec<Direction>,
}

impl<'a> Input<'a> {
    /// `passed`: the rows that the FILTER clause lets through.
    pub fn new(first: Cow<'a, Column>, further: Vec<Cow<'a, Column>>, needs: &Needs, passed: Option<&Selection>) -> Input<'a> {
        let longs = if needs.longs { to_longs(&first.values) } else { None };
        let doubles = if needs.doubles { to_doubles(&first.values) } else { None };
        let passed = passed.map(|selection| {
            let mut flags = vec![false; first.len()];
            selection.iter().for_each(|row| flags[row as usize] = true);
            flags
        });
        Input { first, further, longs, doubles, passed, all_present: needs.all_present, order: needs.order.clone() }
    }

    #[cfg(test)]
    pub fn of_columns(mut columns: Vec<Column>) -> Input<'static> {
        static NEEDS: Needs = Needs { longs: true, doubles: true, all_present: false, order: Vec::new() };
        let first = columns.remove(0);
        Input::new(Cow::Owned(first), columns.into_iter().map(Cow::Owned).collect(), &NEEDS, None)
    }

    #[cfg(test)]
    pub fn of_doubles(values: &[f64]) -> Input<'static> {
        Input::of_columns(vec![Column::new(Values::Double(values.to_vec()))])
    }

    pub fn column(&self) -> &Column {
        &self.first
    }

    pub fn second(&self) -> Option<&Column> {
        self.further.first().map(|column| &**column)
    }

    /// Empty where the column is no integer, time, interval or boolean.
    pub fn longs(&self) -> &[i64] {
        match (&self.longs, &self.first.values) {
            (Some(longs), _) => longs,
            (None, Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v)) => v,
            _ => &[],
        }
    }

    /// Empty where the column is no number.
    pub fn doubles(&self) -> &[f64] {
        match (&self.doubles, &self.first.values) {
            (Some(doubles), _) => doubles,
            (None, Values::Double(v)) => v,
            _ => &[],
        }
    }

    /// Empty where the second column is not DOUBLE.
    pub fn second_doubles(&self) -> &[f64] {
        match self.second().map(|column| &column.values) {
            Some(Values::Double(v)) => v,
            _ => &[],
        }
    }

    /// The second column, if there is one; it is BIGINT.
    pub fn second_longs(&self) -> Option<&[i64]> {
        match self.second().map(|column| &column.values) {
            Some(Values::BigInt(v)) => Some(v),
            Some(_) => Some(&[]),
            None => None,
        }
    }

    /// The further columns as bytes in the order asked for.
    pub fn sort_key(&self, row: usize) -> Vec<u8> {
        let mut key = Vec::new();
        for (column, direction) in self.further.iter().zip(&self.order) {
            put_sort_key(&mut key, column, row, direction.descending, direction.nulls_first);
        }
        key
    }

    /// Appends all columns as group keys.
    pub fn put_keys(&self, out: &mut Vec<u8>, row: usize) {
        put_key(out, &self.first, row);
        self.further.iter().for_each(|column| put_key(out, column, row));
    }

    /// As [`Input::kept_len`], where a single column may be both key and value.
    pub fn twice_len(&self, row: usize) -> usize {
        self.kept_len(row) * if self.further.is_empty() { 2 } else { 1 }
    }

    /// At most how many bytes the row's columns take.
    pub fn kept_len(&self, row: usize) -> usize {
        value_len(&self.first, row) + self.further.iter().map(|column| value_len(column, row)).sum::<usize>()
    }

    /// Whether some column's values differ in length.
    pub fn varies(&self) -> bool {
        std::iter::once(&self.first).chain(&self.further).any(|column| {
            use Values as V;
            matches!(column.values, V::String(_) | V::Dict(_) | V::Binary(_) | V::Struct(_) | V::List(_) | V::Map(_))
        })
    }

    /// Whether every row takes part.
    pub fn complete(&self) -> bool {
        let full = |column: &Column| column.valid.is_none() && !matches!(column.values, Values::Null(_));
        self.passed.is_none() && full(&self.first) && (!self.all_present || self.further.iter().all(|column| full(column)))
    }

    /// Whether the row passed the FILTER clause.
    pub fn passes(&self, row: u32) -> bool {
        self.passed.as_ref().is_none_or(|passed| passed[row as usize])
    }

    /// Whether the row passed the FILTER clause and is not NULL.
    pub fn takes(&self, row: u32) -> bool {
        let present = |column: &Cow<'_, Column>| !column.is_null(row as usize);
        self.passes(row) && present(&self.first) && (!self.all_present || self.further.iter().all(present))
    }
}

fn to_longs(values: &Values) -> Option<Vec<i64>> {
    match values {
        Values::Boolean(v) => Some(v.iter().map(|x| i64::from(*x)).collect()),
        Values::Int(v) | Values::Date(v) => Some(v.iter().map(|x| i64::from(*x)).collect()),
        _ => None,
    }
}

fn to_doubles(values: &Values) -> Option<Vec<f64>> {
    match values {
        Values::Float(v) => Some(v.iter().map(|x| f64::from(*x)).collect()),
        Values::Int(v) | Values::Date(v) => Some(v.iter().map(|x| f64::from(*x)).collect()),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => Some(v.iter().map(|x| *x as f64).collect()),
        _ => None,
    }
}
