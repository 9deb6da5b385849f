//! `+ - * / div % pmod`, their `try_` forms, unary minus and abs. Integers fail on overflow; every type fails on a zero divisor.

use crate::batch::{Column, Values};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Lane, Operand, valid_in_all};
use crate::plan::{Function, MathFunction};
use crate::types::DataType;

const TRY_REMAINDER: Function = Function::Math(MathFunction::TryRemainder);

/// `+ - *` and their `try_` forms, which give NULL on overflow.
pub(super) fn exact(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [left, right] = operands else { return None };
    let fallible = !matches!(function, Function::Add | Function::Subtract | Function::Multiply);
    if let (Some(a), Some(b)) = (left.doubles(), right.doubles()) {
        return Some(match function {
            Function::Add | Function::TryAdd => doubles(operands, a, b, |a, b| a + b),
            Function::Subtract | Function::TrySubtract => doubles(operands, a, b, |a, b| a - b),
            _ => doubles(operands, a, b, |a, b| a * b),
        });
    }
    if let (Some(a), Some(b)) = (left.bigints(), right.bigints()) {
        let checked = match function {
            Function::Add | Function::TryAdd => i64::checked_add,
            Function::Subtract | Function::TrySubtract => i64::checked_sub,
            _ => i64::checked_mul,
        };
        return Some(frame.try_map(operands, Values::BigInt, |row| in_range(checked(a.get(row), b.get(row)), fallible, DataType::BigInt)));
    }
    if let (Some(a), Some(b)) = (left.intervals(), right.intervals()) {
        let checked = if matches!(function, Function::Add | Function::TryAdd) { i64::checked_add } else { i64::checked_sub };
        return Some(
            frame.try_map(operands, Values::Interval, |row| in_range(checked(a.get(row), b.get(row)), fallible, DataType::Interval)),
        );
    }
    if let (Some(a), Some(b)) = (left.ints(), right.ints()) {
        let checked = match function {
            Function::Add | Function::TryAdd => i32::checked_add,
            Function::Subtract | Function::TrySubtract => i32::checked_sub,
            _ => i32::checked_mul,
        };
        return Some(frame.try_map(operands, Values::Int, |row| in_range(checked(a.get(row), b.get(row)), fallible, DataType::Int)));
    }
    let (a, b) = (left.floats()?, right.floats()?);
    Some(match function {
        Function::Add | Function::TryAdd => frame.map(operands, Values::Float, |row| a.get(row) + b.get(row)),
        Function::Subtract | Function::TrySubtract => frame.map(operands, Values::Float, |row| a.get(row) - b.get(row)),
        _ => frame.map(operands, Values::Float, |row| a.get(row) * b.get(row)),
    })
}

fn in_range<T>(result: Option<T>, fallible: bool, data_type: DataType) -> Result<Option<T>, Failure> {
    if result.is_none() && !fallible { Err(Problem::Overflow(data_type).into()) } else { Ok(result) }
}

