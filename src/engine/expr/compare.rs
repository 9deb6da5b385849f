//! Spark's order and equality of single entries: what min, max, sorting, group keys and the comparison operators share.
//!
//! NULL comes first, NaN is equal to itself and greater than every number, -0.0 equals 0.0, strings compare by their bytes,
//! binary by its bytes, structs member by member, arrays element by element and then by length. Maps have no order.

use std::cmp::Ordering;

use crate::batch::{Column, Values};
use crate::types::Value;

/// Order of entries `a` and `b` of one column, NULLs first.
pub fn order(column: &Column, a: usize, b: usize) -> Ordering {
    order_between(column, a, column, b)
}

/// Order of two entries for one sort key: `descending` turns values round, `nulls_first` alone places the NULLs.
pub fn order_for_sort(column: &Column, a: usize, b: usize, descending: bool, nulls_first: bool) -> Ordering {
    match (column.is_null(a), column.is_null(b)) {
        (true, true) => Ordering::Equal,
        (true, false) if nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if descending => order(column, b, a),
        (false, false) => order(column, a, b),
    }
}

/// Order of entry `i` of `left` and entry `j` of `right`, columns of one type; NULLs first. Columns of different types are equal.
pub fn order_between(left: &Column, i: usize, right: &Column, j: usize) -> Ordering {
    match (left.is_null(i), right.is_null(j)) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    match (&left.values, &right.values) {
        (Values::Boolean(a), Values::Boolean(b)) => a[i].cmp(&b[j]),
        (Values::Int(a), Values::Int(b)) | (Values::Date(a), Values::Date(b)) => a[i].cmp(&b[j]),
        (Values::BigInt(a), Values::BigInt(b))
        | (Values::Timestamp(a), Values::Timestamp(b))
        | (Values::Interval(a), Values::Interval(b)) => a[i].cmp(&b[j]),
        (Values::Binary(a), Values::Binary(b)) => a.get(i).cmp(b.get(j)),
        (Values::Float(a), Values::Float(b)) => order_floats(a[i], b[j]),
        (Values::Double(a), Values::Double(b)) => order_doubles(a[i], b[j]),
        (Values::String(_) | Values::Dict(_), Values::String(_) | Values::Dict(_)) => left.text(i).cmp(&right.text(j)),
        (Values::Struct(a), Values::Struct(b)) => {
            a.iter().zip(b).map(|(a, b)| order_between(a, i, b, j)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        (Values::List(a), Values::List(b)) => {
            let (left, right) = (a.range(i), b.range(j));
            let lengths = left.len().cmp(&right.len());
            left.zip(right).map(|(i, j)| order_between(&a.items, i, &b.items, j)).find(|order| order.is_ne()).unwrap_or(lengths)
        }
        _ => Ordering::Equal,
    }
}

/// Whether two entries fall into one group: NULL with NULL, NaN with NaN, -0.0 with 0.0. Two codes of one dictionary compare as numbers.
pub fn same_group(left: &Column, i: usize, right: &Column, j: usize) -> bool {
    if let (Values::Dict(a), Values::Dict(b)) = (&left.values, &right.values)
        && a.dictionary.generation == b.dictionary.generation
        && !left.is_null(i)
        && !right.is_null(j)
    {
        return a.codes[i] == b.codes[j];
    }
    order_between(left, i, right, j).is_eq()
}

/// Order of two values of one type, NULLs first. Values of different types are equal.
pub fn order_values(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) | (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::BigInt(a), Value::BigInt(b)) | (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Interval(a), Value::Interval(b)) => {
            a.cmp(b)
        }
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            a.iter().zip(b).map(|(a, b)| order_values(a, b)).find(|order| order.is_ne()).unwrap_or(a.len().cmp(&b.len()))
        }
        (Value::Float(a), Value::Float(b)) => order_floats(*a, *b),
        (Value::Double(a), Value::Double(b)) => order_doubles(*a, *b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Struct(a), Value::Struct(b)) => {
            a.iter().zip(b).map(|(a, b)| order_values(a, b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        }
        _ => Ordering::Equal,
    }
}

/// NaN greatest and equal to itself, -0.0 equal to 0.0.
pub fn order_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// As [`order_doubles`].
pub fn order_floats(a: f32, b: f32) -> Ordering {
    order_doubles(f64::from(a), f64::from(b))
}

/// Bits that are equal exactly where two doubles are one group key: every NaN is one, -0.0 is 0.0. For hashing and encoding keys.
pub fn group_bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { (x + 0.0).to_bits() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ColumnBuilder;
    use crate::types::DataType;

    fn doubles() -> Column {
        let mut builder = ColumnBuilder::new(&DataType::Double, 8);
        builder.push_null();
        for x in [f64::NEG_INFINITY, -0.0, 0.0, 1.0, f64::INFINITY, f64::NAN, -f64::NAN] {
            builder.push(&Value::Double(x));
        }
        builder.finish()
    }

    #[test]
    fn doubles_stand_in_sparks_order() {
        let column = doubles();
        let rank = [0, 1, 2, 2, 3, 4, 5, 5];
        for a in 0..8 {
            for b in 0..8 {
                assert_eq!(order(&column, a, b), rank[a].cmp(&rank[b]), "{a} {b}");
                assert_eq!(same_group(&column, a, &column, b), rank[a] == rank[b]);
                assert_eq!(order_values(&column.value(a), &column.value(b)), rank[a].cmp(&rank[b]));
                if let (Value::Double(x), Value::Double(y)) = (column.value(a), column.value(b)) {
                    assert_eq!(group_bits(x) == group_bits(y), rank[a] == rank[b]);
                }
            }
        }
    }

    #[test]
    fn sort_keys_place_nulls_apart_from_the_direction() {
        let column = doubles();
        assert_eq!(order_for_sort(&column, 0, 1, true, true), Ordering::Less);
        assert_eq!(order_for_sort(&column, 0, 1, false, false), Ordering::Greater);
        assert_eq!(order_for_sort(&column, 1, 4, true, false), Ordering::Greater);
        assert_eq!(order_for_sort(&column, 0, 0, true, false), Ordering::Equal);
    }

    #[test]
    fn structs_compare_member_by_member() {
        let a = Value::Struct(vec![Value::Int(1), Value::String("b".into())]);
        let b = Value::Struct(vec![Value::Int(1), Value::Null]);
        assert_eq!(order_values(&a, &b), Ordering::Greater);
    }

    #[test]
    fn arrays_compare_element_by_element_then_by_length() {
        let data_type = DataType::Array(Box::new(DataType::Int));
        let arrays = [vec![], vec![Value::Null], vec![Value::Int(1)], vec![Value::Int(1), Value::Null], vec![Value::Int(2)]];
        let mut builder = ColumnBuilder::new(&data_type, arrays.len());
        arrays.iter().for_each(|array| builder.push(&Value::Array(array.clone())));
        let column = builder.finish();
        for a in 0..arrays.len() {
            for b in 0..arrays.len() {
                assert_eq!(order(&column, a, b), a.cmp(&b), "{a} {b}");
                assert_eq!(order_values(&column.value(a), &column.value(b)), a.cmp(&b), "{a} {b}");
            }
        }
    }
}
