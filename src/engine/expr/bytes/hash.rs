//! Spark's `hash` and `xxhash64`: each argument is hashed with the result so far as the seed; NULL leaves it as it is.
//!
//! Murmur3 is Spark's own variant: the bytes of a text after its last whole four are mixed in one by one, as signed numbers.

use xxhash_rust::xxh64::xxh64;

use crate::batch::{Column, Values};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::BytesFunction;
use crate::types::Value;

/// What Spark begins with.
const SEED: i64 = 42;

pub(super) fn apply(function: BytesFunction, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Operand<'static> {
    if function == BytesFunction::Xxhash64 {
        return frame.map(&[], Values::BigInt, |row| operands.iter().fold(SEED, |seed, operand| of_operand(&Xx, operand, row, seed)));
    }
    frame.map(&[], Values::Int, |row| operands.iter().fold(SEED, |seed, operand| of_operand(&Murmur, operand, row, seed)) as i32)
}

/// One of the two functions, over what values are made of.
trait Hasher {
    fn int(&self, value: i32, seed: i64) -> i64;
    fn long(&self, value: i64, seed: i64) -> i64;
    fn bytes(&self, bytes: &[u8], seed: i64) -> i64;
}

fn of_operand(hasher: &impl Hasher, operand: &Operand<'_>, row: usize, seed: i64) -> i64 {
    match operand {
        Operand::Constant(value) => of_value(hasher, value, seed),
        Operand::Column(column) => of_column(hasher, column, row, seed),
    }
}

fn of_column(hasher: &impl Hasher, column: &Column, row: usize, seed: i64) -> i64 {
    if column.is_null(row) {
        return seed;
    }
    if let Some(text) = column.text(row) {
        return hasher.bytes(text.as_bytes(), seed);
    }
    match &column.values {
        Values::Struct(members) => members.iter().fold(seed, |seed, member| of_column(hasher, member, row, seed)),
        Values::List(list) => list.range(row).fold(seed, |seed, element| of_column(hasher, &list.items, element, seed)),
        _ => of_value(hasher, &column.value(row), seed),
    }
}

fn of_value(hasher: &impl Hasher, value: &Value, seed: i64) -> i64 {
    match value {
        Value::Null => seed,
        Value::Boolean(x) => hasher.int(i32::from(*x), seed),
        Value::Int(x) | Value::Date(x) => hasher.int(*x, seed),
        Value::BigInt(x) | Value::Timestamp(x) | Value::Interval(x) => hasher.long(*x, seed),
        // Both zeros are one, and so are all NaNs.
        Value::Float(x) => hasher.int(if x.is_nan() { 0x7FC0_0000 } else { (x + 0.0).to_bits() as i32 }, seed),
        Value::Double(x) => hasher.long(if x.is_nan() { 0x7FF8_0000_0000_0000 } else { (x + 0.0).to_bits() as i64 }, seed),
        Value::String(text) => hasher.bytes(text.as_bytes(), seed),
        Value::Binary(bytes) => hasher.bytes(bytes, seed),
        Value::Struct(members) | Value::Array(members) => members.iter().fold(seed, |seed, member| of_value(hasher, member, seed)),
        // The planner refuses maps.
        Value::Map(_) => seed,
    }
}

struct Xx;

impl Hasher for Xx {
    fn int(&self, value: i32, seed: i64) -> i64 {
        xxh64(&value.to_le_bytes(), seed as u64) as i64
    }

    fn long(&self, value: i64, seed: i64) -> i64 {
        xxh64(&value.to_le_bytes(), seed as u64) as i64
    }

    fn bytes(&self, bytes: &[u8], seed: i64) -> i64 {
        xxh64(bytes, seed as u64) as i64
    }
}

/// The seed's and result's low 32 bits count.
struct Murmur;

impl Hasher for Murmur {
    fn int(&self, value: i32, seed: i64) -> i64 {
        i64::from(finish(mix(seed as u32, value as u32), 4) as i32)
    }

    fn long(&self, value: i64, seed: i64) -> i64 {
        let low = mix(seed as u32, value as u32);
        i64::from(finish(mix(low, (value >> 32) as u32), 8) as i32)
    }

    fn bytes(&self, bytes: &[u8], seed: i64) -> i64 {
        let words = bytes.chunks_exact(4);
        let rest = words.remainder();
        let state = words.fold(seed as u32, |state, word| mix(state, u32::from_le_bytes([word[0], word[1], word[2], word[3]])));
        let state = rest.iter().fold(state, |state, byte| mix(state, i32::from(*byte as i8) as u32));
        i64::from(finish(state, bytes.len() as u32) as i32)
    }
}

fn mix(state: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xCC9E_2D51).rotate_left(15).wrapping_mul(0x1B87_3593);
    (state ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xE654_6B64)
}

fn finish(state: u32, length: u32) -> u32 {
    let state = state ^ length;
    let state = (state ^ state >> 16).wrapping_mul(0x85EB_CA6B);
    let state = (state ^ state >> 13).wrapping_mul(0xC2B2_AE35);
    state ^ state >> 16
}
