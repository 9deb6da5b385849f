//! The 64-bit hash of values that Spark's `xxhash64` gives (XXH64, each part's hash seeding the next).

use xxhash_rust::xxh64::xxh64;

use crate::batch::{Column, Values};
use crate::engine::expr::compare::group_bits;

/// The seed of Spark's hashes.
pub(super) const SEED: u64 = 42;

/// Folds entry `row` of `column` into `hash`; NULL leaves it as it is. -0.0 counts as 0.0, every NaN as one.
pub(super) fn fold_hash(hash: u64, column: &Column, row: usize) -> u64 {
    if column.is_null(row) {
        return hash;
    }
    match &column.values {
        Values::Boolean(v) => xxh64(&i32::from(v[row]).to_le_bytes(), hash),
        Values::Int(v) | Values::Date(v) => xxh64(&v[row].to_le_bytes(), hash),
        Values::BigInt(v) | Values::Timestamp(v) | Values::Interval(v) => xxh64(&v[row].to_le_bytes(), hash),
        Values::Float(v) => xxh64(&float_bits(v[row]).to_le_bytes(), hash),
        Values::Double(v) => xxh64(&group_bits(v[row]).to_le_bytes(), hash),
        Values::String(_) | Values::Dict(_) => xxh64(column.text(row).unwrap_or_default().as_bytes(), hash),
        Values::Binary(v) => xxh64(v.get(row), hash),
        Values::Struct(members) => members.iter().fold(hash, |hash, member| fold_hash(hash, member, row)),
        Values::List(v) => v.range(row).fold(hash, |hash, element| fold_hash(hash, &v.items, element)),
        Values::Map(v) => v.range(row).fold(hash, |hash, element| fold_hash(fold_hash(hash, &v.keys, element), &v.values, element)),
        Values::Null(_) => hash,
    }
}

fn float_bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { (x + 0.0).to_bits() }
}
