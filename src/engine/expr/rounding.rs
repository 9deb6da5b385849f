//! round, bround, floor, ceil.
//!
//! A DOUBLE is rounded as the decimal number that it prints as: 2.675 to two places is 2.68, though the bits lie below 2.675.
//! A FLOAT is rounded as the DOUBLE that it equals.

use crate::batch::Values;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand};
use crate::plan::Function;
use crate::types::DataType;

/// Decimal places beyond which every DOUBLE is unchanged, or zero.
const SCALE_MAX: i64 = 400;

/// What becomes of a digit 5 with nothing after it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    /// Away from zero.
    Up,
    /// To the even neighbour.
    Even,
    /// No half counts: towards minus infinity.
    Down,
    /// No half counts: towards plus infinity.
    Above,
}

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let input = operands.first()?;
    if matches!(function, Function::Floor | Function::Ceil) {
        if let Some(x) = input.doubles() {
            let f = if function == Function::Floor { f64::floor } else { f64::ceil };
            return Some(frame.try_map(operands, Values::BigInt, |row| to_bigint(f(x.get(row))).map(Some)));
        }
        let x = input.integers()?;
        return Some(frame.map(operands, Values::BigInt, |row| x.get(row)));
    }
    let half = if function == Function::Round { Half::Up } else { Half::Even };
    let scale = match operands.get(1) {
        Some(scale) => scale.integers()?,
        None => Integers::Narrow(Lane::One(0)),
    };
    if let Some(x) = input.doubles() {
        return Some(frame.map(operands, Values::Double, |row| round_double(x.get(row), scale.get(row), half)));
    }
    if let Some(x) = input.floats() {
        return Some(frame.map(operands, Values::Float, |row| {
            let x = x.get(row);
            let wide = f64::from(x);
            let rounded = round_digits(wide, &format!("{wide:e}"), scale.get(row), half);
            rounded.map_or(x, |text| text.parse::<f32>().unwrap_or(x)) + 0.0
        }));
    }
    if let Some(x) = input.ints() {
        let round = |row: usize| round_integer(i64::from(x.get(row)), scale.get(row), half);
        return Some(frame.try_map(operands, Values::Int, |row| fit::<i32>(round(row), DataType::Int)));
    }
    let x = input.bigints()?;
    Some(frame.try_map(operands, Values::BigInt, |row| fit::<i64>(round_integer(x.get(row), scale.get(row), half), DataType::BigInt)))
}

fn fit<T: TryFrom<i128>>(rounded: i128, data_type: DataType) -> Result<Option<T>, Failure> {
    T::try_from(rounded).map(Some).map_err(|_| Problem::Overflow(data_type).into())
}

/// NaN is 0; beyond 64 bits fails.
fn to_bigint(x: f64) -> Result<i64, Failure> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if x.is_nan() || (-LIMIT..LIMIT).contains(&x) { Ok(x as i64) } else { Err(Failure::with(Problem::CastRange(DataType::BigInt), x)) }
}

fn round_double(x: f64, scale: i64, half: Half) -> f64 {
    if let Some(rounded) = round_clear(x, scale) {
        return rounded;
    }
    round_digits(x, &format!("{x:e}"), scale, half).map_or(x, |text| text.parse().unwrap_or(x)) + 0.0
}

/// The result where it is plain without looking at the digits: far enough from a half that neither the multiplication nor the shortest
/// digits can move the number across it. A whole number by a power of ten is then the nearest DOUBLE to the rounded decimal.
fn round_clear(x: f64, scale: i64) -> Option<f64> {
    const SCALED_MAX: f64 = 1e9;
    const MARGIN: f64 = 1e-6;
    let power = POWERS.get(usize::try_from(scale).ok()?)?;
    let scaled = x * power;
    let whole = scaled.floor();
    let clear = scaled.abs() < SCALED_MAX && (scaled - whole - 0.5).abs() > MARGIN;
    let nearest = if scaled - whole > 0.5 { whole + 1.0 } else { whole };
    clear.then_some(nearest / power + 0.0)
}

/// Powers of ten that are exact.
const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// The rounded number as text, from the shortest digits of `x` in scientific notation; `None` where `x` needs no rounding.
fn round_digits(x: f64, scientific: &str, scale: i64, half: Half) -> Option<String> {
    if !x.is_finite() || x == 0.0 || scale > SCALE_MAX {
        return None;
    }
    let (mantissa, exponent) = scientific.split_once('e')?;
    let exponent: i64 = exponent.parse().ok()?;
    let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let kept = exponent + 1 + scale.max(-SCALE_MAX);
    if kept >= digits.len() as i64 {
        return None;
    }
    let away = (half == Half::Down && x < 0.0) || (half == Half::Above && x > 0.0);
    let Ok(kept) = usize::try_from(kept) else {
        return Some(if away { format!("{}1e{}", if x < 0.0 { "-" } else { "" }, -scale) } else { "0".to_owned() });
    };
    let (head, tail) = digits.split_at(kept);
    let last_is_odd = head.last().is_some_and(|digit| digit % 2 == 1);
    let beyond_half = tail[0] > b'5' || (tail[0] == b'5' && tail[1..].iter().any(|digit| *digit != b'0'));
    let up = match half {
        Half::Up | Half::Even => beyond_half || (tail[0] == b'5' && (half == Half::Up || last_is_odd)),
        Half::Down | Half::Above => away,
    };
    let mut text = String::from(if x < 0.0 { "-" } else { "" });
    text.push_str(&increment(head, up));
    text.push_str(&format!("e{}", -scale));
    Some(text)
}

