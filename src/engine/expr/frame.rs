//! The loops that kernels share: over selected rows, past NULLs, with errors by row and bounded text.

use std::borrow::Cow;

use crate::batch::{Binaries, Bitmap, Column, ColumnBuilder, Strings, Values};
use crate::engine::expr::error::{Failure, Problem, RowError};
use crate::engine::expr::operand::{Lane, Operand, valid_in_all};
use crate::engine::expr::{Context, Selection, TEXT_BYTES_MAX, TEXT_COLUMN_BYTES_MAX};
use crate::plan::Span;
use crate::types::{DataType, Value};

/// What a kernel is called with beside its operands.
pub(super) struct Frame<'f> {
    /// Entries of the result.
    pub count: usize,
    /// Rows whose result is asked for; all operands have a value there (or NULL).
    pub rows: &'f Selection,
    /// Of the result.
    pub data_type: &'f DataType,
    pub span: Span,
    pub context: &'f Context,
    pub errors: &'f mut Vec<RowError>,
}

impl Frame<'_> {
    pub fn fail(&mut self, row: usize, failure: Failure) {
        self.errors.push(RowError { row: row as u32, error: failure.at(self.span) });
    }

    /// The same failure for every row.
    pub fn fail_all(&mut self, failure: &Failure) -> Operand<'static> {
        for row in self.rows.iter() {
            self.errors.push(RowError { row, error: failure.clone().at(self.span) });
        }
        Operand::NULL
    }

    /// A column by `make` from `f(row)` for the rows where no operand is NULL.
    pub fn map<T: Copy + Default>(
        &mut self,
        operands: &[Operand<'_>],
        make: fn(Vec<T>) -> Values,
        f: impl Fn(usize) -> T,
    ) -> Operand<'static> {
        let valid = valid_in_all(operands);
        let values = match (self.rows, &valid) {
            (Selection::All(count), None) => (0..*count).map(f).collect(),
            (Selection::All(count), Some(valid)) => (0..*count).map(|row| if valid.get(row) { f(row) } else { T::default() }).collect(),
            (Selection::Rows(rows), valid) => {
                let mut values = vec![T::default(); self.count];
                for row in rows.iter().map(|row| *row as usize) {
                    if valid.as_ref().is_none_or(|valid| valid.get(row)) {
                        values[row] = f(row);
                    }
                }
                values
            }
        };
        Operand::owned(Column { values: make(values), valid })
    }

    /// As [`Frame::map`], where a row can also be NULL or fail.
    pub fn try_map<T: Copy + Default>(
        &mut self,
        operands: &[Operand<'_>],
        make: fn(Vec<T>) -> Values,
        f: impl Fn(usize) -> Result<Option<T>, Failure>,
    ) -> Operand<'static> {
        let mut valid = valid_in_all(operands);
        let mut values = vec![T::default(); self.count];
        let rows = self.rows;
        for row in rows.iter().map(|row| row as usize) {
            if valid.as_ref().is_some_and(|valid| !valid.get(row)) {
                continue;
            }
            match f(row) {
                Ok(Some(value)) => values[row] = value,
                Ok(None) => valid.get_or_insert_with(|| Bitmap::filled(self.count, true)).set(row, false),
                Err(failure) => {
                    valid.get_or_insert_with(|| Bitmap::filled(self.count, true)).set(row, false);
                    self.fail(row, failure);
                }
            }
        }
        Operand::owned(Column { values: make(values), valid })
    }

    /// A string column; `f` appends row's text to an empty buffer. `Ok(false)` is NULL.
    pub fn text_map(&mut self, operands: &[Operand<'_>], f: impl FnMut(usize, &mut String) -> Result<bool, Failure>) -> Operand<'static> {
        self.text_rows(valid_in_all(operands), f)
    }

    /// As [`Frame::text_map`] for the rows of `valid`.
    pub fn text_rows(
        &mut self,
        mut valid: Option<Bitmap>,
        mut f: impl FnMut(usize, &mut String) -> Result<bool, Failure>,
    ) -> Operand<'static> {
        let mut strings = Strings::new();
        let mut buffer = String::new();
        let rows = self.rows;
        for row in rows.iter().map(|row| row as usize) {
            fill(&mut strings, row);
            if valid.as_ref().is_some_and(|valid| !valid.get(row)) {
                strings.push("");
                continue;
            }
            buffer.clear();
            let written = f(row, &mut buffer).and_then(|some| room_for(&strings, &buffer).map(|()| some));
            match written {
                Ok(true) => strings.push(&buffer),
                Ok(false) => {
                    strings.push("");
                    valid.get_or_insert_with(|| Bitmap::filled(self.count, true)).set(row, false);
                }
                Err(failure) => {
                    strings.push("");
                    self.fail(row, failure);
                }
            }
        }
        fill(&mut strings, self.count);
        Operand::owned(Column { values: Values::String(strings), valid })
    }

    /// A BINARY column; `f` appends row's bytes to an empty buffer. `Ok(false)` is NULL.
    pub fn bytes_map(
        &mut self,
        operands: &[Operand<'_>],
        mut f: impl FnMut(usize, &mut Vec<u8>) -> Result<bool, Failure>,
    ) -> Operand<'static> {
        let mut valid = valid_in_all(operands);
        let mut binaries = Binaries::new();
        let mut buffer = Vec::new();
        let rows = self.rows;
        for row in rows.iter().map(|row| row as usize) {
            while binaries.len() < row {
                binaries.push(&[]);
            }
            buffer.clear();
            let skipped = valid.as_ref().is_some_and(|valid| !valid.get(row));
            let made = if skipped { Ok(false) } else { f(row, &mut buffer) };
            match made.and_then(|some| room_for_bytes(binaries.bytes(), buffer.len()).map(|()| some)) {
                Ok(true) => binaries.push(&buffer),
                Ok(false) => {
                    binaries.push(&[]);
                    valid.get_or_insert_with(|| Bitmap::filled(self.count, true)).set(row, false);
                }
                Err(failure) => {
                    binaries.push(&[]);
                    self.fail(row, failure);
                }
            }
        }
        while binaries.len() < self.count {
            binaries.push(&[]);
        }
        Operand::owned(Column { values: Values::Binary(binaries), valid })
    }

    /// An operand as a column. A text constant is written out only for the selected rows, and only up to the limit.
    pub fn column<'a>(&mut self, operand: Operand<'a>, data_type: &DataType) -> Cow<'a, Column> {
        match operand {
            Operand::Column(column) => column,
            Operand::Constant(Value::Null) => Cow::Owned(Column::new(Values::Null(self.count))),
            Operand::Constant(Value::Boolean(x)) => Cow::Owned(Column::new(Values::Boolean(vec![x; self.count]))),
            Operand::Constant(Value::BigInt(x)) => Cow::Owned(Column::new(Values::BigInt(vec![x; self.count]))),
            Operand::Constant(Value::Double(x)) => Cow::Owned(Column::new(Values::Double(vec![x; self.count]))),
            constant => {
                let whole = self.rows.len() == self.count;
                let choice: Vec<u32> = if whole { vec![1; self.count] } else { self.chosen() };
                Cow::Owned(self.merge(&choice, &[constant], data_type))
            }
        }
    }

    fn chosen(&self) -> Vec<u32> {
        let mut choice = vec![0; self.count];
        self.rows.iter().for_each(|row| choice[row as usize] = 1);
        choice
    }

    /// Entry `row` from `operands[choice[row] - 1]`; NULL where the choice is 0. Operands are of type `data_type` or NULL.
    pub fn merge(&mut self, choice: &[u32], operands: &[Operand<'_>], data_type: &DataType) -> Column {
        if let Some(column) = merge_fixed(choice, operands, data_type) {
            return column;
        }
        let mut builder = ColumnBuilder::new(data_type, choice.len());
        let mut text_bytes = 0;
        for (row, chosen) in choice.iter().enumerate() {
            let Some(operand) = (*chosen as usize).checked_sub(1).and_then(|index| operands.get(index)) else {
                builder.push_null();
                continue;
            };
            text_bytes += operand.text_bytes(row);
            if text_bytes > TEXT_COLUMN_BYTES_MAX {
                text_bytes -= operand.text_bytes(row);
                builder.push_null();
                self.fail(row, Problem::TextTooLong(TEXT_COLUMN_BYTES_MAX).into());
                continue;
            }
            match operand {
                Operand::Column(column) => builder.push_from(column, row),
                Operand::Constant(value) => builder.push(value),
            }
        }
        builder.finish()
    }
}

