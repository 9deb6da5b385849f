//! Dates, times and intervals out of numbers.

use crate::batch::Values;
use crate::engine::expr::calendar::{Day, MICROS_PER_DAY, MICROS_PER_HOUR, MICROS_PER_MINUTE, MICROS_PER_SECOND, days_in_month};
use crate::engine::expr::error::{Failure, Problem};
use crate::engine::expr::frame::Frame;
use crate::engine::expr::operand::Operand;
use crate::engine::expr::time::in_range;
use crate::engine::expr::time::zone::Zones;
use crate::plan::TimeFunction as T;
use crate::types::DataType;

/// Java's years.
const YEAR_MAX: i64 = 999_999_999;

pub(super) fn apply(function: T, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    match function {
        T::MakeDate => {
            let [year, month, day] = operands else { return None };
            let (year, month, day) = (year.integers()?, month.integers()?, day.integers()?);
            Some(frame.try_map(operands, Values::Date, |row| {
                let days = days(year.get(row), month.get(row), day.get(row))?;
                in_range(i32::try_from(days).ok())
            }))
        }
        T::MakeInterval => {
            let [days, hours, minutes, seconds] = operands else { return None };
            let (days, hours, minutes) = (days.integers()?, hours.integers()?, minutes.integers()?);
            let seconds = seconds.doubles()?;
            Some(frame.try_map(operands, Values::Interval, |row| {
                let whole = days.get(row) * 86_400 + hours.get(row) * 3_600 + minutes.get(row) * 60;
                let fraction = micros(seconds.get(row)).ok_or(Problem::Overflow(DataType::Interval))?;
                let sum = whole.checked_mul(MICROS_PER_SECOND).and_then(|whole| whole.checked_add(fraction));
                sum.map(Some).ok_or_else(|| Problem::Overflow(DataType::Interval).into())
            }))
        }
        _ => timestamp(function == T::TryMakeTimestamp, operands, frame),
    }
}

fn timestamp(fallible: bool, operands: &[Operand<'_>], frame: &mut Frame<'_>) -> Option<Operand<'static>> {
    let [year, month, day, hour, minute, second, rest @ ..] = operands else { return None };
    let (year, month, day) = (year.integers()?, month.integers()?, day.integers()?);
    let (hour, minute, second) = (hour.integers()?, minute.integers()?, second.doubles()?);
    let zones = match rest {
        [] => None,
        [zone] => Some(Zones::new(zone.texts()?)),
        _ => return None,
    };
    Some(frame.try_map(operands, Values::Timestamp, |row| {
        let made = (|| {
            let start = days(year.get(row), month.get(row), day.get(row))?;
            let clock = clock(hour.get(row), minute.get(row), second.get(row))?;
            let local = start.checked_mul(MICROS_PER_DAY).and_then(|start| start.checked_add(clock)).ok_or(Problem::TimeRange)?;
            match &zones {
                None => Ok(local),
                Some(zones) => zones.get(row)?.to_utc(local).ok_or_else(|| Problem::TimeRange.into()),
            }
        })();
        match made {
            Ok(time) => Ok(Some(time)),
            Err(_) if fallible => Ok(None),
            Err(failure) => Err(failure),
        }
    }))
}

fn outside(what: &'static str, number: impl std::fmt::Display) -> Failure {
    Failure::with(Problem::Argument(what), number)
}

/// Days since the epoch.
fn days(year: i64, month: i64, day: i64) -> Result<i64, Failure> {
    let (Ok(month_number), Ok(day_number)) = (u32::try_from(month), u32::try_from(day)) else {
        return Err(outside("there is no such day", format_args!("{year}-{month}-{day}")));
    };
    let exists =
        year.abs() <= YEAR_MAX && (1..=12).contains(&month_number) && (1..=days_in_month(year, month_number)).contains(&day_number);
    if !exists {
        return Err(outside("there is no such day", format_args!("{year}-{month}-{day}")));
    }
    Ok(Day { year, month: month_number, day: day_number }.to_days())
}

/// Microseconds since midnight; second 60 is the next minute's 0, if it has no fraction.
fn clock(hour: i64, minute: i64, second: f64) -> Result<i64, Failure> {
    let fraction = micros(second).filter(|micros| (0..=60 * MICROS_PER_SECOND).contains(micros));
    let fraction = fraction.ok_or_else(|| outside("a minute has no such second", second))?;
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) {
        return Err(outside("a day has no such time", format_args!("{hour}:{minute}")));
    }
    Ok(hour * MICROS_PER_HOUR + minute * MICROS_PER_MINUTE + fraction)
}

/// Seconds as microseconds, the nearest; `None` out of range.
fn micros(seconds: f64) -> Option<i64> {
    const SECONDS_MAX: f64 = 9e12;
    (seconds.abs() < SECONDS_MAX).then(|| (seconds * MICROS_PER_SECOND as f64).round() as i64)
}