/// All rows in one tight loop, also those that are not selected: it cannot fail.
fn doubles(operands: &[Operand<'_>], a: Lane<'_, f64>, b: Lane<'_, f64>, f: impl Fn(f64, f64) -> f64) -> Operand<'static> {
    let mut values: Vec<f64> = match (a, b) {
        (Lane::Each(a), Lane::Each(b)) => a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect(),
        (Lane::Each(a), Lane::One(b)) => a.iter().map(|a| f(*a, b)).collect(),
        (Lane::One(a), Lane::Each(b)) => b.iter().map(|b| f(a, *b)).collect(),
        (Lane::One(a), Lane::One(b)) => vec![f(a, b)],
    };
    let valid = valid_in_all(operands);
    if let Some(valid) = &valid {
        valid.unset().for_each(|row| values[row] = 0.0);
    }
    Operand::owned(Column { values: Values::Double(values), valid })
}

/// `/ try_divide div % pmod`.
pub(super) fn division(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [left, right] = operands else { return None };
    let zero = match function {
        Function::TryDivide | TRY_REMAINDER => Ok(()),
        Function::Remainder | Function::Pmod => Err(Failure::new(Problem::RemainderByZero)),
        _ => Err(Failure::new(Problem::DivideByZero)),
    };
    if let (Some(a), Some(b)) = (left.doubles(), right.doubles()) {
        let divide = match function {
            Function::Divide | Function::TryDivide => |a: f64, b: f64| a / b,
            Function::Remainder | TRY_REMAINDER => |a: f64, b: f64| a % b,
            Function::Pmod => pmod_double,
            _ => return None,
        };
        let nonzero = matches!(b, Lane::One(b) if b != 0.0);
        if nonzero && matches!(function, Function::Divide | Function::TryDivide) {
            return Some(doubles(operands, a, b, |a, b| a / b));
        }
        return Some(frame.try_map(operands, Values::Double, |row| {
            if b.get(row) == 0.0 { zero.clone().map(|()| None) } else { Ok(Some(divide(a.get(row), b.get(row)))) }
        }));
    }
    if let (Some(a), Some(b)) = (left.floats(), right.floats()) {
        let (a, b) = (|row| f64::from(a.get(row)), |row| f64::from(b.get(row)));
        return Some(match function {
            Function::Remainder | Function::Pmod | TRY_REMAINDER => frame.try_map(operands, Values::Float, |row| {
                let divide = if function == Function::Pmod { pmod_double(a(row), b(row)) } else { a(row) % b(row) };
                if b(row) == 0.0 { zero.clone().map(|()| None) } else { Ok(Some(divide as f32)) }
            }),
            _ => {
                frame.try_map(
                    operands,
                    Values::Double,
                    |row| {
                        if b(row) == 0.0 { zero.clone().map(|()| None) } else { Ok(Some(a(row) / b(row))) }
                    },
                )
            }
        });
    }
    integer_division(function, operands, frame, &zero)
}

fn integer_division(
    function: Function,
    operands: &[Operand<'_>],
    frame: &mut Frame<'_>,
    zero: &Result<(), Failure>,
) -> Option<Operand<'static>> {
    let (a, b) = (operands[0].integers()?, operands[1].integers()?);
    let result = |row: usize| -> Result<Option<i64>, Failure> {
        let (a, b) = (a.get(row), b.get(row));
        if b == 0 {
            return zero.clone().map(|()| None);
        }
        match function {
            Function::IntegerDivide => a.checked_div(b).map(Some).ok_or_else(|| Problem::Overflow(DataType::BigInt).into()),
            Function::Remainder | TRY_REMAINDER => Ok(Some(a.wrapping_rem(b))),
            _ => Ok(Some(pmod(a, b))),
        }
    };
    match (function, frame.data_type) {
        (Function::Divide | Function::TryDivide, _) => None,
        (_, DataType::Int) => Some(frame.try_map(operands, Values::Int, |row| result(row).map(|value| value.map(|value| value as i32)))),
        _ => Some(frame.try_map(operands, Values::BigInt, result)),
    }
}

/// Spark's: `(r + n) % n` where the remainder r is negative, also for a negative n.
fn pmod(a: i64, n: i64) -> i64 {
    let r = a.wrapping_rem(n);
    if r < 0 { r.wrapping_add(n).wrapping_rem(n) } else { r }
}

fn pmod_double(a: f64, n: f64) -> f64 {
    let r = a % n;
    if r < 0.0 { (r + n) % n } else { r }
}

/// Unary minus and abs.
pub(super) fn sign_change(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [input] = operands else { return None };
    let negate = function == Function::Negate;
    if let Some(x) = input.doubles() {
        return Some(frame.map(operands, Values::Double, |row| if negate { -x.get(row) } else { x.get(row).abs() }));
    }
    if let Some(x) = input.bigints() {
        let checked = if negate { i64::checked_neg } else { i64::checked_abs };
        return Some(frame.try_map(operands, Values::BigInt, |row| in_range(checked(x.get(row)), false, DataType::BigInt)));
    }
    if let Some(x) = input.ints() {
        let checked = if negate { i32::checked_neg } else { i32::checked_abs };
        return Some(frame.try_map(operands, Values::Int, |row| in_range(checked(x.get(row)), false, DataType::Int)));
    }
    if let Some(x) = input.intervals() {
        let checked = if negate { i64::checked_neg } else { i64::checked_abs };
        return Some(frame.try_map(operands, Values::Interval, |row| in_range(checked(x.get(row)), false, DataType::Interval)));
    }
    let x = input.floats()?;
    Some(frame.map(operands, Values::Float, |row| if negate { -x.get(row) } else { x.get(row).abs() }))
}
