//! Functions on arrays and maps by Spark's rules. Elements are copied from column to column, never through single values.
//!
//! Limits: an array or map that a function makes has at most [`ELEMENTS_MAX`] elements, a column of them takes at most
//! [`TEXT_COLUMN_BYTES_MAX`] bytes; a row beyond fails.

mod access;
mod arrays;
pub(super) mod maps;
pub(super) mod search;
mod sequence;
mod text;

use std::borrow::Cow;

use crate::batch::{Bitmap, Column, ColumnBuilder, ListColumn, MapColumn, Values};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Operand, bytes_at, valid_in_all};
use crate::engine::expr::{ELEMENTS_MAX, TEXT_COLUMN_BYTES_MAX, json};
use crate::plan::Collection;
use crate::types::{DataType, Field, Value};

/// Whether the function is NULL where any argument is.
pub(super) fn is_strict(collection: Collection) -> bool {
    use Collection as C;
    !matches!(collection, C::Array | C::Map | C::ArrayRepeat | C::Append | C::Prepend | C::Insert)
}

pub(super) fn apply(collection: Collection, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    use Collection as C;
    let args: Vec<Arg<'_>> = operands.iter().map(Arg::new).collect();
    match collection {
        C::Size | C::Index | C::Get | C::ElementAt | C::TryElementAt | C::Members | C::MapValue | C::MapContainsKey => {
            access::apply(collection, operands, &args, frame)
        }
        C::Contains | C::Position | C::Max | C::Min | C::Overlap => search::test(collection, operands, &args, frame),
        C::Remove | C::Distinct | C::Union | C::Intersect | C::Except => search::choose(collection, operands, &args, frame),
        C::Sequence => sequence::apply(operands, frame),
        C::Join | C::Split | C::StrToMap => text::apply(collection, operands, &args, frame),
        C::Map | C::MapFromArrays | C::MapFromEntries | C::MapKeys | C::MapValues | C::MapEntries | C::MapConcat => {
            maps::apply(collection, operands, &args, frame)
        }
        C::GetJsonObject | C::JsonMember | C::FromJson | C::ToJson | C::SchemaOfJson | C::JsonArrayLength | C::JsonObjectKeys => {
            json::apply(collection, operands, &args, frame)
        }
        _ => arrays::apply(collection, operands, &args, frame),
    }
}

/// An argument as a column; a constant is a column of one entry that stands for all rows.
pub(super) struct Arg<'o> {
    pub column: Cow<'o, Column>,
    constant: bool,
}

impl<'o> Arg<'o> {
    pub fn new(operand: &'o Operand<'_>) -> Arg<'o> {
        match operand {
            Operand::Column(column) => Arg { column: Cow::Borrowed(&**column), constant: false },
            Operand::Constant(value) => Arg { column: Cow::Owned(Column::repeated(&type_of(value), value, 1)), constant: true },
        }
    }

    /// The entry that holds row `row`.
    pub fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    pub fn list(&self) -> Option<&ListColumn> {
        if let Values::List(list) = &self.column.values { Some(list) } else { None }
    }

    pub fn map(&self) -> Option<&MapColumn> {
        if let Values::Map(map) = &self.column.values { Some(map) } else { None }
    }
}

/// The narrowest type that holds the value.
fn type_of(value: &Value) -> DataType {
    match value {
        Value::Null => DataType::Null,
        Value::Boolean(_) => DataType::Boolean,
        Value::Int(_) => DataType::Int,
        Value::BigInt(_) => DataType::BigInt,
        Value::Float(_) => DataType::Float,
        Value::Double(_) => DataType::Double,
        Value::String(_) => DataType::String,
        Value::Timestamp(_) => DataType::Timestamp,
        Value::Date(_) => DataType::Date,
        Value::Binary(_) => DataType::Binary,
        Value::Interval(_) => DataType::Interval,
        Value::Struct(members) => DataType::Struct(members.iter().map(|member| Field::new("", type_of(member))).collect()),
        Value::Array(elements) => DataType::Array(Box::new(type_of_all(elements.iter()))),
        Value::Map(entries) => {
            let (key, value) = (type_of_all(entries.iter().map(|(key, _)| key)), type_of_all(entries.iter().map(|(_, value)| value)));
            DataType::Map(Box::new(key), Box::new(value))
        }
    }
}

