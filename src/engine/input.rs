//! One argument of aggregates for one batch: its values as the lanes want them, and which rows take part.

use std::borrow::Cow;

use crate::batch::{Column, Values};
use crate::engine::expr::Selection;

/// An evaluated argument.
pub(super) struct Input<'a> {
    column: Cow<'a, Column>,
    /// The values as 64-bit integers or as doubles where they are of another width and a lane needs them.
    longs: Option<Vec<i64>>,
    doubles: Option<Vec<f64>>,
    /// Rows that passed the FILTER clause, by row; `None`: all.
    passed: Option<Vec<bool>>,
}

impl<'a> Input<'a> {
    /// `needs`: whether some lane reads it as integers, as doubles. `passed`: the rows that the FILTER clause lets through.
    pub fn new(column: Cow<'a, Column>, needs: (bool, bool), passed: Option<&Selection>) -> Input<'a> {
        let longs = if needs.0 { to_longs(&column.values) } else { None };
        let doubles = if needs.1 { to_doubles(&column.values) } else { None };
        let passed = passed.map(|selection| {
            let mut flags = vec![false; column.len()];
            selection.iter().for_each(|row| flags[row as usize] = true);
            flags
        });
        Input { column, longs, doubles, passed }
    }

    #[cfg(test)]
    pub fn of_doubles(values: &[f64]) -> Input<'static> {
        Input::new(Cow::Owned(Column::new(Values::Double(values.to_vec()))), (false, true), None)
    }

    pub fn column(&self) -> &Column {
        &self.column
    }

    /// Empty where the column is no integer, time or boolean.
    pub fn longs(&self) -> &[i64] {
        match (&self.longs, &self.column.values) {
            (Some(longs), _) => longs,
            (None, Values::BigInt(v) | Values::Timestamp(v)) => v,
            _ => &[],
        }
    }

    /// Empty where the column is no number.
    pub fn doubles(&self) -> &[f64] {
        match (&self.doubles, &self.column.values) {
            (Some(doubles), _) => doubles,
            (None, Values::Double(v)) => v,
            _ => &[],
        }
    }

    /// Whether every row takes part.
    pub fn complete(&self) -> bool {
        self.passed.is_none() && self.column.valid.is_none() && !matches!(self.column.values, Values::Null(_))
    }

    /// Whether the row passed the FILTER clause and is not NULL.
    pub fn takes(&self, row: u32) -> bool {
        self.passed.as_ref().is_none_or(|passed| passed[row as usize]) && !self.column.is_null(row as usize)
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
        Values::Int(v) => Some(v.iter().map(|x| f64::from(*x)).collect()),
        Values::BigInt(v) => Some(v.iter().map(|x| *x as f64).collect()),
        _ => None,
    }
}
