//! Values as bytes that compare as the values do: `a < b` as bytes exactly where Spark orders a before b. For extremes, ordered lists and tallies.
//!
//! Each part is a tag (NULL, or a value) and the value: integers big-endian with the sign bit flipped, doubles by their bits so that NaN is
//! greatest and -0.0 equals 0.0, texts and bytes escaped and ended, structs member by member, arrays element by element. No encoding is the
//! beginning of another, so that encodings may follow each other and may be inverted for descending order.
//!
//! Limits: maps have no order; their entries are encoded as they stand, which tells different maps apart.

use crate::batch::{Column, Values};
use crate::engine::expr::compare::group_bits;

const NULL_FIRST: u8 = 0;
const VALUE: u8 = 1;
const NULL_LAST: u8 = 2;

/// Ends an array; below every tag that begins an element.
const END: u8 = 0;

/// Appends entry `row` of `column`, NULLs first.
pub(super) fn put_ordered(out: &mut Vec<u8>, column: &Column, row: usize) {
    if column.is_null(row) {
        out.push(NULL_FIRST);
    } else {
        out.push(VALUE);
        put_present(out, column, row);
    }
}

/// Appends a sort key: `descending` turns values round, `nulls_first` alone places the NULLs.
pub(super) fn put_sort_key(out: &mut Vec<u8>, column: &Column, row: usize, descending: bool, nulls_first: bool) {
    if column.is_null(row) {
        return out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
    }
    out.push(VALUE);
    let start = out.len();
    put_present(out, column, row);
    if descending {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

fn put_present(out: &mut Vec<u8>, column: &Column, row: usize) {
    match &column.values {
        Values::Boolean(v) => out.push(u8::from(v[row])),
        Values::Int(v) | Values::Date(v) => out.extend_from_slice(&(v[row] ^ i32::MIN).to_be_bytes()),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => out.extend_from_slice(&(v[row] ^ i64::MIN).to_be_bytes()),
        Values::Float(v) => out.extend_from_slice(&double_rank(group_bits(f64::from(v[row]))).to_be_bytes()),
        Values::Double(v) => out.extend_from_slice(&double_rank(group_bits(v[row])).to_be_bytes()),
        Values::String(_) | Values::Dict(_) => put_escaped(out, column.text(row).unwrap_or_default().as_bytes()),
        Values::Binary(v) => put_escaped(out, v.get(row)),
        Values::Struct(members) => members.iter().for_each(|member| put_ordered(out, member, row)),
        Values::List(v) => {
            for element in v.range(row) {
                out.push(VALUE);
                put_ordered(out, &v.items, element);
            }
            out.push(END);
        }
        Values::Map(v) => {
            for element in v.range(row) {
                out.push(VALUE);
                put_ordered(out, &v.keys, element);
                put_ordered(out, &v.values, element);
            }
            out.push(END);
        }
        Values::Null(_) => {}
    }
}

/// A zero byte becomes `00 FF`; the end is `00 01`.
fn put_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
}

/// Bits of doubles in an unsigned number that is ordered as they are; NaN of positive sign is greatest.
pub(super) fn double_rank(bits: u64) -> u64 {
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The double of a [`double_rank`].
pub(super) fn ranked_double(rank: u64) -> f64 {
    f64::from_bits(if rank >> 63 == 1 { rank & !(1 << 63) } else { !rank })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::batch::ColumnBuilder;
    use crate::engine::expr::compare::order_for_sort;
    use crate::types::{DataType, Field, Value};

    fn value() -> impl Strategy<Value = Value> {
        let number = prop_oneof![Just(f64::NAN), Just(-0.0), Just(0.0), Just(f64::INFINITY), any::<f64>()];
        let text = prop_oneof!["[\\x00ab]{0,3}", any::<String>()];
        let nullable = prop_oneof![1 => Just(Value::Null), 3 => any::<i32>().prop_map(Value::Int)];
        (number, text, nullable, any::<bool>())
            .prop_map(|(x, text, n, b)| Value::Struct(vec![n, Value::String(text), Value::Double(x), Value::Boolean(b)]))
    }

    fn struct_type() -> DataType {
        let types = [DataType::Int, DataType::String, DataType::Double, DataType::Boolean];
        DataType::Struct(types.into_iter().map(|data_type| Field::new("m", data_type)).collect())
    }

    proptest! {
        #[test]
        fn bytes_are_ordered_as_values(a in value(), b in value(), descending: bool, nulls_first: bool) {
            let mut builder = ColumnBuilder::new(&struct_type(), 3);
            [&a, &b].into_iter().for_each(|value| builder.push(value));
            builder.push_null();
            let column = builder.finish();
            for (i, j) in [(0, 1), (1, 2), (2, 0), (2, 2)] {
                let key = |row| {
                    let mut out = Vec::new();
                    put_sort_key(&mut out, &column, row, descending, nulls_first);
                    out
                };
                prop_assert_eq!(key(i).cmp(&key(j)), order_for_sort(&column, i, j, descending, nulls_first));
            }
        }

        #[test]
        fn doubles_come_back_from_their_rank(x: f64) {
            prop_assert_eq!(ranked_double(double_rank(x.to_bits())).to_bits(), x.to_bits());
        }
    }

    #[test]
    fn arrays_are_ordered_element_by_element_then_by_length() {
        let array = |items: &[Option<i32>]| Value::Array(items.iter().map(|item| item.map_or(Value::Null, Value::Int)).collect());
        let rising = [
            array(&[]),
            array(&[None, Some(5)]),
            array(&[Some(-1)]),
            array(&[Some(1)]),
            array(&[Some(1), None]),
            array(&[Some(1), Some(2)]),
        ];
        let mut builder = ColumnBuilder::new(&DataType::Array(Box::new(DataType::Int)), 6);
        rising.iter().for_each(|value| builder.push(value));
        let column = builder.finish();
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for row in 0..rising.len() {
            keys.push(Vec::new());
            put_ordered(&mut keys[row], &column, row);
        }
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "{keys:?}");
    }
}
