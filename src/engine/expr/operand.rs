//! The result of a part of an expression, and typed views of it for the loops of the kernels.

use std::borrow::Cow;

use crate::batch::{Bitmap, Column, DictColumn, Strings, Values};
use crate::types::Value;

/// A column with one entry for each row of the input, or one value for all rows.
#[derive(Clone, Debug)]
pub(super) enum Operand<'a> {
    Column(Cow<'a, Column>),
    Constant(Value),
}

/// Entries of one type by row. Entries of NULL rows hold the type's default.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lane<'o, T> {
    Each(&'o [T]),
    One(T),
}

impl<T: Copy> Lane<'_, T> {
    #[inline]
    pub fn get(&self, row: usize) -> T {
        match self {
            Lane::Each(values) => values[row],
            Lane::One(value) => *value,
        }
    }
}

/// INT or BIGINT entries (or those stored like them), widened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Integers<'o> {
    Narrow(Lane<'o, i32>),
    Wide(Lane<'o, i64>),
}

impl Integers<'_> {
    #[inline]
    pub fn get(&self, row: usize) -> i64 {
        match self {
            Integers::Narrow(lane) => i64::from(lane.get(row)),
            Integers::Wide(lane) => lane.get(row),
        }
    }
}

/// String entries. Only rows that are not NULL may be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Texts<'o> {
    Each(&'o Strings),
    Coded(&'o DictColumn),
    One(&'o str),
}

impl<'o> Texts<'o> {
    #[inline]
    pub fn get(&self, row: usize) -> &'o str {
        match self {
            Texts::Each(strings) => strings.get(row),
            Texts::Coded(dict) => &dict.dictionary.entries[dict.codes[row] as usize],
            Texts::One(text) => text,
        }
    }

    /// The text where it is the same for all rows.
    pub fn constant(&self) -> Option<&'o str> {
        if let Texts::One(text) = self { Some(text) } else { None }
    }
}

impl<'a> Operand<'a> {
    pub fn owned(column: Column) -> Operand<'a> {
        Operand::Column(Cow::Owned(column))
    }

    pub const NULL: Operand<'static> = Operand::Constant(Value::Null);

    pub fn is_constant(&self) -> bool {
        matches!(self, Operand::Constant(_))
    }

    /// NULL for every row.
    pub fn is_null_constant(&self) -> bool {
        match self {
            Operand::Constant(value) => *value == Value::Null,
            Operand::Column(column) => matches!(column.values, Values::Null(_)),
        }
    }

    /// The value at `row`; copied.
    pub fn value(&self, row: usize) -> Value {
        match self {
            Operand::Constant(value) => value.clone(),
            Operand::Column(column) => column.value(row),
        }
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Operand::Constant(value) => *value == Value::Null,
            Operand::Column(column) => column.is_null(row),
        }
    }

    /// Which entries are not NULL, where some may be; a NULL constant has none, and must be looked at before.
    pub fn valid(&self) -> Option<&Bitmap> {
        match self {
            Operand::Column(column) => column.valid.as_ref(),
            Operand::Constant(_) => None,
        }
    }

    pub fn booleans(&self) -> Option<Lane<'_, bool>> {
        match self {
            Operand::Constant(Value::Boolean(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Boolean(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    pub fn doubles(&self) -> Option<Lane<'_, f64>> {
        match self {
            Operand::Constant(Value::Double(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Double(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    pub fn floats(&self) -> Option<Lane<'_, f32>> {
        match self {
            Operand::Constant(Value::Float(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Float(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Entries of INT.
    pub fn ints(&self) -> Option<Lane<'_, i32>> {
        match self {
            Operand::Constant(Value::Int(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Int(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Entries of BIGINT.
    pub fn bigints(&self) -> Option<Lane<'_, i64>> {
        match self {
            Operand::Constant(Value::BigInt(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::BigInt(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Entries of INT or BIGINT.
    pub fn integers(&self) -> Option<Integers<'_>> {
        self.ints().map(Integers::Narrow).or_else(|| self.bigints().map(Integers::Wide))
    }

    /// Entries of TIMESTAMP, µs.
    pub fn timestamps(&self) -> Option<Lane<'_, i64>> {
        match self {
            Operand::Constant(Value::Timestamp(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Timestamp(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Entries of DATE, days.
    pub fn dates(&self) -> Option<Lane<'_, i32>> {
        match self {
            Operand::Constant(Value::Date(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Date(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    pub fn texts(&self) -> Option<Texts<'_>> {
        match self {
            Operand::Constant(Value::String(text)) => Some(Texts::One(text)),
            Operand::Column(column) => match &column.values {
                Values::String(strings) => Some(Texts::Each(strings)),
                Values::Dict(dict) => Some(Texts::Coded(dict)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Entries of INTERVAL, µs.
    pub fn intervals(&self) -> Option<Lane<'_, i64>> {
        match self {
            Operand::Constant(Value::Interval(x)) => Some(Lane::One(*x)),
            Operand::Column(column) => match &column.values {
                Values::Interval(v) => Some(Lane::Each(v)),
                _ => None,
            },
            Operand::Constant(_) => None,
        }
    }

    /// Bytes of text and of elements in the entry at `row`.
    pub fn text_bytes(&self, row: usize) -> usize {
        match self {
            Operand::Column(column) => bytes_at(column, row),
            Operand::Constant(value) => value_bytes(value),
        }
    }
}

/// What one element of an array or map counts, beside its text.
const ELEMENT_BYTES: usize = 16;

/// Bytes of text in the entry at `row`, with [`ELEMENT_BYTES`] for each element of arrays and maps.
pub(super) fn bytes_at(column: &Column, row: usize) -> usize {
    match &column.values {
        Values::Struct(members) => members.iter().map(|member| bytes_at(member, row)).sum(),
        Values::String(_) | Values::Dict(_) => column.text(row).map_or(0, str::len),
        Values::Binary(v) => v.get(row).len(),
        Values::List(v) => items_bytes(&v.items, v.range(row)),
        Values::Map(v) => items_bytes(&v.keys, v.range(row)) + items_bytes(&v.values, v.range(row)),
        _ => 0,
    }
}

fn items_bytes(items: &Column, range: std::ops::Range<usize>) -> usize {
    let elements = range.len() * ELEMENT_BYTES;
    match &items.values {
        Values::Struct(_) | Values::String(_) | Values::Dict(_) | Values::Binary(_) | Values::List(_) | Values::Map(_) => {
            elements + range.map(|element| bytes_at(items, element)).sum::<usize>()
        }
        _ => elements,
    }
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::Struct(members) => members.iter().map(value_bytes).sum(),
        Value::Array(elements) => elements.iter().map(|element| ELEMENT_BYTES + value_bytes(element)).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| 2 * ELEMENT_BYTES + value_bytes(key) + value_bytes(value)).sum(),
        _ => 0,
    }
}

/// Rows where no operand is NULL; `None` where there can be none. NULL constants must be looked at before.
pub(super) fn valid_in_all(operands: &[Operand<'_>]) -> Option<Bitmap> {
    let mut all: Option<Bitmap> = None;
    for valid in operands.iter().filter_map(Operand::valid) {
        match &mut all {
            None => all = Some(valid.clone()),
            Some(all) => all.intersect(valid),
        }
    }
    all
}