/// The type of values that are of one type, NULLs apart.
fn type_of_all<'v>(values: impl Iterator<Item = &'v Value>) -> DataType {
    values.map(type_of).fold(DataType::Null, either)
}

/// The more definite of two types that differ only where one holds nothing but NULLs.
fn either(a: DataType, b: DataType) -> DataType {
    match (a, b) {
        (DataType::Null, known) | (known, DataType::Null) => known,
        (DataType::Array(a), DataType::Array(b)) => DataType::Array(Box::new(either(*a, *b))),
        (DataType::Map(k, v), DataType::Map(l, w)) => DataType::Map(Box::new(either(*k, *l)), Box::new(either(*v, *w))),
        (DataType::Struct(a), DataType::Struct(b)) if a.len() == b.len() => {
            DataType::Struct(a.into_iter().zip(b).map(|(a, b)| Field::new(a.name, either(a.data_type, b.data_type))).collect())
        }
        (known, _) => known,
    }
}

/// What of the limits is left to one column.
pub(super) struct Room {
    bytes_left: usize,
    elements_left: usize,
}

impl Room {
    pub fn new() -> Room {
        Room { bytes_left: TEXT_COLUMN_BYTES_MAX, elements_left: ELEMENTS_MAX }
    }

    /// Another array or map begins.
    pub fn begin(&mut self) {
        self.elements_left = ELEMENTS_MAX;
    }

    /// Takes room for `elements` more of `bytes` beside their own.
    pub fn take(&mut self, elements: usize, bytes: usize) -> Result<(), Failure> {
        const ELEMENT_BYTES: usize = 16;
        self.elements_left = self.elements_left.checked_sub(elements).ok_or(Problem::TooManyElements(ELEMENTS_MAX))?;
        let total = elements * ELEMENT_BYTES + bytes;
        self.bytes_left = self.bytes_left.checked_sub(total).ok_or(Problem::CollectionTooLarge(TEXT_COLUMN_BYTES_MAX))?;
        Ok(())
    }

    /// Takes room for a copy of one element.
    pub fn reserve(&mut self, from: &Column, element: usize) -> Result<(), Failure> {
        self.take(1, if from.values.is_wide() && !from.is_null(element) { bytes_at(from, element) } else { 0 })
    }

    /// Copies one element.
    pub fn copy(&mut self, into: &mut ColumnBuilder, from: &Column, element: usize) -> Result<(), Failure> {
        self.reserve(from, element)?;
        into.push_from(from, element);
        Ok(())
    }

    /// As [`Room::copy`] for what stands for all that equal it: -0.0 becomes 0.0.
    pub fn copy_key(&mut self, into: &mut ColumnBuilder, from: &Column, element: usize) -> Result<(), Failure> {
        self.reserve(from, element)?;
        match &from.values {
            Values::Double(x) if x[element] == 0.0 && !from.is_null(element) => into.push(&Value::Double(0.0)),
            Values::Float(x) if x[element] == 0.0 && !from.is_null(element) => into.push(&Value::Float(0.0)),
            _ => into.push_from(from, element),
        }
        Ok(())
    }

    pub fn null(&mut self, into: &mut ColumnBuilder) -> Result<(), Failure> {
        self.take(1, 0)?;
        into.push_null();
        Ok(())
    }
}

/// A column of the frame's type; `push` appends the entry of a row where none of `strict` is NULL, or nothing for NULL.
pub(super) fn build(
    strict: &[Operand<'_>],
    frame: &mut Frame<'_>,
    mut push: impl FnMut(usize, &mut ColumnBuilder, &mut Room) -> Result<(), Failure>,
) -> Operand<'static> {
    let valid = valid_in_all(strict);
    let mut builder = ColumnBuilder::new(frame.data_type, frame.count);
    let mut room = Room::new();
    let rows = frame.rows;
    for row in rows.iter().map(|row| row as usize) {
        fill(&mut builder, row);
        if valid.as_ref().is_some_and(|valid: &Bitmap| !valid.get(row)) {
            continue;
        }
        room.begin();
        if let Err(failure) = push(row, &mut builder, &mut room) {
            frame.fail(row, failure);
        }
    }
    fill(&mut builder, frame.count);
    Operand::owned(builder.finish())
}

/// NULLs up to `rows` entries.
fn fill(builder: &mut ColumnBuilder, rows: usize) {
    while builder.len() < rows {
        builder.push_null();
    }
}
