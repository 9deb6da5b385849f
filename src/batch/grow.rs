//! Columns that grow in place, value by value, and can be cut again: what a source's open table is made of.

use std::ops::Range;

use crate::batch::{Bitmap, Column, ColumnBuilder, Values};
use crate::types::{DataType, Value};

impl Column {
    /// A column of `data_type` without entries.
    pub fn empty(data_type: &DataType) -> Column {
        ColumnBuilder::new(data_type, 0).finish()
    }

    /// Appends `value`; NULL where its type is not the column's, or the column is dictionary-coded.
    pub fn push(&mut self, value: &Value) {
        match (&mut self.values, value) {
            (Values::Boolean(v), Value::Boolean(x)) => v.push(*x),
            (Values::Int(v), Value::Int(x)) | (Values::Date(v), Value::Date(x)) => v.push(*x),
            (Values::BigInt(v), Value::BigInt(x))
            | (Values::Timestamp(v), Value::Timestamp(x))
            | (Values::Interval(v), Value::Interval(x)) => {
                v.push(*x);
            }
            (Values::Float(v), Value::Float(x)) => v.push(*x),
            (Values::Double(v), Value::Double(x)) => v.push(*x),
            (Values::String(v), Value::String(x)) => v.push(x),
            (Values::Binary(v), Value::Binary(x)) => v.push(x),
            (Values::List(v), Value::Array(x)) => {
                x.iter().for_each(|element| v.items.push(element));
                v.ends.push(v.items.len() as u32);
            }
            (Values::Map(v), Value::Map(x)) => {
                for (key, value) in x {
                    v.keys.push(key);
                    v.values.push(value);
                }
                v.ends.push(v.keys.len() as u32);
            }
            (Values::Struct(members), Value::Struct(x)) if members.len() == x.len() => {
                members.iter_mut().zip(x).for_each(|(member, value)| member.push(value));
            }
            _ => return self.push_null(),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
    }

    pub fn push_null(&mut self) {
        let rows = self.len();
        match &mut self.values {
            Values::Boolean(v) => v.push(false),
            Values::Int(v) | Values::Date(v) => v.push(0),
            Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => v.push(0),
            Values::Float(v) => v.push(0.0),
            Values::Double(v) => v.push(0.0),
            Values::String(v) => v.push(""),
            Values::Dict(v) => v.codes.push(0),
            Values::Binary(v) => v.push(&[]),
            Values::List(v) => v.ends.push(v.ends.last().copied().unwrap_or(0)),
            Values::Map(v) => v.ends.push(v.ends.last().copied().unwrap_or(0)),
            Values::Struct(members) => members.iter_mut().for_each(Column::push_null),
            Values::Null(len) => *len += 1,
        }
        self.valid.get_or_insert_with(|| Bitmap::filled(rows, true)).push(false);
    }

    /// Forgets the entries from number `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Boolean(v) => v.truncate(rows),
            Values::Int(v) | Values::Date(v) => v.truncate(rows),
            Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => v.truncate(rows),
            Values::Float(v) => v.truncate(rows),
            Values::Double(v) => v.truncate(rows),
            Values::String(v) => v.truncate(rows),
            Values::Dict(v) => v.codes.truncate(rows),
            Values::Binary(v) => v.truncate(rows),
            Values::List(v) => {
                v.ends.truncate(rows);
                v.items.truncate(v.ends.last().copied().unwrap_or(0) as usize);
            }
            Values::Map(v) => {
                v.ends.truncate(rows);
                let elements = v.ends.last().copied().unwrap_or(0) as usize;
                v.keys.truncate(elements);
                v.values.truncate(elements);
            }
            Values::Struct(members) => members.iter_mut().for_each(|member| member.truncate(rows)),
            Values::Null(len) => *len = rows.min(*len),
        }
        if let Some(valid) = &mut self.valid {
            valid.truncate(rows);
        }
    }

    /// Roughly what the entries take in memory, without a dictionary.
    pub fn bytes(&self) -> usize {
        let values = match &self.values {
            Values::Boolean(v) => v.len(),
            Values::Int(v) | Values::Date(v) => v.len() * 4,
            Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => v.len() * 8,
            Values::Float(v) => v.len() * 4,
            Values::Double(v) => v.len() * 8,
            Values::String(v) => v.bytes(),
            Values::Dict(v) => v.codes.len() * 4,
            Values::Binary(v) => v.bytes(),
            Values::List(v) => v.ends.len() * 4 + v.items.bytes(),
            Values::Map(v) => v.ends.len() * 4 + v.keys.bytes() + v.values.bytes(),
            Values::Struct(members) => members.iter().map(Column::bytes).sum(),
            Values::Null(_) => 0,
        };
        values + self.valid.as_ref().map_or(0, |valid| valid.len() / 8)
    }

    /// Roughly what the entry at `row` takes in memory, without a dictionary's sharing.
    pub fn entry_bytes(&self, row: usize) -> usize {
        let of_items = |items: &Column, range: Range<usize>| range.map(|item| items.entry_bytes(item)).sum::<usize>();
        match &self.values {
            Values::Boolean(_) => 1,
            Values::Int(_) | Values::Date(_) | Values::Float(_) => 4,
            Values::BigInt(_) | Values::Timestamp(_) | Values::Interval(_) | Values::Double(_) => 8,
            Values::String(_) | Values::Dict(_) => 4 + self.text(row).map_or(0, str::len),
            Values::Binary(v) => 4 + v.get(row).len(),
            Values::List(v) => 4 + of_items(&v.items, v.range(row)),
            Values::Map(v) => 4 + of_items(&v.keys, v.range(row)) + of_items(&v.values, v.range(row)),
            Values::Struct(members) => members.iter().map(|member| member.entry_bytes(row)).sum(),
            Values::Null(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Field;

    #[test]
    fn nested_columns_grow_and_are_cut() {
        let member = DataType::Struct(vec![Field::new("a", DataType::Binary), Field::new("b", DataType::Interval)]);
        let data_type = DataType::Map(Box::new(DataType::String), Box::new(DataType::Array(Box::new(member))));
        let entry = |key: &str, bytes: &[u8]| {
            let member = Value::Struct(vec![Value::Binary(bytes.to_vec()), Value::Null]);
            Value::Map(vec![(Value::String(key.into()), Value::Array(vec![member, Value::Null]))])
        };
        let mut column = Column::empty(&data_type);
        [entry("x", &[1]), Value::Null, entry("y", &[2, 3])].iter().for_each(|value| column.push(value));
        assert_eq!((column.value(0), column.value(1), column.value(2)), (entry("x", &[1]), Value::Null, entry("y", &[2, 3])));
        assert_eq!([0, 1].map(|row| column.entry_bytes(row)), [4 + 5 + 4 + 2 * (4 + 8) + 1, 4]);
        column.truncate(1);
        column.push(&entry("z", &[]));
        assert_eq!((column.len(), column.value(0), column.value(1)), (2, entry("x", &[1]), entry("z", &[])));
        column.truncate(0);
        assert!(column.is_empty() && column.bytes() == 0);
    }
}
