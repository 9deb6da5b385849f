//! Single values out of columns, and columns out of single values.
//!
//! Limits: a built string column is plain, never dictionary-coded; the text of one column must stay below 4 GiB.

use crate::batch::{Bitmap, Column, Strings, Values};
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
    Struct(Vec<ColumnBuilder>),
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
            DataType::Struct(fields) => Building::Struct(fields.iter().map(|field| ColumnBuilder::new(&field.data_type, rows)).collect()),
        };
        ColumnBuilder { values, valid: None, rows: 0 }
    }

    pub fn len(&self) -> usize {
        self.rows
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
            (Building::Struct(members), Value::Struct(x)) if members.len() == x.len() => {
                members.iter_mut().zip(x).for_each(|(member, value)| member.push(value));
            }
            _ => return self.push_null(),
        }
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
        self.rows += 1;
    }

    /// Appends a string without making a [`Value`] of it; NULL in a column of another type.
    pub fn push_text(&mut self, text: &str) {
        let Building::String(strings) = &mut self.values else { return self.push_null() };
        strings.push(text);
        if let Some(valid) = &mut self.valid {
            valid.push(true);
        }
        self.rows += 1;
    }

    pub fn push_null(&mut self) {
        match &mut self.values {
            Building::Boolean(v) => v.push(false),
            Building::Int(v) | Building::Date(v) => v.push(0),
            Building::BigInt(v) | Building::Timestamp(v) => v.push(0),
            Building::Float(v) => v.push(0.0),
            Building::Double(v) => v.push(0.0),
            Building::String(v) => v.push(""),
            Building::Struct(members) => members.iter_mut().for_each(ColumnBuilder::push_null),
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
                if let Some(valid) = &mut self.valid {
                    valid.push(true);
                }
                self.rows += 1;
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
            for column in [column, again.finish()] {
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