/// A whole number's digits, plus one if `up`.
fn increment(digits: &[u8], up: bool) -> String {
    let mut digits = digits.to_vec();
    let mut carry = up;
    for digit in digits.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { *digit + 1 };
    }
    let head = if carry || digits.is_empty() { if carry { "1" } else { "0" } } else { "" };
    head.chars().chain(digits.into_iter().map(char::from)).collect()
}

fn round_integer(x: i64, scale: i64, half: Half) -> i128 {
    let x = i128::from(x);
    if scale >= 0 {
        return x;
    }
    let away = (half == Half::Down && x < 0) || (half == Half::Above && x > 0);
    if scale < -19 {
        // Beyond what fits.
        return if away { i128::MAX } else { 0 };
    }
    let unit = 10i128.pow(scale.unsigned_abs() as u32);
    let (quotient, rest) = (x.abs() / unit, x.abs() % unit);
    let twice = rest * 2;
    let up = match half {
        Half::Up | Half::Even => twice > unit || (twice == unit && (half == Half::Up || quotient % 2 == 1)),
        Half::Down | Half::Above => away && rest > 0,
    };
    (quotient + i128::from(up)) * unit * x.signum()
}

/// floor and ceil to a number of decimal places.
pub(super) fn to_scale(down: bool, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input, scale] = operands else { return None };
    let (scale, half) = (scale.integers()?, if down { Half::Down } else { Half::Above });
    if let Some(x) = input.doubles() {
        return Some(frame.try_map(operands, Values::Double, |row| {
            let x = x.get(row);
            let rounded = round_digits(x, &format!("{x:e}"), scale.get(row), half);
            Ok(x.is_finite().then(|| rounded.map_or(x, |text| text.parse().unwrap_or(x)) + 0.0))
        }));
    }
    let x = input.integers()?;
    Some(frame.try_map(operands, Values::BigInt, |row| fit::<i64>(round_integer(x.get(row), scale.get(row), half), DataType::BigInt)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_the_printed_number() {
        let cases = [
            (2.675, 2, 2.68, 2.68),
            (2.5, 0, 3.0, 2.0),
            (3.5, 0, 4.0, 4.0),
            (-2.5, 0, -3.0, -2.0),
            (0.5, 0, 1.0, 0.0),
            (0.05, 0, 0.0, 0.0),
            (9.99, 1, 10.0, 10.0),
            (1234.5, -2, 1200.0, 1200.0),
            (1250.0, -2, 1300.0, 1200.0),
            (60.0, -2, 100.0, 100.0),
            (50.0, -2, 100.0, 0.0),
            (1e300, 400, 1e300, 1e300),
            (1e300, -400, 0.0, 0.0),
            (1.5e300, i64::MIN, 0.0, 0.0),
            (5e-324, i64::MAX, 5e-324, 5e-324),
        ];
        for (x, scale, up, even) in cases {
            assert_eq!(round_double(x, scale, Half::Up), up, "{x} {scale}");
            assert_eq!(round_double(x, scale, Half::Even), even, "{x} {scale}");
        }
        assert!(round_double(-0.0, 1, Half::Up).is_sign_positive());
        assert!(round_double(-0.04, 1, Half::Up).is_sign_positive());
    }

    #[test]
    fn the_short_way_agrees_with_the_digits() {
        for i in -20_000..20_000 {
            let x = f64::from(i) * 0.00437;
            for scale in 0..8 {
                for half in [Half::Up, Half::Even] {
                    let digits = round_digits(x, &format!("{x:e}"), scale, half).map_or(x, |text| text.parse().expect("a number")) + 0.0;
                    assert_eq!(round_double(x, scale, half).to_bits(), digits.to_bits(), "{x} {scale}");
                }
            }
        }
    }

    #[test]
    fn rounds_integers() {
        assert_eq!(round_integer(-25, -1, Half::Up), -30);
        assert_eq!(round_integer(-25, -1, Half::Even), -20);
        assert_eq!(round_integer(i64::MAX, -19, Half::Up), 10i128.pow(19));
        assert_eq!(round_integer(i64::MIN, i64::MIN, Half::Up), 0);
    }
}
