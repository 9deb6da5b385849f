//! Single values out of columns, and columns out of single values.
//!
//! Limits: a built string column is plain, never dictionary-coded; the text of one column must stay below 4 GiB.

use crate::batch::{Binaries, Bitmap, Column, ListColumn, MapColumn, Strings, Values};
use crate::types::{DataType, Value};

impl Column {
    /// The value at `row`; strings are copied. Panics where `row` is out of range.
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match &self.values {
            Values::Boolean(v) => Value::Boolean(v[row]),
            Values::Int(v) => Value::Int(v[row]),
            Values::BigInt(v) => Value::BigInt(v[row]),
            Values::Float(v) => Value::Float(v[row]),
            Values::Double(v) => Value::Double(v[row]),
            Values::Timestamp(v) => Value::Timestamp(v[row]),
            Values::Date(v) => Value::Date(v[row]),
            Values::String(_) | Values::Dict(_) => Value::String(self.text(row).unwrap_or_default().to_owned()),
            Values::Binary(v) => Value::Binary(v.get(row).to_vec()),
            Values::Interval(v) => Value::Interval(v[row]),
            Values::List(v) => Value::Array(v.range(row).map(|element| v.items.value(element)).collect()),
            Values::Map(v) => Value::Map(v.range(row).map(|element| (v.keys.value(element), v.values.value(element))).collect()),
            Values::Struct(members) => Value::Struct(members.iter().map(|member| member.value(row)).collect()),
            Values::Null(_) => Value::Null,
        }
    }

    /// A column of type `data_type` that holds `value` `rows` times. A value of another type becomes NULL.
    pub fn repeated(data_type: &DataType, value: &Value, rows: usize) -> Column {
        let mut builder = ColumnBuilder::new(data_type, rows);
        for _ in 0..rows {
            builder.push(value);
        }
        builder.finish()
    }
}

/// Grows a column of one type, value by value.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    values: Building,
    /// Made at the first NULL.
    valid: Option<Bitmap>,
    rows: usize,
}

