//! Further functions of numbers: inverse hyperbolic and reciprocal angles, digits in other bases, single bits, buckets.

use crate::batch::Values;
use crate::engine::expr::TEXT_BYTES_MAX;
use crate::engine::expr::arithmetic;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Operand};
use crate::engine::expr::rounding;
use crate::plan::MathFunction as M;
use crate::types::DataType;

/// Bits of a bitmap that Spark's `bitmap_` functions share their numbers over.
const BITMAP_BITS: i64 = 32_768;

pub(super) fn apply(function: M, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let input = operands.first()?;
    match function {
        M::Asinh | M::Acosh | M::Atanh | M::Cot | M::Sec | M::Csc | M::Rint => {
            let (x, f) = (input.doubles()?, unary(function)?);
            Some(frame.map(operands, Values::Double, |row| f(x.get(row))))
        }
        M::TryRemainder => arithmetic::division(crate::plan::Function::Math(function), operands, frame),
        M::FloorTo | M::CeilTo => rounding::to_scale(function == M::FloorTo, operands, frame),
        M::WidthBucket => {
            let [value, from, to, count] = operands else { return None };
            let (value, from, to, count) = (value.doubles()?, from.doubles()?, to.doubles()?, count.integers()?);
            Some(
                frame.try_map(operands, Values::BigInt, |row| Ok(width_bucket(value.get(row), from.get(row), to.get(row), count.get(row)))),
            )
        }
        M::Conv => {
            let (text, from, to) = (input.texts()?, operands.get(1)?.integers()?, operands.get(2)?.integers()?);
            Some(frame.text_map(operands, |row, out| conv(text.get(row), from.get(row), to.get(row), out)))
        }
        M::BitCount if input.booleans().is_some() => {
            let x = input.booleans()?;
            Some(frame.map(operands, Values::Int, |row| i32::from(x.get(row))))
        }
        _ => of_integers(function, input.integers()?, operands, frame),
    }
}

fn of_integers(function: M, x: Integers<'_>, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let narrow = matches!(x, Integers::Narrow(_));
    match function {
        M::Factorial => Some(frame.try_map(operands, Values::BigInt, |row| {
            let n = x.get(row);
            Ok((0..=20).contains(&n).then(|| (1..=n).product()))
        })),
        M::Bin => Some(frame.text_map(operands, |row, out| {
            out.push_str(&format!("{:b}", x.get(row)));
            Ok(out.len() <= TEXT_BYTES_MAX)
        })),
        M::BitCount => Some(frame.map(operands, Values::Int, |row| x.get(row).count_ones() as i32)),
        M::BitGet => {
            let place = operands.get(1)?.integers()?;
            Some(frame.try_map(operands, Values::Int, |row| {
                let width = if narrow { 32 } else { 64 };
                let place = place.get(row);
                if !(0..width).contains(&place) {
                    return Err(Failure::with(Problem::Argument("the number has no such bit"), place));
                }
                Ok(Some((x.get(row) >> place & 1) as i32))
            }))
        }
        M::ShiftRightUnsigned => {
            let by = operands.get(1)?.integers()?;
            if narrow {
                return Some(frame.map(operands, Values::Int, |row| (x.get(row) as u32).wrapping_shr(by.get(row) as u32) as i32));
            }
            Some(frame.map(operands, Values::BigInt, |row| (x.get(row) as u64).wrapping_shr(by.get(row) as u32) as i64))
        }
        M::BitmapBitPosition => Some(frame.map(operands, Values::BigInt, |row| {
            let x = x.get(row);
            if x > 0 { (x - 1) % BITMAP_BITS } else { x.wrapping_neg() % BITMAP_BITS }
        })),
        M::BitmapBucketNumber => Some(frame.map(operands, Values::BigInt, |row| {
            let x = x.get(row);
            if x > 0 { 1 + (x - 1) / BITMAP_BITS } else { x / BITMAP_BITS }
        })),
        _ => None,
    }
}

fn unary(function: M) -> Option<fn(f64) -> f64> {
    Some(match function {
        M::Asinh => asinh,
        M::Acosh => acosh,
        M::Atanh => |x| 0.5 * (x.ln_1p() - (-x).ln_1p()),
        M::Cot => |x| 1.0 / x.tan(),
        M::Sec => |x| 1.0 / x.cos(),
        M::Csc => |x| 1.0 / x.sin(),
        M::Rint => f64::round_ties_even,
        _ => return None,
    })
}

/// Above it, x² + 1 is x² or out of range.
const LARGE: f64 = 1e154;

fn asinh(x: f64) -> f64 {
    if x.abs() > LARGE { (x.abs().ln() + std::f64::consts::LN_2).copysign(x) } else { x.asinh() }
}

fn acosh(x: f64) -> f64 {
    if x > LARGE { x.ln() + std::f64::consts::LN_2 } else { x.acosh() }
}

/// The bucket of `count` equal ones from `from` to `to` that holds the value; 0 before them, `count + 1` after them.
fn width_bucket(value: f64, from: f64, to: f64, count: i64) -> Option<i64> {
    if count <= 0 || count == i64::MAX || value.is_nan() || from == to || !from.is_finite() || !to.is_finite() {
        return None;
    }
    let (low, high) = (from.min(to), from.max(to));
    if from < to {
        if value < low {
            return Some(0);
        }
        if value >= high {
            return Some(count + 1);
        }
        return Some((count as f64 * (value - low) / (high - low)) as i64 + 1);
    }
    if value > high {
        return Some(0);
    }
    if value <= low {
        return Some(count + 1);
    }
    Some((count as f64 * (high - value) / (high - low)) as i64 + 1)
}

/// A whole number's digits in another base. As many digits as can be read count; a negative target base gives a signed number.
fn conv(text: &str, from: i64, to: i64, out: &mut String) -> Result<bool, Failure> {
    let base = |base: i64| u32::try_from(base.unsigned_abs()).ok().filter(|base| (2..=36).contains(base));
    let text = text.trim_matches(' ');
    let (Some(from_base), Some(to_base)) = (base(from).filter(|_| from > 0), base(to)) else { return Ok(false) };
    if text.is_empty() {
        return Ok(false);
    }
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let mut value = 0u64;
    for digit in digits.chars().map_while(|c| c.to_digit(from_base)) {
        let next = value.checked_mul(u64::from(from_base)).and_then(|value| value.checked_add(u64::from(digit)));
        value = next.ok_or_else(|| Failure::with_text(Problem::Overflow(DataType::BigInt), text))?;
    }
    let mut signed = false;
    if negative && to > 0 {
        // Two's complement; beyond it the greatest of all numbers.
        value = if (value as i64) < 0 { u64::MAX } else { value.wrapping_neg() };
    } else if to < 0 {
        if negative {
            value = value.wrapping_neg();
        }
        signed = (value as i64) < 0;
        if signed {
            value = value.wrapping_neg();
        }
    }
    let mut reversed = Vec::new();
    while value > 0 || reversed.is_empty() {
        reversed.extend(char::from_digit((value % u64::from(to_base)) as u32, to_base).map(|digit| digit.to_ascii_uppercase()));
        value /= u64::from(to_base);
    }
    if signed {
        out.push('-');
    }
    out.extend(reversed.iter().rev());
    Ok(true)
}