/// [`Frame::merge`] for the common types of fixed size.
fn merge_fixed(choice: &[u32], operands: &[Operand<'_>], data_type: &DataType) -> Option<Column> {
    match data_type {
        DataType::Double => merge_lanes(choice, operands, Operand::doubles, Values::Double),
        DataType::BigInt => merge_lanes(choice, operands, Operand::bigints, Values::BigInt),
        DataType::Int => merge_lanes(choice, operands, Operand::ints, Values::Int),
        DataType::Timestamp => merge_lanes(choice, operands, Operand::timestamps, Values::Timestamp),
        DataType::Boolean => merge_lanes(choice, operands, Operand::booleans, Values::Boolean),
        _ => None,
    }
}

fn merge_lanes<'o, 'a, T: Copy + Default>(
    choice: &[u32],
    operands: &'o [Operand<'a>],
    lane: fn(&'o Operand<'a>) -> Option<Lane<'o, T>>,
    make: fn(Vec<T>) -> Values,
) -> Option<Column> {
    let lanes = operands.iter().map(|operand| Some((lane(operand)?, operand.valid()))).collect::<Option<Vec<_>>>()?;
    let mut values = vec![T::default(); choice.len()];
    let mut valid: Option<Bitmap> = None;
    for (row, (chosen, value)) in choice.iter().zip(&mut values).enumerate() {
        let given = (*chosen as usize).checked_sub(1).and_then(|index| lanes.get(index));
        match given.filter(|(_, valid)| valid.is_none_or(|valid| valid.get(row))) {
            Some((lane, _)) => *value = lane.get(row),
            None => valid.get_or_insert_with(|| Bitmap::filled(choice.len(), true)).set(row, false),
        }
    }
    Some(Column { values: make(values), valid })
}

/// Empty entries up to `rows`.
fn fill(strings: &mut Strings, rows: usize) {
    while strings.len() < rows {
        strings.push("");
    }
}

/// Whether one more value fits into the limits of a value and of a column.
fn room_for(strings: &Strings, text: &str) -> Result<(), Failure> {
    room_for_bytes(strings.bytes(), text.len())
}

fn room_for_bytes(held: usize, added: usize) -> Result<(), Failure> {
    if added > TEXT_BYTES_MAX {
        return Err(Problem::TextTooLong(TEXT_BYTES_MAX).into());
    }
    if held + added > TEXT_COLUMN_BYTES_MAX {
        return Err(Problem::TextTooLong(TEXT_COLUMN_BYTES_MAX).into());
    }
    Ok(())
}