#[derive(Clone, Debug)]
enum Building {
    Boolean(Vec<bool>),
    Int(Vec<i32>),
    BigInt(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Timestamp(Vec<i64>),
    Date(Vec<i32>),
    String(Strings),
    Binary(Binaries),
    Interval(Vec<i64>),
    Struct(Vec<ColumnBuilder>),
    List { ends: Vec<u32>, items: Box<ColumnBuilder> },
    Map { ends: Vec<u32>, keys: Box<ColumnBuilder>, values: Box<ColumnBuilder> },
    Null,
}

impl ColumnBuilder {
    /// An empty column of `data_type` with room for `rows` values.
    pub fn new(data_type: &DataType, rows: usize) -> ColumnBuilder {
        let values = match data_type {
            DataType::Null => Building::Null,
            DataType::Boolean => Building::Boolean(Vec::with_capacity(rows)),
            DataType::Int => Building::Int(Vec::with_capacity(rows)),
            DataType::BigInt => Building::BigInt(Vec::with_capacity(rows)),
            DataType::Float => Building::Float(Vec::with_capacity(rows)),
            DataType::Double => Building::Double(Vec::with_capacity(rows)),
            DataType::String => Building::String(Strings::new()),
            DataType::Timestamp => Building::Timestamp(Vec::with_capacity(rows)),
            DataType::Date => Building::Date(Vec::with_capacity(rows)),
            DataType::Binary => Building::Binary(Binaries::new()),
            DataType::Interval => Building::Interval(Vec::with_capacity(rows)),
            DataType::Array(element) => Building::List { ends: Vec::new(), items: Box::new(ColumnBuilder::new(element, 0)) },
            DataType::Map(key, value) => Building::Map {
                ends: Vec::new(),
                keys: Box::new(ColumnBuilder::new(key, 0)),
                values: Box::new(ColumnBuilder::new(value, 0)),
            },
            DataType::Struct(fields) => Building::Struct(fields.iter().map(|field| ColumnBuilder::new(&field.data_type, rows)).collect()),
        };
        ColumnBuilder { values, valid: None, rows: 0 }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether a NULL was appended.
    pub fn has_nulls(&self) -> bool {
        self.valid.is_some()
    }

    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends `value`; NULL where its type is not the column's.
    pub fn push(&mut self, value: &Value) {
        match (&mut self.values, value) {
            (Building::Boolean(v), Value::Boolean(x)) => v.push(*x),
            (Building::Int(v), Value::Int(x)) => v.push(*x),
            (Building::BigInt(v), Value::BigInt(x)) => v.push(*x),
            (Building::Float(v), Value::Float(x)) => v.push(*x),
            (Building::Double(v), Value::Double(x)) => v.push(*x),
            (Building::Timestamp(v), Value::Timestamp(x)) => v.push(*x),
            (Building::Date(v), Value::Date(x)) => v.push(*x),
            (Building::String(v), Value::String(x)) => v.push(x),
            (Building::Binary(v), Value::Binary(x)) => v.push(x),
            (Building::Interval(v), Value::Interval(x)) => v.push(*x),
            (Building::List { ends, items }, Value::Array(x)) => {
                x.iter().for_each(|element| items.push(element));
                ends.push(items.len() as u32);
            }
            (Building::Map { ends, keys, values }, Value::Map(x)) => {
                for (key, value) in x {
                    keys.push(key);
                    values.push(value);
                }
                ends.push(keys.len() as u32);
            }
            (Building::Struct(members), Value::Struct(x)) if members.len() == x.len() => {
                members.iter_mut().zip(x).for_each(|(member, value)| member.push(value));
            }
            _ => return self.push_null(),
        }
        self.pushed();
    }

    /// Appends a string without making a [`Value`] of it; NULL in a column of another type.
    pub fn push_text(&mut self, text: &str) {
        let Building::String(strings) = &mut self.values else { return self.push_null() };
        strings.push(text);
        self.pushed();
    }

    /// Appends BIGINTs; NULLs in a column of another type.
    pub fn push_longs(&mut self, values: impl ExactSizeIterator<Item = i64>) {
        let added = values.len();
        let Building::BigInt(v) = &mut self.values else { return (0..added).for_each(|_| self.push_null()) };
        v.extend(values);
        if let Some(valid) = &mut self.valid {
            (0..added).for_each(|_| valid.push(true));
        }
        self.rows += added;
    }

    /// Appends DOUBLEs; NULLs in a column of another type.
    pub fn push_doubles(&mut self, values: impl ExactSizeIterator<Item = Option<f64>>) {
        let (added, mut absent) = (values.len(), Vec::new());
        let Building::Double(v) = &mut self.values else { return (0..added).for_each(|_| self.push_null()) };
        let number = |(index, value): (usize, Option<f64>)| {
            value.unwrap_or_else(|| {
                absent.push(index);
                0.0
            })
        };
        v.extend(values.enumerate().map(number));
        if !absent.is_empty() {
            self.valid.get_or_insert_with(|| Bitmap::filled(self.rows, true));
        }
        if let Some(valid) = &mut self.valid {
            (0..added).for_each(|_| valid.push(true));
            absent.into_iter().for_each(|index| valid.set(self.rows + index, false));
        }
        self.rows += added;
    }

    /// Makes room for so many values; of texts also for so many bytes.
    pub fn reserve(&mut self, rows: usize, text_bytes: usize) {
        match &mut self.values {
            Building::BigInt(v) | Building::Timestamp(v) | Building::Interval(v) => v.reserve(rows),
            Building::Double(v) => v.reserve(rows),
            Building::String(v) => v.reserve(rows, text_bytes),
            _ => {}
        }
    }

    /// Appends a byte string; NULL in a column of another type.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        let Building::Binary(binaries) = &mut self.values else { return self.push_null() };
        binaries.push(bytes);
        self.pushed();
    }

    /// Appends an array of the elements that `fill` appends, also where it fails; NULL in a column of another type.
    pub fn push_list<E>(&mut self, fill: impl FnOnce(&mut ColumnBuilder) -> Result<(), E>) -> Result<(), E> {
        let Building::List { ends, items } = &mut self.values else {
            self.push_null();
            return Ok(());
        };
        let filled = fill(items);
        ends.push(items.len() as u32);
        self.pushed();
        filled
    }

    /// Appends a map of the entries that `fill` appends, as many keys as values, also where it fails; NULL in a column of another type.
    pub fn push_map<E>(&mut self, fill: impl FnOnce(&mut ColumnBuilder, &mut ColumnBuilder) -> Result<(), E>) -> Result<(), E> {
        let Building::Map { ends, keys, values } = &mut self.values else {
            self.push_null();
            return Ok(());
        };
        let filled = fill(keys, values);
        ends.push(keys.len() as u32);
        self.pushed();
        filled
    }

    /// Appends a struct whose members `fill` appends, one to each builder; NULL in a column of another type.
    pub fn push_struct<E>(&mut self, fill: impl FnOnce(&mut [ColumnBuilder]) -> Result<(), E>) -> Result<(), E> {
        let Building::Struct(members) = &mut self.values else {
            self.push_null();
            return Ok(());
        };
        let filled = fill(members);
        for member in members {
            // A filling that failed on the way.
            while member.len() <= self.rows {
                member.push_null();
            }
        }
        self.pushed();
        filled
    }

    /// Counts an entry that is not NULL.
    fn pushed(&mut self) {
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
        self.rows += 1;
    }

