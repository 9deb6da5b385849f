//! Group keys as bytes: equal bytes exactly where Spark puts two rows into one group (NULL with NULL, NaN with NaN, -0.0 with 0.0).
//!
//! Each part is one byte (0: NULL, 1: a value), then the value: numbers little-endian in their type's width, strings with their length,
//! structs member by member, arrays and maps with their length. The types are not stored; they are the operator's.

use std::ops::Range;

use crate::batch::{Column, ColumnBuilder, Values};
use crate::engine::expr::compare::group_bits;
use crate::engine::ordered::put_ordered;
use crate::engine::state_codec::{Malformed, Reader, put_bytes, put_varint};
use crate::types::{DataType, Value};

const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Appends entry `row` of `column`.
pub(super) fn put_key(out: &mut Vec<u8>, column: &Column, row: usize) {
    put_part::<false>(out, column, row);
}

/// Appends entry `row` of `column` as it is (`EXACT`), or so that whatever groups together has the same bytes.
pub(super) fn put_part<const EXACT: bool>(out: &mut Vec<u8>, column: &Column, row: usize) {
    if column.is_null(row) {
        return out.push(NULL);
    }
    out.push(VALUE);
    match &column.values {
        Values::Boolean(v) => out.push(u8::from(v[row])),
        Values::Int(v) | Values::Date(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => out.extend_from_slice(&v[row].to_le_bytes()),
        Values::Float(v) => out.extend_from_slice(&(f64::from_bits(double_bits::<EXACT>(f64::from(v[row]))) as f32).to_le_bytes()),
        Values::Double(v) => out.extend_from_slice(&double_bits::<EXACT>(v[row]).to_le_bytes()),
        Values::String(_) | Values::Dict(_) => put_bytes(out, column.text(row).unwrap_or_default().as_bytes()),
        Values::Binary(v) => put_bytes(out, v.get(row)),
        Values::List(v) => {
            put_varint(out, v.range(row).len() as u64);
            v.range(row).for_each(|element| put_part::<EXACT>(out, &v.items, element));
        }
        Values::Map(v) => {
            put_varint(out, v.range(row).len() as u64);
            for element in if EXACT { v.range(row).collect() } else { by_key(&v.keys, v.range(row)) } {
                put_part::<EXACT>(out, &v.keys, element);
                put_part::<EXACT>(out, &v.values, element);
            }
        }
        Values::Struct(members) => members.iter().for_each(|member| put_part::<EXACT>(out, member, row)),
        Values::Null(_) => {}
    }
}

/// Every NaN is one; 0.0 and -0.0 only where not `EXACT`.
fn double_bits<const EXACT: bool>(value: f64) -> u64 {
    match EXACT {
        false => group_bits(value),
        true if value.is_nan() => f64::NAN.to_bits(),
        true => value.to_bits(),
    }
}

/// A map's entries in order of the keys: equal maps are one group.
fn by_key(keys: &Column, entries: Range<usize>) -> Vec<usize> {
    let ordered = |element: usize| {
        let mut key = Vec::new();
        put_ordered(&mut key, keys, element);
        (key, element)
    };
    let mut entries: Vec<(Vec<u8>, usize)> = entries.map(ordered).collect();
    entries.sort_unstable();
    entries.into_iter().map(|(_, element)| element).collect()
}

/// Reads one part of type `data_type`.
pub(super) fn read_key(reader: &mut Reader<'_>, data_type: &DataType) -> Result<Value, Malformed> {
    match reader.byte()? {
        NULL => return Ok(Value::Null),
        VALUE => {}
        _ => return Err(Malformed("a key's part has an unknown tag")),
    }
    Ok(match data_type {
        DataType::Null => return Err(Malformed("a key of type VOID has a value")),
        DataType::Boolean => Value::Boolean(reader.byte()? != 0),
        DataType::Int => Value::Int(i32::from_le_bytes(reader.fixed()?)),
        DataType::Date => Value::Date(i32::from_le_bytes(reader.fixed()?)),
        DataType::BigInt => Value::BigInt(i64::from_le_bytes(reader.fixed()?)),
        DataType::Timestamp => Value::Timestamp(i64::from_le_bytes(reader.fixed()?)),
        DataType::Float => Value::Float(f32::from_le_bytes(reader.fixed()?)),
        DataType::Double => Value::Double(f64::from_le_bytes(reader.fixed()?)),
        DataType::String => Value::String(reader.text()?.to_owned()),
        DataType::Binary => Value::Binary(reader.bytes()?.to_vec()),
        DataType::Interval => Value::Interval(i64::from_le_bytes(reader.fixed()?)),
        DataType::Array(element) => Value::Array((0..reader.count(1)?).map(|_| read_key(reader, element)).collect::<Result<_, _>>()?),
        DataType::Map(key, value) => {
            let entries = (0..reader.count(2)?).map(|_| Ok((read_key(reader, key)?, read_key(reader, value)?)));
            Value::Map(entries.collect::<Result<_, Malformed>>()?)
        }
        DataType::Struct(fields) => Value::Struct(fields.iter().map(|field| read_key(reader, &field.data_type)).collect::<Result<_, _>>()?),
    })
}

/// Whether `bytes` are one key of these types and nothing more.
pub(super) fn check_key(bytes: &[u8], types: &[DataType]) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    types.iter().try_for_each(|data_type| read_key(&mut reader, data_type).map(drop))?;
    reader.end()
}

