//! Values as bytes that give back exactly what went in (-0.0 stays, every NaN is one): what aggregates keep.
//!
//! The layout is that of [`super::key_codec`].

use crate::batch::{Column, Values};
use crate::engine::key_codec::{put_part, read_key};
use crate::engine::state_codec::{Malformed, Reader};
use crate::types::{DataType, Value};

/// Appends entry `row` of `column`.
pub(super) fn put_value(out: &mut Vec<u8>, column: &Column, row: usize) {
    put_part::<true>(out, column, row);
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
