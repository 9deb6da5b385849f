//! `sequence(start, stop[, step])` of whole numbers, dates and timestamps, both ends included.
//!
//! A step is a number for numbers, an INTERVAL or an INT of months for times; without it, one (day) towards the end.

use super::{Room, build};
use crate::batch::ColumnBuilder;
use crate::engine::expr::ELEMENTS_MAX;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::{Integers, Lane, Operand};
use crate::types::{DataType, Value};

const WRONG_WAY: &str = "the step of a sequence leads away from its end, or nowhere";

/// How one element follows another.
#[derive(Clone, Copy)]
enum Step {
    /// In the units of the elements.
    Units(i64),
    Months(i64),
}

pub(super) fn apply(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let DataType::Array(element) = frame.data_type else { return None };
    let element = (**element).clone();
    let (starts, stops) = (numbers(operands.first()?)?, numbers(operands.get(1)?)?);
    let steps = operands.get(2).map(|step| (step.intervals(), step.integers()));
    Some(build(operands, frame, |row, builder, room| {
        let (start, stop) = (starts.get(row), stops.get(row));
        let step = match (&steps, &element) {
            (None, DataType::Timestamp) => Step::Units(if start <= stop { MICROS_PER_DAY } else { -MICROS_PER_DAY }),
            (None, _) => Step::Units(if start <= stop { 1 } else { -1 }),
            (Some((Some(interval), _)), DataType::Date) if interval.get(row) % MICROS_PER_DAY != 0 => {
                return Err(Problem::Argument("a sequence of dates steps by whole days or months").into());
            }
            (Some((Some(interval), _)), DataType::Date) => Step::Units(interval.get(row) / MICROS_PER_DAY),
            (Some((Some(interval), _)), _) => Step::Units(interval.get(row)),
            (Some((_, Some(months))), DataType::Date | DataType::Timestamp) => Step::Months(months.get(row)),
            (Some((_, Some(number))), _) => Step::Units(number.get(row)),
            (Some((None, None)), _) => return Err(Problem::Plan("a step of another type").into()),
        };
        builder.push_list(|out| fill(start, stop, step, &element, out, room))
    }))
}

/// Entries of any type that is stored as a whole number.
fn numbers<'o>(operand: &'o Operand<'_>) -> Option<Integers<'o>> {
    let narrow = |lane: Lane<'o, i32>| Integers::Narrow(lane);
    operand.integers().or_else(|| operand.dates().map(narrow)).or_else(|| operand.timestamps().map(Integers::Wide))
}

fn fill(start: i64, stop: i64, step: Step, element: &DataType, out: &mut ColumnBuilder, room: &mut Room) -> Result<(), Failure> {
    let (Step::Units(size) | Step::Months(size)) = step;
    if size == 0 && start != stop || size > 0 && start > stop || size < 0 && start < stop {
        return Err(Problem::Argument(WRONG_WAY).into());
    }
    for number in 0..=ELEMENTS_MAX as i64 {
        let Some(value) = nth(start, number, step, element) else { return Ok(()) };
        if size >= 0 && value > stop || size <= 0 && value < stop {
            return Ok(());
        }
        room.take(1, 0)?;
        out.push(&match element {
            DataType::Int => Value::Int(value as i32),
            DataType::Date => Value::Date(value as i32),
            DataType::Timestamp => Value::Timestamp(value),
            _ => Value::BigInt(value),
        });
        if size == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Element `number`; `None` beyond 64 bits.
fn nth(start: i64, number: i64, step: Step, element: &DataType) -> Option<i64> {
    match step {
        Step::Units(size) => start.checked_add(size.checked_mul(number)?),
        Step::Months(months) => {
            let months = months.checked_mul(number).filter(|months| i32::try_from(*months).is_ok())?;
            if *element == DataType::Date {
                return Some(Day::from_days(start).add_months(months).to_days());
            }
            let (days, of_day) = (start.div_euclid(MICROS_PER_DAY), start.rem_euclid(MICROS_PER_DAY));
            Day::from_days(days).add_months(months).to_days().checked_mul(MICROS_PER_DAY)?.checked_add(of_day)
        }
    }
}
