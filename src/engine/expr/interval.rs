//! Intervals and numbers: multiplication, division, the difference of two times. Results are rounded half away from zero.

use crate::batch::Values;
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::plan::Function;
use crate::types::DataType;

pub(super) fn apply(function: Function, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [left, right] = operands else { return None };
    if function == Function::TimeDifference {
        let (a, b) = (left.timestamps()?, right.timestamps()?);
        return Some(frame.try_map(operands, Values::Interval, |row| fits(a.get(row).checked_sub(b.get(row)))));
    }
    let interval = left.intervals()?;
    let multiply = function == Function::MultiplyInterval;
    if let Some(number) = right.integers() {
        return Some(frame.try_map(operands, Values::Interval, |row| match number.get(row) {
            number if multiply => fits(interval.get(row).checked_mul(number)),
            0 => Err(Problem::DivideByZero.into()),
            number => fits(divide(interval.get(row), number)),
        }));
    }
    let number = right.doubles()?;
    Some(frame.try_map(operands, Values::Interval, |row| match number.get(row) {
        number if multiply => rounded(interval.get(row) as f64 * number),
        0.0 => Err(Problem::DivideByZero.into()),
        number => rounded(interval.get(row) as f64 / number),
    }))
}

fn fits(micros: Option<i64>) -> Result<Option<i64>, Failure> {
    micros.map(Some).ok_or_else(|| Problem::Overflow(DataType::Interval).into())
}

fn divide(micros: i64, number: i64) -> Option<i64> {
    let (micros, number) = (i128::from(micros), i128::from(number));
    let (quotient, rest) = (micros / number, micros % number);
    let away = if 2 * rest.abs() >= number.abs() { (micros.signum() * number.signum()) as i64 } else { 0 };
    i64::try_from(quotient).ok()?.checked_add(away)
}

fn rounded(micros: f64) -> Result<Option<i64>, Failure> {
    let inside = micros >= i64::MIN as f64 && micros < i64::MAX as f64;
    if inside { Ok(Some(micros.round() as i64)) } else { Err(Problem::Overflow(DataType::Interval).into()) }
}
