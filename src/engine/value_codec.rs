//! Values as bytes that give back exactly what went in (-0.0 stays, every NaN is one): what aggregates keep.
//!
//! Each part is one byte (0: NULL, 1: a value), then the value: numbers little-endian in their type's width, texts and bytes with their
//! length, structs member by member, arrays and maps with their length. The types are not stored; they are the operator's.

use crate::batch::{Column, Values};
use crate::engine::key_codec::read_key;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};
use crate::types::{DataType, Value};

const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Appends entry `row` of `column`.
pub(super) fn put_value(out: &mut Vec<u8>, column: &Column, row: usize) {
    if column.is_null(row) {
        return out.push(NULL);
    }
    out.push(VALUE);
    match &column.values {
        Values::Boolean(v) => out.push(u8::from(v[row])),
        Values::Int(v) | Values::Date(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Float(v) => out.extend_from_slice(&(if v[row].is_nan() { f32::NAN } else { v[row] }).to_le_bytes()),
        Values::Double(v) => out.extend_from_slice(&(if v[row].is_nan() { f64::NAN } else { v[row] }).to_le_bytes()),
        Values::String(_) | Values::Dict(_) => put_bytes(out, column.text(row).unwrap_or_default().as_bytes()),
        Values::Binary(v) => put_bytes(out, v.get(row)),
        Values::List(v) => {
            put_varint(out, v.range(row).len() as u64);
            v.range(row).for_each(|element| put_value(out, &v.items, element));
        }
        Values::Map(v) => {
            put_varint(out, v.range(row).len() as u64);
            for element in v.range(row) {
                put_value(out, &v.keys, element);
                put_value(out, &v.values, element);
            }
        }
        Values::Struct(members) => members.iter().for_each(|member| put_value(out, member, row)),
        Values::Null(_) => {}
    }
}

/// At most how many bytes [`put_value`] and an order key of the entry take; cheap.
pub(super) fn value_len(column: &Column, row: usize) -> usize {
    if column.is_null(row) {
        return 1;
    }
    1 + match &column.values {
        Values::String(_) | Values::Dict(_) => column.text(row).unwrap_or_default().len() + 5,
        Values::Binary(v) => v.get(row).len() + 5,
        Values::Struct(members) => members.iter().map(|member| value_len(member, row)).sum(),
        Values::List(v) => 5 + v.range(row).map(|element| 1 + value_len(&v.items, element)).sum::<usize>(),
        Values::Map(v) => 5 + v.range(row).map(|element| 1 + value_len(&v.keys, element) + value_len(&v.values, element)).sum::<usize>(),
        _ => 8,
    }
}

/// Reads one value of type `data_type`: the layout is that of a key's part.
pub(super) fn read_value(reader: &mut Reader<'_>, data_type: &DataType) -> Result<Value, Malformed> {
    read_key(reader, data_type)
}

/// The value that checked bytes hold.
pub(super) fn value_of(bytes: &[u8], data_type: &DataType) -> Value {
    read_value(&mut Reader::new(bytes), data_type).unwrap_or(Value::Null)
}

/// Whether `bytes` are one value of this type and nothing more.
pub(super) fn check_value(bytes: &[u8], data_type: &DataType) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    read_value(&mut reader, data_type)?;
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_exactly() {
        let map = DataType::Map(Box::new(DataType::String), Box::new(DataType::Double));
        let cases = [
            (DataType::Double, Value::Double(-0.0)),
            (DataType::Float, Value::Float(-0.0)),
            (DataType::Array(Box::new(DataType::Double)), Value::Array(vec![Value::Double(-0.0), Value::Null])),
            (map, Value::Map(vec![(Value::String("a".into()), Value::Null)])),
            (DataType::Binary, Value::Binary(vec![0, 255])),
            (DataType::String, Value::Null),
        ];
        for (data_type, value) in cases {
            let mut out = Vec::new();
            let column = Column::repeated(&data_type, &value, 1);
            put_value(&mut out, &column, 0);
            assert!(out.len() <= value_len(&column, 0));
            check_value(&out, &data_type).unwrap();
            assert_eq!(format!("{:?}", value_of(&out, &data_type)), format!("{value:?}"));
            out.push(0);
            assert!(check_value(&out, &data_type).is_err());
        }
    }
}