    pub fn push_null(&mut self) {
        match &mut self.values {
            Building::Boolean(v) => v.push(false),
            Building::Int(v) | Building::Date(v) => v.push(0),
            Building::BigInt(v) | Building::Timestamp(v) | Building::Interval(v) => v.push(0),
            Building::Float(v) => v.push(0.0),
            Building::Double(v) => v.push(0.0),
            Building::String(v) => v.push(""),
            Building::Struct(members) => members.iter_mut().for_each(ColumnBuilder::push_null),
            Building::Binary(v) => v.push(&[]),
            Building::List { ends, .. } | Building::Map { ends, .. } => ends.push(ends.last().copied().unwrap_or(0)),
            Building::Null => {}
        }
        self.valid.get_or_insert_with(|| Bitmap::filled(self.rows, true)).push(false);
        self.rows += 1;
    }

    /// Appends entry `row` of `column`; NULL where the types differ.
    pub fn push_from(&mut self, column: &Column, row: usize) {
        if column.is_null(row) {
            return self.push_null();
        }
        match (&mut self.values, &column.values) {
            (Building::String(_), Values::String(_) | Values::Dict(_)) => self.push_text(column.text(row).unwrap_or_default()),
            (Building::Struct(members), Values::Struct(from)) if members.len() == from.len() => {
                members.iter_mut().zip(from).for_each(|(member, from)| member.push_from(from, row));
                self.pushed();
            }
            (Building::List { ends, items }, Values::List(from)) => {
                from.range(row).for_each(|element| items.push_from(&from.items, element));
                ends.push(items.len() as u32);
                self.pushed();
            }
            (Building::Map { ends, keys, values }, Values::Map(from)) => {
                for element in from.range(row) {
                    keys.push_from(&from.keys, element);
                    values.push_from(&from.values, element);
                }
                ends.push(keys.len() as u32);
                self.pushed();
            }
            _ => self.push(&column.value(row)),
        }
    }

    pub fn finish(self) -> Column {
        let (rows, valid) = (self.rows, self.valid);
        let values = match self.values {
            Building::Boolean(v) => Values::Boolean(v),
            Building::Int(v) => Values::Int(v),
            Building::BigInt(v) => Values::BigInt(v),
            Building::Float(v) => Values::Float(v),
            Building::Double(v) => Values::Double(v),
            Building::Timestamp(v) => Values::Timestamp(v),
            Building::Date(v) => Values::Date(v),
            Building::String(v) => Values::String(v),
            Building::Binary(v) => Values::Binary(v),
            Building::Interval(v) => Values::Interval(v),
            Building::List { ends, items } => Values::List(ListColumn { ends, items: Box::new(items.finish()) }),
            Building::Map { ends, keys, values } => {
                Values::Map(MapColumn { ends, keys: Box::new(keys.finish()), values: Box::new(values.finish()) })
            }
            Building::Struct(members) => Values::Struct(members.into_iter().map(ColumnBuilder::finish).collect()),
            Building::Null => return Column::new(Values::Null(rows)),
        };
        Column { values, valid }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::window_type;

    #[test]
    fn values_come_back_as_they_went_in() {
        let window = Value::Struct(vec![Value::Timestamp(1), Value::Null]);
        let cases = [
            (DataType::Boolean, Value::Boolean(true)),
            (DataType::Int, Value::Int(-1)),
            (DataType::BigInt, Value::BigInt(i64::MIN)),
            (DataType::Float, Value::Float(1.5)),
            (DataType::Double, Value::Double(-0.0)),
            (DataType::String, Value::String("größe".into())),
            (DataType::Timestamp, Value::Timestamp(5)),
            (DataType::Date, Value::Date(-3)),
            (window_type(), window),
            (DataType::Binary, Value::Binary(vec![0, 255])),
            (DataType::Interval, Value::Interval(-5)),
            (DataType::Array(Box::new(DataType::Int)), Value::Array(vec![Value::Int(1), Value::Null])),
            (
                DataType::Map(Box::new(DataType::String), Box::new(DataType::Double)),
                Value::Map(vec![(Value::String("a".into()), Value::Double(1.5)), (Value::String("b".into()), Value::Null)]),
            ),
            (DataType::Null, Value::Null),
        ];
        for (data_type, value) in cases {
            let mut builder = ColumnBuilder::new(&data_type, 0);
            builder.push(&value);
            builder.push_null();
            builder.push(&value);
            let column = builder.finish();
            let mut again = ColumnBuilder::new(&data_type, 3);
            (0..3).for_each(|row| again.push_from(&column, row));
            for column in [column.gather(&[2, 1, 0]), column, again.finish()] {
                assert!(column.values.is_of(&data_type), "{data_type}");
                assert_eq!(column.len(), 3);
                assert_eq!([column.value(0), column.value(1), column.value(2)], [value.clone(), Value::Null, value.clone()]);
            }
        }
    }

    #[test]
    fn a_value_of_another_type_is_null() {
        let column = Column::repeated(&DataType::Int, &Value::String("1".into()), 2);
        assert!(column.is_null(0) && column.is_null(1));
    }
}