/// Appends each part of a checked key to its builder.
pub(super) fn push_key(bytes: &[u8], types: &[DataType], builders: &mut [ColumnBuilder]) {
    let mut reader = Reader::new(bytes);
    // One short string is the common key.
    if let ([DataType::String], [builder], [VALUE, length, text @ ..]) = (types, &mut *builders, bytes)
        && usize::from(*length) == text.len()
        && text.len() < 0x80
        && let Ok(text) = std::str::from_utf8(text)
    {
        return builder.push_text(text);
    }
    for (data_type, builder) in types.iter().zip(builders) {
        // Strings are the common key: no copy on the way.
        if matches!(data_type, DataType::String) {
            match reader.byte().and_then(|tag| if tag == VALUE { reader.text().map(Some) } else { Ok(None) }) {
                Ok(Some(text)) => builder.push_text(text),
                _ => builder.push_null(),
            }
            continue;
        }
        builder.push(&read_key(&mut reader, data_type).unwrap_or(Value::Null));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::window_type;

    fn encoded(data_type: &DataType, value: &Value) -> Vec<u8> {
        let mut out = Vec::new();
        put_key(&mut out, &Column::repeated(data_type, value, 1), 0);
        out
    }

    #[test]
    fn keys_come_back() {
        let cases = [
            (DataType::Boolean, Value::Boolean(true)),
            (DataType::Int, Value::Int(-7)),
            (DataType::BigInt, Value::BigInt(i64::MIN)),
            (DataType::Float, Value::Float(1.5)),
            (DataType::Double, Value::Double(f64::INFINITY)),
            (DataType::String, Value::String("größe".into())),
            (DataType::Timestamp, Value::Timestamp(5)),
            (DataType::Date, Value::Date(-3)),
            (window_type(), Value::Struct(vec![Value::Timestamp(1), Value::Null])),
            (DataType::Binary, Value::Binary(vec![0, 1])),
            (DataType::Interval, Value::Interval(-9)),
            (DataType::Array(Box::new(DataType::Int)), Value::Array(vec![Value::Int(1), Value::Null])),
            (DataType::String, Value::Null),
        ];
        for (data_type, value) in cases {
            let bytes = encoded(&data_type, &value);
            assert_eq!(check_key(&bytes, std::slice::from_ref(&data_type)), Ok(()));
            let mut builder = vec![ColumnBuilder::new(&data_type, 1)];
            push_key(&bytes, std::slice::from_ref(&data_type), &mut builder);
            assert_eq!(builder.remove(0).finish().value(0), value);
        }
    }

    #[test]
    fn groups_are_sparks() {
        let double = |x| encoded(&DataType::Double, &Value::Double(x));
        assert_eq!(double(-0.0), double(0.0));
        assert_eq!(double(f64::NAN), double(-f64::NAN));
        assert_ne!(double(1.0), double(2.0));
        let text = |x: &str| encoded(&DataType::String, &Value::String(x.into()));
        assert_ne!(text(""), encoded(&DataType::String, &Value::Null));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        assert!(check_key(&[2], &[DataType::Int]).is_err());
        assert!(check_key(&[1, 5, b'a'], &[DataType::String]).is_err());
        assert!(check_key(&[0, 0], &[DataType::Int]).is_err());
    }
}
