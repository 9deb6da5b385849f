//! Times moved by units and counted in them; buckets of times.

use crate::batch::Values;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::time::in_range;
use crate::plan::TimeFunction as T;

enum Step {
    Months(i64),
    Micros(i64),
}

fn step(unit: &str) -> Result<Step, Failure> {
    Ok(match unit.to_ascii_uppercase().as_str() {
        "YEAR" => Step::Months(12),
        "QUARTER" => Step::Months(3),
        "MONTH" => Step::Months(1),
        "WEEK" => Step::Micros(7 * MICROS_PER_DAY),
        "DAY" | "DAYOFYEAR" => Step::Micros(MICROS_PER_DAY),
        "HOUR" => Step::Micros(MICROS_PER_HOUR),
        "MINUTE" => Step::Micros(MICROS_PER_MINUTE),
        "SECOND" => Step::Micros(MICROS_PER_SECOND),
        "MILLISECOND" => Step::Micros(1_000),
        "MICROSECOND" => Step::Micros(1),
        _ => return Err(Failure::with_text(Problem::Argument("this is not a unit of time"), unit)),
    })
}

pub(super) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    if function == T::TimeBucket {
        return time_bucket(operands, frame);
    }
    let [unit, second, third] = operands else { return None };
    let (unit, time) = (unit.texts()?, third.timestamps()?);
    if function == T::TimestampAdd {
        let count = second.integers()?;
        return Some(frame.try_map(operands, Values::Timestamp, |row| {
            let (count, time) = (count.get(row), time.get(row));
            in_range(match step(unit.get(row))? {
                Step::Micros(micros) => count.checked_mul(micros).and_then(|micros| time.checked_add(micros)),
                Step::Months(months) => count.checked_mul(months).and_then(|months| add_months(time, months)),
            })
        }));
    }
    let start = second.timestamps()?;
    Some(frame.try_map(operands, Values::BigInt, |row| {
        let (from, to) = (start.get(row), time.get(row));
        in_range(match step(unit.get(row))? {
            Step::Micros(micros) => i64::try_from((i128::from(to) - i128::from(from)) / i128::from(micros)).ok(),
            Step::Months(months) => Some(whole_months(from, to) / months),
        })
    }))
}

fn add_months(time: i64, months: i64) -> Option<i64> {
    const MONTHS_MAX: u64 = 1 << 40;
    let days = Some(months).filter(|months| months.unsigned_abs() < MONTHS_MAX)?;
    let day = Day::from_days(time.div_euclid(MICROS_PER_DAY)).add_months(days);
    day.to_days().checked_mul(MICROS_PER_DAY)?.checked_add(time.rem_euclid(MICROS_PER_DAY))
}

/// Whole months between two times, towards zero, as Java counts them: in days of a calendar whose months all have 32.
fn whole_months(from: i64, to: i64) -> i64 {
    let (first, mut last) = (from.div_euclid(MICROS_PER_DAY), to.div_euclid(MICROS_PER_DAY));
    let (first_time, last_time) = (from.rem_euclid(MICROS_PER_DAY), to.rem_euclid(MICROS_PER_DAY));
    if last > first && last_time < first_time {
        last -= 1;
    } else if last < first && last_time > first_time {
        last += 1;
    }
    let packed = |days: i64| {
        let day = Day::from_days(days);
        (day.year * 12 + i64::from(day.month)) * 32 + i64::from(day.day)
    };
    (packed(last) - packed(first)) / 32
}

/// The begin of the bucket that holds a time; buckets are counted from the origin, or from 1970.
fn time_bucket(operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [size, time, rest @ ..] = operands else { return None };
    let (size, time) = (size.intervals()?, time.timestamps()?);
    let origin = match rest {
        [] => None,
        [origin] => Some(origin.timestamps()?),
        _ => return None,
    };
    Some(frame.try_map(operands, Values::Timestamp, |row| {
        let size = size.get(row);
        if size <= 0 {
            return Err(Problem::Argument("the size of a bucket must be above zero").into());
        }
        let origin = origin.map_or(0, |origin| origin.get(row));
        let since = i128::from(time.get(row)) - i128::from(origin);
        in_range(i64::try_from(i128::from(origin) + since.div_euclid(i128::from(size)) * i128::from(size)).ok())
    }))
}
